//! Reading a `BPF_MAP_TYPE_PERF_EVENT_ARRAY`: one ring per CPU (`struct perf_event_mmap_page` in
//! `include/uapi/linux/perf_event.h`). For kernels without a BPF ring buffer.

use std::{
    io,
    num::NonZeroUsize,
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
    ptr::NonNull,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

use crate::{Error, Map, possible_cpus, ring::Records};

const DATA_PAGES: usize = 256;
const DATA_HEAD: usize = 1024;
const DATA_TAIL: usize = 1032;
const RECORD_SAMPLE: u32 = 9;

/// The reader of all CPUs' rings.
#[derive(Debug)]
pub struct PerfReader {
    rings: Vec<Ring>,
    record: Vec<u8>,
}

#[derive(Debug)]
struct Ring {
    _event: OwnedFd,
    start: NonNull<u8>,
    page: usize,
}

// SAFETY: the mapping has no thread affinity, and `drain` takes the reader exclusively.
unsafe impl Send for Ring {}

impl PerfReader {
    /// Opens a ring on each online CPU and puts it into the map.
    pub fn new(map: &Arc<Map>) -> Result<Self, Error> {
        let mut rings = Vec::new();
        for cpu in 0..possible_cpus() {
            let event = match open_event(cpu) {
                Ok(event) => event,
                // Possible, but not online.
                Err(error) if error.raw_os_error() == Some(libc::ENODEV) => continue,
                Err(error) => return Err(Error::System { what: "perf event".into(), source: error }),
            };
            map.set(&(cpu as u32), &event.as_raw_fd().cast_unsigned())?;
            rings.push(Ring::new(event)?);
        }
        Ok(Self { rings, record: Vec::new() })
    }
}

impl Records for PerfReader {
    fn drain(&mut self, each: &mut dyn FnMut(&[u8])) -> usize {
        let mut records = 0;
        for ring in &self.rings {
            let head = ring.position(DATA_HEAD).load(Ordering::Acquire);
            let mut tail = ring.position(DATA_TAIL).load(Ordering::Relaxed);
            while tail < head {
                ring.copy(tail, 8, &mut self.record);
                let kind =
                    u32::from_ne_bytes([self.record[0], self.record[1], self.record[2], self.record[3]]);
                let size = usize::from(u16::from_ne_bytes([self.record[6], self.record[7]]));
                ring.copy(tail, size, &mut self.record);
                match kind {
                    // The raw data's own size stands before it.
                    RECORD_SAMPLE if size > 12 => {
                        each(&self.record[12..]);
                        records += 1;
                    }
                    // Such as the kernel's own account of losses, which comes only with the next record.
                    _ => {}
                }
                tail += size.max(8) as u64;
            }
            ring.position(DATA_TAIL).store(tail, Ordering::Release);
        }
        records
    }
}

impl Ring {
    fn new(event: OwnedFd) -> Result<Self, Error> {
        let page =
            nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten().unwrap_or(4096) as usize;
        let length = NonZeroUsize::new(page * (1 + DATA_PAGES)).expect("pages are not empty");
        // SAFETY: a fresh mapping at an address of the kernel's choice.
        let start = unsafe {
            mmap(
                None,
                length,
                ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
                MapFlags::MAP_SHARED,
                event.as_fd(),
                0,
            )
        }
        .map_err(|errno| Error::System { what: "perf event mmap".into(), source: errno.into() })?;
        Ok(Self { _event: event, start: start.cast(), page })
    }

    fn position(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: the offsets are those of u64 fields in the first page, which both sides use atomically.
        unsafe { AtomicU64::from_ptr(self.start.as_ptr().add(offset).cast()) }
    }

    /// Copies `size` bytes at a position, around the ring's end.
    fn copy(&self, position: u64, size: usize, out: &mut Vec<u8>) {
        let ring = DATA_PAGES * self.page;
        let at = position as usize % ring;
        let first = size.min(ring - at);
        out.clear();
        // SAFETY: both parts are inside the data pages; the kernel does not write what is not yet consumed.
        unsafe {
            let data = self.start.as_ptr().add(self.page);
            out.extend_from_slice(std::slice::from_raw_parts(data.add(at), first));
            out.extend_from_slice(std::slice::from_raw_parts(data, size - first));
        }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours. Failure leaks address space, nothing else.
        let _ = unsafe { munmap(self.start.cast(), self.page * (1 + DATA_PAGES)) };
    }
}

/// `perf_event_open` of PERF_COUNT_SW_BPF_OUTPUT on one CPU. Nobody is woken: the reader polls.
fn open_event(cpu: usize) -> io::Result<OwnedFd> {
    let mut attr = [0_u8; 112];
    let mut put = |at: usize, bytes: &[u8]| attr[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &1_u32.to_ne_bytes()); // type: software
    put(4, &112_u32.to_ne_bytes()); // size
    put(8, &10_u64.to_ne_bytes()); // config: BPF output
    put(16, &1_u64.to_ne_bytes()); // every event
    put(24, &(1_u64 << 10).to_ne_bytes()); // sample: raw
    // SAFETY: the attribute is 112 bytes, as it says; a returned descriptor is ours alone.
    unsafe {
        match libc::syscall(libc::SYS_perf_event_open, attr.as_ptr(), -1, cpu as i32, -1, 8_u64) {
            -1 => Err(io::Error::last_os_error()),
            fd => Ok(OwnedFd::from_raw_fd(fd as i32)),
        }
    }
}
