//! The bpffs, where pins live, and what may hide it.

use std::{
    fs::{self, File},
    path::Path,
};

use nix::{
    fcntl::{Flock, FlockArg},
    mount::{MsFlags, mount},
};

use crate::Error;

/// Where a bpffs is by convention.
pub const BPFFS: &str = "/sys/fs/bpf";

/// Mounts a bpffs where it is by convention, unless one is there: systems without systemd may have none. `true`: it was
/// mounted now.
pub fn ensure_bpffs() -> Result<bool, Error> {
    if crate::bpffs::is_bpffs(Path::new(BPFFS)) {
        return Ok(false);
    }
    // One at a time: a second mount would hide what is pinned in the first.
    let directory = File::open(BPFFS).map_err(Error::system(format!("open {BPFFS}")))?;
    let _lock = Flock::lock(directory, FlockArg::LockExclusive)
        .map_err(|(_, errno)| Error::System { what: format!("lock {BPFFS}"), source: errno.into() })?;
    if crate::bpffs::is_bpffs(Path::new(BPFFS)) {
        return Ok(false);
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("bpf"), BPFFS, Some("bpf"), flags, Some("mode=0755"))
        .map_err(|errno| Error::System { what: format!("mount a bpffs at {BPFFS}"), source: errno.into() })?;
    Ok(true)
}

/// What this process sees at /sys/fs/bpf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bpffs {
    /// A bpffs is mounted there and visible.
    pub visible: bool,
    /// Other places where one is mounted.
    pub elsewhere: Vec<String>,
    /// We run inside `ip netns exec NAME`, which mounts a fresh /sys in a mount namespace of its own.
    pub hidden_by_netns_exec: Option<String>,
    /// The first process of the system sees one there, and we do not.
    pub init_sees_it: bool,
}

impl Bpffs {
    pub fn of_this_process() -> Self {
        let mine = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let init = fs::read_to_string("/proc/1/mountinfo").unwrap_or_default();
        Self::from_mountinfo(&mine, &init, |name| Path::new("/run/netns").join(name).exists())
    }

    /// From the text of two `mountinfo` files (`proc_pid_mountinfo(5)`); `is_netns` knows the names that `ip netns`
    /// lists.
    pub fn from_mountinfo(mine: &str, init: &str, is_netns: impl Fn(&str) -> bool) -> Self {
        let mounts: Vec<Mount<'_>> = mine.lines().filter_map(Mount::parse).collect();
        let visible = sees_bpffs(&mounts);
        let elsewhere = mounts
            .iter()
            .filter(|mount| mount.kind == "bpf" && mount.point != BPFFS)
            .map(|mount| mount.point.to_owned())
            .collect();
        // iproute2 gives its sysfs the namespace's name as the source (`netns_switch`).
        let hidden_by_netns_exec = mounts
            .iter()
            .rev()
            .find(|mount| mount.point == "/sys")
            .filter(|mount| mount.kind == "sysfs" && !visible && is_netns(mount.source))
            .map(|mount| mount.source.to_owned());
        let init: Vec<Mount<'_>> = init.lines().filter_map(Mount::parse).collect();
        Self { visible, elsewhere, hidden_by_netns_exec, init_sees_it: !visible && sees_bpffs(&init) }
    }
}

/// The last mount over the path or a directory above it is the one that is seen.
fn sees_bpffs(mounts: &[Mount<'_>]) -> bool {
    let above = |point: &str| matches!(point, BPFFS | "/sys/fs" | "/sys");
    mounts.iter().rev().find(|mount| above(mount.point)).is_some_and(|mount| mount.kind == "bpf")
}

struct Mount<'a> {
    point: &'a str,
    kind: &'a str,
    source: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (before, after) = line.split_once(" - ")?;
        let mut after = after.split(' ');
        Some(Self { point: before.split(' ').nth(4)?, kind: after.next()?, source: after.next()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYS: &str = "20 1 0:18 / /sys rw,relatime shared:2 - sysfs sysfs rw\n";
    const BPF: &str = "30 20 0:28 / /sys/fs/bpf rw,nosuid shared:9 - bpf bpf rw,mode=700\n";
    const FRESH_SYS: &str = "50 47 0:39 / /sys rw,relatime - sysfs blue rw\n";

    #[test]
    fn a_plain_host() {
        let seen = Bpffs::from_mountinfo(&format!("{SYS}{BPF}"), "", |_| false);
        assert!(seen.visible && seen.elsewhere.is_empty() && seen.hidden_by_netns_exec.is_none());
        assert!(!Bpffs::from_mountinfo(SYS, SYS, |_| false).visible);
    }

    #[test]
    fn ip_netns_exec_hides_it() {
        let both = format!("{SYS}{BPF}");
        let seen = Bpffs::from_mountinfo(&format!("{both}{FRESH_SYS}"), &both, |name| name == "blue");
        assert!(!seen.visible && seen.init_sees_it);
        assert_eq!(seen.hidden_by_netns_exec.as_deref(), Some("blue"));
        let unnamed = Bpffs::from_mountinfo(&format!("{both}{FRESH_SYS}"), &both, |_| false);
        assert_eq!(unnamed.hidden_by_netns_exec, None);
    }

    #[test]
    fn another_place_is_named() {
        let seen =
            Bpffs::from_mountinfo("31 1 0:28 / /run/bpf rw - bpf none rw\nbroken line\n", "", |_| false);
        assert_eq!(seen.elsewhere, ["/run/bpf"]);
    }
}
