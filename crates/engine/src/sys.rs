//! `bpf(2)`: the calls that senko makes, and nothing else. Layouts are `union bpf_attr`'s in
//! `include/uapi/linux/bpf.h`; a command may be given fewer bytes than a newer kernel knows.

use std::{
    ffi::CStr,
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    sync::Once,
};

/// `enum bpf_cmd`.
#[derive(Clone, Copy)]
#[repr(i64)]
pub enum Command {
    MapCreate = 0,
    MapLookup = 1,
    MapUpdate = 2,
    MapDelete = 3,
    MapNextKey = 4,
    ProgLoad = 5,
    ObjPin = 6,
    ObjGet = 7,
    ProgTestRun = 10,
    ProgFdById = 13,
    MapFdById = 14,
    ObjInfoByFd = 15,
    ProgQuery = 16,
    RawTracepointOpen = 17,
    BtfLoad = 18,
    MapFreeze = 22,
    MapLookupBatch = 24,
    MapUpdateBatch = 26,
    LinkCreate = 28,
    LinkUpdate = 29,
    LinkFdById = 30,
    LinkNextId = 31,
    LinkDetach = 34,
}

/// The bytes of a `union bpf_attr`, written by offset.
#[derive(Clone)]
#[repr(C, align(8))]
pub struct Attr([u8; 160], usize);

impl Attr {
    /// An attribute of `size` bytes, all zero.
    pub fn new(size: usize) -> Self {
        Self([0; 160], size)
    }

    pub fn u32(mut self, offset: usize, value: u32) -> Self {
        self.0[offset..offset + 4].copy_from_slice(&value.to_ne_bytes());
        self
    }

    pub fn u64(mut self, offset: usize, value: u64) -> Self {
        self.0[offset..offset + 8].copy_from_slice(&value.to_ne_bytes());
        self
    }

    pub fn fd(self, offset: usize, fd: BorrowedFd<'_>) -> Self {
        self.u32(offset, fd.as_raw_fd() as u32)
    }

    /// The address of memory that the kernel reads or writes during the call.
    pub fn ptr<T>(self, offset: usize, pointer: *const T) -> Self {
        self.u64(offset, pointer as u64)
    }

    /// A name of at most 15 bytes; other characters than the kernel allows become underscores.
    pub fn name(mut self, offset: usize, name: &str) -> Self {
        for (at, byte) in name.bytes().take(15).enumerate() {
            let allowed = byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.';
            self.0[offset + at] = if allowed { byte } else { b'_' };
        }
        self
    }

    pub fn get_u32(&self, offset: usize) -> u32 {
        u32::from_ne_bytes([self.0[offset], self.0[offset + 1], self.0[offset + 2], self.0[offset + 3]])
    }
}

/// Makes the call.
///
/// # Safety
/// Every address in `attr` must be valid for what the command does with it.
pub unsafe fn bpf(command: Command, attr: &mut Attr) -> io::Result<i64> {
    if takes_memory(command) {
        lift_memory_limit();
    }
    loop {
        // SAFETY: the caller vouches for the addresses; the attribute's own memory is ours and of the stated size.
        let result = unsafe { libc::syscall(libc::SYS_bpf, command as i64, attr.0.as_mut_ptr(), attr.1) };
        if result >= 0 {
            return Ok(result);
        }
        let error = io::Error::last_os_error();
        // The verifier gives up with EAGAIN when a signal is pending; libbpf retries too.
        if !matches!(error.raw_os_error(), Some(libc::EINTR | libc::EAGAIN)) {
            return Err(error);
        }
    }
}

/// Whether the command makes something that counts against `RLIMIT_MEMLOCK` before kernel 5.11.
fn takes_memory(command: Command) -> bool {
    matches!(command, Command::MapCreate | Command::ProgLoad | Command::BtfLoad)
}

/// Lifts `RLIMIT_MEMLOCK`, of old 64 KiB, where maps and programs count against it. Before the first of them: what goes over the
/// limit is told with EPERM, and with EINVAL of maps of devices. Who may not lift it has what there is.
fn lift_memory_limit() {
    use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if crate::btf::release() < (5, 11) {
            let _ = setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY);
        }
    });
}

/// Makes a call that returns a file descriptor.
///
/// # Safety
/// As for [`bpf`]; the command must be one that returns a descriptor.
pub unsafe fn bpf_fd(command: Command, attr: &mut Attr) -> io::Result<OwnedFd> {
    // SAFETY: the caller's promise; a descriptor the kernel just returned is ours alone.
    unsafe { bpf(command, attr).map(|fd| OwnedFd::from_raw_fd(fd as i32)) }
}

/// Pins an object at a path of a bpffs.
pub fn pin(fd: BorrowedFd<'_>, path: &CStr) -> io::Result<()> {
    let mut attr = Attr::new(16).ptr(0, path.as_ptr()).fd(8, fd);
    // SAFETY: the path is a live C string.
    unsafe { bpf(Command::ObjPin, &mut attr) }.map(drop)
}

/// Opens a pinned object.
pub fn open_pinned(path: &CStr) -> io::Result<OwnedFd> {
    open_pinned_with(path, 0)
}

/// `file_flags`: `BPF_F_RDONLY` or none.
pub fn open_pinned_with(path: &CStr, file_flags: u32) -> io::Result<OwnedFd> {
    let mut attr = Attr::new(16).ptr(0, path.as_ptr()).u32(12, file_flags);
    // SAFETY: the path is a live C string.
    unsafe { bpf_fd(Command::ObjGet, &mut attr) }
}

/// `BPF_OBJ_GET_INFO_BY_FD`: fills as much of `info` as the kernel knows and returns how many bytes that is.
pub fn info(fd: BorrowedFd<'_>, info: &mut [u8]) -> io::Result<usize> {
    let mut attr = Attr::new(16).fd(0, fd).u32(4, info.len() as u32).ptr(8, info.as_mut_ptr());
    // SAFETY: the kernel writes at most info.len() bytes.
    unsafe { bpf(Command::ObjInfoByFd, &mut attr) }?;
    Ok(attr.get_u32(4) as usize)
}

/// The next id after `id` of programs, maps or links; `None` at the end.
pub fn next_id(command: Command, id: u32) -> io::Result<Option<u32>> {
    let mut attr = Attr::new(12).u32(0, id);
    // SAFETY: no addresses.
    match unsafe { bpf(command, &mut attr) } {
        Ok(_) => Ok(Some(attr.get_u32(4))),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A descriptor of the object with this id.
pub fn fd_by_id(command: Command, id: u32) -> io::Result<OwnedFd> {
    let mut attr = Attr::new(12).u32(0, id);
    // SAFETY: no addresses.
    unsafe { bpf_fd(command, &mut attr) }
}
