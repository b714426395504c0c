//! A private view of /sys for programs inside a namespace.
//!
//! /sys/class/net shows the namespace that sysfs was mounted in, so a program moved to another one
//! needs a sysfs of its own. `ip netns exec` mounts one over /sys and thereby hides everything
//! mounted below it, bpffs above all. Here those mounts are put back.

use std::ffi::{CStr, CString};
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use crate::netns::c_path;

/// What is mounted below /sys, found beforehand: after fork nothing may be allocated.
#[derive(Debug, Clone)]
pub struct PrivateSysfs {
    mounts: Vec<CString>,
}

const SYS: &CStr = c"/sys";

impl PrivateSysfs {
    pub fn prepare() -> Self {
        let table = fs::read_to_string("/proc/thread-self/mountinfo").unwrap_or_default();
        Self { mounts: mounts_below_sys(&table).iter().filter_map(|m| c_path(Path::new(m))).collect() }
    }

    /// Gives the calling thread a mount namespace of its own with a sysfs of its network
    /// namespace. Makes only system calls, so it may run between fork and exec.
    pub fn enter(&self) -> io::Result<()> {
        let mut kept = [-1_i32; 16];
        // SAFETY: no memory is passed; the calling thread gets its own copy of the mount table.
        check(unsafe { libc::unshare(libc::CLONE_NEWNS) })?;
        // Slave: unmounts outside still arrive (a removed lab lets go), mounts here never leave.
        mount(c"none", c"/", None, libc::MS_SLAVE | libc::MS_REC)?;
        // Opened before the new sysfs covers them, and in this mount namespace, as a bind requires.
        for (fd, path) in kept.iter_mut().zip(&self.mounts) {
            // SAFETY: a NUL-terminated path that outlives the call.
            *fd = unsafe { libc::open(path.as_ptr(), libc::O_PATH | libc::O_CLOEXEC) };
        }
        mount(c"sysfs", SYS, Some(c"sysfs"), 0)?;
        for (fd, path) in kept.iter().zip(&self.mounts).filter(|(fd, _)| **fd >= 0) {
            let mut buffer = [0_u8; 32];
            // The last byte stays 0: at most 24 bytes are written.
            write!(&mut buffer[..31], "/proc/self/fd/{fd}")?;
            let source = CStr::from_bytes_until_nul(&buffer).unwrap_or(c"");
            // A mount point that only the old sysfs had is no loss worth failing for.
            let _ = mount(source, path, None, libc::MS_BIND | libc::MS_REC);
            // SAFETY: a descriptor opened above and not used again.
            unsafe { libc::close(*fd) };
        }
        Ok(())
    }
}

fn mount(source: &CStr, target: &CStr, kind: Option<&CStr>, flags: libc::c_ulong) -> io::Result<()> {
    let kind = kind.map_or(std::ptr::null(), CStr::as_ptr);
    // SAFETY: NUL-terminated strings that outlive the call; no data argument.
    check(unsafe { libc::mount(source.as_ptr(), target.as_ptr(), kind, flags, std::ptr::null()) })
}

fn check(result: i32) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The outermost mount points below /sys (proc_pid_mountinfo(5): field 5), each once; a recursive
/// bind brings along what is mounted on them in turn. Octal escapes do not occur below /sys.
fn mounts_below_sys(mountinfo: &str) -> Vec<String> {
    let mut points: Vec<&str> = mountinfo
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .filter(|point| point.starts_with("/sys/"))
        .collect();
    points.sort_unstable();
    let mut outermost: Vec<String> = Vec::new();
    for point in points {
        let inside = |o: &String| point == o || point.starts_with(&format!("{o}/"));
        if !outermost.iter().any(inside) {
            outermost.push(point.into());
        }
    }
    outermost
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_outermost_mounts_once() {
        let table = "23 27 0:22 / /sys rw - sysfs sysfs rw\n\
                     31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
                     32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw\n\
                     41 23 0:40 / /sys/fs/bpf rw - bpf bpf rw\n\
                     42 23 0:40 / /sys/fs/bpf rw - bpf bpf rw\n\
                     43 23 0:41 / /sys/fs/bpf-other rw - bpf bpf rw\n\
                     44 27 0:42 / /system rw - tmpfs tmpfs rw\n";
        assert_eq!(mounts_below_sys(table), ["/sys/fs/bpf", "/sys/fs/bpf-other", "/sys/fs/cgroup"]);
    }
}
