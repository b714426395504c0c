//! A mount namespace of the test's own. What is mounted or pinned in it ends with its last process.

use std::fs;

use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, unshare},
    unistd::Pid,
};

const NONE: Option<&str> = None;

/// Runs `f` where /run is empty and no bpffs is mounted.
pub fn isolated<T: Send>(f: impl FnOnce() -> T + Send) -> T {
    assert!(
        nix::unistd::geteuid().is_root(),
        "the tour makes network namespaces and loads programs: run it as root"
    );
    let inside = || {
        unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace");
        mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE).expect("private mounts");
        mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::empty(), NONE).expect("a /run");
        while umount2("/sys/fs/bpf", MntFlags::MNT_DETACH).is_ok() {}
        f()
    };
    std::thread::scope(|scope| scope.spawn(inside).join())
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Processes that still belong to the group, as `pid name`.
pub fn processes_of(group: Pid) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // pid (name) state ppid pgrp …; the name may hold anything.
        let Some((head, tail)) = stat.rsplit_once(')') else { continue };
        if tail.split_whitespace().nth(2) == Some(group.to_string().as_str()) {
            found.push(format!("{head})"));
        }
    }
    found
}
