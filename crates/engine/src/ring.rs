//! Reading a `BPF_MAP_TYPE_RINGBUF` (`kernel/bpf/ringbuf.c`): a consumer page, a producer page, and the data mapped
//! twice in a row, so that no record is ever split.

use std::{
    io,
    num::NonZeroUsize,
    ptr::NonNull,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

use crate::{Error, Map};

const BUSY: u32 = 1 << 31;
const DISCARDED: u32 = 1 << 30;
const RECORD_HEADER: u64 = 8;

/// A source of records.
pub trait Records {
    /// Hands every record that is there to `each` and returns how many there were. Never waits.
    fn drain(&mut self, each: &mut dyn FnMut(&[u8])) -> usize;
}

/// The one reader of a ring buffer.
#[derive(Debug)]
pub struct RingReader {
    map: Arc<Map>,
    consumer: NonNull<u8>,
    producer: NonNull<u8>,
    size: u64,
    page: usize,
}

// SAFETY: the mappings have no thread affinity, and `drain` takes the reader exclusively.
unsafe impl Send for RingReader {}

impl RingReader {
    pub fn new(map: Arc<Map>) -> Result<Self, Error> {
        let page =
            nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten().unwrap_or(4096) as usize;
        let size = map.spec().max_entries as usize;
        let error = |source: nix::Error| Error::Map {
            name: map.spec().name.clone(),
            operation: "mmap",
            source: io::Error::from(source),
        };
        let length = NonZeroUsize::new(page).expect("pages are not empty");
        // SAFETY: fresh mappings at addresses of the kernel's choice; sizes are the ring's by its definition.
        let consumer = unsafe {
            mmap(
                None,
                length,
                ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
                MapFlags::MAP_SHARED,
                map.fd(),
                0,
            )
        }
        .map_err(error)?;
        let length = NonZeroUsize::new(page + 2 * size).expect("rings are not empty");
        // SAFETY: as above.
        let producer =
            unsafe { mmap(None, length, ProtFlags::PROT_READ, MapFlags::MAP_SHARED, map.fd(), page as i64) }
                .map_err(error)?;
        Ok(Self { map, consumer: consumer.cast(), producer: producer.cast(), size: size as u64, page })
    }

    fn consumer_position(&self) -> &AtomicU64 {
        // SAFETY: the consumer page begins with a u64 that only this reader writes.
        unsafe { AtomicU64::from_ptr(self.consumer.as_ptr().cast()) }
    }

    fn producer_position(&self) -> &AtomicU64 {
        // SAFETY: the producer page begins with a u64 that the kernel writes and we read.
        unsafe { AtomicU64::from_ptr(self.producer.as_ptr().cast()) }
    }
}

impl Records for RingReader {
    fn drain(&mut self, each: &mut dyn FnMut(&[u8])) -> usize {
        let mut position = self.consumer_position().load(Ordering::Relaxed);
        let end = self.producer_position().load(Ordering::Acquire);
        let mut records = 0;
        while position < end {
            let offset = self.page + (position & (self.size - 1)) as usize;
            // SAFETY: the offset is inside the data, which is mapped twice; records begin eight-byte aligned.
            let header = unsafe { AtomicU32::from_ptr(self.producer.as_ptr().add(offset).cast()) }
                .load(Ordering::Acquire);
            if header & BUSY != 0 {
                // Reserved, not yet submitted.
                break;
            }
            let length = u64::from(header & !(BUSY | DISCARDED));
            if header & DISCARDED == 0 {
                // SAFETY: a submitted record is `length` bytes behind its header, and stays until we move on.
                let bytes = unsafe {
                    std::slice::from_raw_parts(
                        self.producer.as_ptr().add(offset + RECORD_HEADER as usize),
                        length as usize,
                    )
                };
                each(bytes);
                records += 1;
            }
            position += (length + RECORD_HEADER).next_multiple_of(8);
            self.consumer_position().store(position, Ordering::Release);
        }
        records
    }
}

impl Drop for RingReader {
    fn drop(&mut self) {
        let data = 2 * self.map.spec().max_entries as usize;
        // SAFETY: the mappings are ours and no reference outlives self. Failure leaks address space, nothing else.
        unsafe {
            let _ = munmap(self.consumer.cast(), self.page);
            let _ = munmap(self.producer.cast(), self.page + data);
        }
    }
}
