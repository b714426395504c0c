//! Processes inside a lab's namespaces: asked for before removing, killed only on demand.

use std::fs;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use serde::Serialize;

/// A process whose network namespace is one of a lab's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Occupant {
    pub pid: i32,
    pub namespace: String,
    pub command: String,
}

/// `"ping" (pid 12 in senko-lab-h1), …`
pub fn describe(occupants: &[Occupant]) -> String {
    let one = |o: &Occupant| format!("`{}` (pid {} in {})", o.command, o.pid, o.namespace);
    occupants.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Processes inside the given namespaces (name, inode), this process excepted.
pub fn find(namespaces: &[(String, u64)]) -> Vec<Occupant> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let mut found: Vec<_> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| *pid != std::process::id() as i32)
        .filter_map(|pid| {
            let inode = inode_of(pid)?;
            let (namespace, _) = namespaces.iter().find(|(_, i)| *i == inode)?;
            Some(Occupant { pid, namespace: namespace.clone(), command: command(pid) })
        })
        .collect();
    found.sort_by_key(|o| o.pid);
    found
}

/// Kills what is inside the namespaces and waits until it is gone. Returns what would not die.
///
/// A process is named by a pidfd taken before its namespace is checked once more, so that a pid
/// that is reused in between is never hit.
pub fn kill(namespaces: &[(String, u64)]) -> Vec<Occupant> {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let occupants = find(namespaces);
        if occupants.is_empty() || Instant::now() > deadline {
            return occupants;
        }
        for occupant in &occupants {
            kill_one(occupant.pid, namespaces);
        }
    }
}

fn kill_one(pid: i32, namespaces: &[(String, u64)]) {
    // SAFETY: pidfd_open takes a pid and flags and returns a new descriptor or -1.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if fd < 0 {
        return;
    }
    // SAFETY: `fd` is a fresh descriptor that nothing else owns.
    let pidfd = unsafe { OwnedFd::from_raw_fd(fd as i32) };
    if !inode_of(pid).is_some_and(|inode| namespaces.iter().any(|(_, i)| *i == inode)) {
        return;
    }
    let fd = std::os::fd::AsRawFd::as_raw_fd(&pidfd);
    // SAFETY: a valid pidfd, a signal number, no siginfo, no flags.
    unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, libc::SIGKILL, std::ptr::null::<u8>(), 0) };
    let mut poll = [nix::poll::PollFd::new(std::os::fd::AsFd::as_fd(&pidfd), nix::poll::PollFlags::POLLIN)];
    // A pidfd is readable once its process has ended; the caller looks again in any case.
    let _ = nix::poll::poll(&mut poll, 200_u8);
}

/// None for a process that has ended (a zombie has left its namespaces) or is out of reach.
fn inode_of(pid: i32) -> Option<u64> {
    fs::metadata(format!("/proc/{pid}/ns/net")).ok().map(|m| m.ino())
}

pub fn command(pid: i32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<_> =
        line.split(|b| *b == 0).filter(|w| !w.is_empty()).map(String::from_utf8_lossy).collect();
    if words.is_empty() { "?".into() } else { words.join(" ") }
}
