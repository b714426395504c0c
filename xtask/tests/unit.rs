//! The systemd unit: hardened as it says, and the daemon has what it needs.

use std::{collections::BTreeSet, fs, path::PathBuf, process::Command};

use xtask::command::root;

fn unit() -> PathBuf {
    root().join("packaging/systemd/senko.service")
}

/// All values of a directive, in order.
fn values(name: &str) -> Vec<String> {
    let text = fs::read_to_string(unit()).expect("it is in the repository");
    let lines = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    lines.map(Into::into).collect()
}

fn systemd_analyze(arguments: &[&str]) -> Command {
    let mut command = Command::new("systemd-analyze");
    command.args(arguments).env("SYSTEMD_PAGER", "").env("LC_ALL", "C.UTF-8");
    command
}

#[test]
fn exposure_is_at_most_three() {
    let out = systemd_analyze(&["security", "--offline=true"]).arg(unit()).output();
    let out = out.expect("systemd-analyze is missing: run `cargo xtask setup`");
    let text = String::from_utf8_lossy(&out.stdout);
    let score = text.lines().find_map(|line| line.split("Overall exposure level for senko.service: ").nth(1));
    let score = score.unwrap_or_else(|| panic!("no figure in\n{text}"));
    let score: f64 = score.split(' ').next().and_then(|n| n.parse().ok()).expect("a figure");
    assert!(score <= 3.0, "{score}\n{text}");
}

#[test]
fn three_capabilities_and_no_more() {
    let three = "CAP_BPF CAP_NET_ADMIN CAP_PERFMON";
    assert_eq!(values("CapabilityBoundingSet"), [three]);
    assert_eq!(values("AmbientCapabilities"), [three]);
    assert_eq!(values("NoNewPrivileges"), ["yes"]);
}

#[test]
fn only_state_and_pins_are_writable() {
    assert_eq!(values("ProtectSystem"), ["strict"]);
    assert_eq!(values("ReadWritePaths"), ["-/sys/fs/bpf/senko"]);
    assert_eq!(values("ReadOnlyPaths"), ["/run"]);
    assert_eq!(values("RuntimeDirectory"), ["senko"]);
    assert_eq!(values("RuntimeDirectoryPreserve"), ["yes"]);
    for other in ["StateDirectory", "CacheDirectory", "LogsDirectory", "ConfigurationDirectory"] {
        assert!(values(other).is_empty(), "{other}");
    }
}

/// A unit is silently less than it says where systemd does not know a directive.
#[test]
fn systemd_understands_every_line() {
    let folder = tempfile::tempdir().expect("the temporary folder takes folders");
    let text = fs::read_to_string(unit()).expect("it is in the repository");
    // Of this machine; the real one may not be installed.
    let text = text.replace("ExecStart=/usr/bin/senko", "ExecStart=/bin/true");
    let copy = folder.path().join("senko.service");
    fs::write(&copy, text).expect("it is writable");
    let out = systemd_analyze(&["verify", "--man=no"]).arg(&copy).output().expect("it is installed");
    let said = String::from_utf8_lossy(&out.stderr);
    let of_ours: Vec<&str> = said.lines().filter(|line| line.contains("senko.service")).collect();
    assert!(of_ours.is_empty(), "{of_ours:?}");
}

/// The system calls that the filter lets through, on the architecture of this machine.
fn allowed() -> BTreeSet<String> {
    let mut allowed = members("@default");
    for line in values("SystemCallFilter") {
        let (deny, words) = match line.strip_prefix('~') {
            Some(words) => (true, words),
            None => (false, line.as_str()),
        };
        for word in words.split(' ') {
            let calls = if word.starts_with('@') { members(word) } else { BTreeSet::from([word.to_owned()]) };
            for call in calls {
                if deny {
                    allowed.remove(&call);
                } else {
                    allowed.insert(call);
                }
            }
        }
    }
    allowed
}

/// The calls of one of systemd's groups, with those of groups inside it.
fn members(group: &str) -> BTreeSet<String> {
    let out = systemd_analyze(&["syscall-filter", group]).output().expect("it is installed");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let lines = text.lines().skip(1).map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let calls: BTreeSet<String> = lines
        .flat_map(
            |line| if line.starts_with('@') { members(line) } else { BTreeSet::from([line.to_owned()]) },
        )
        .collect();
    assert!(!calls.is_empty(), "systemd has no group {group}");
    calls
}

#[test]
fn the_filter_lets_the_daemon_work() {
    let allowed = allowed();
    let needed = [
        // Programs, maps, links, pins; events through the perf buffer.
        "bpf",
        "perf_event_open",
        "mmap",
        "munmap",
        "ioctl",
        // Files, and watching them.
        "openat",
        "read",
        "write",
        "rename",
        "unlink",
        "mkdir",
        "fchmod",
        "chown",
        "fchown",
        "flock",
        "statx",
        "statfs",
        "fsync",
        "inotify_init1",
        "inotify_add_watch",
        "inotify_rm_watch",
        // Netlink, metrics, the API, sd_notify.
        "socket",
        "bind",
        "listen",
        "accept4",
        "connect",
        "sendto",
        "sendmsg",
        "recvfrom",
        "recvmsg",
        "getsockopt",
        "setsockopt",
        "shutdown",
        "getsockname",
        "getpeername",
        // Waiting, threads, signals.
        "epoll_create1",
        "epoll_ctl",
        "epoll_wait",
        "epoll_pwait",
        "poll",
        "ppoll",
        "eventfd2",
        "timerfd_create",
        "timerfd_settime",
        "signalfd4",
        "clone",
        "clone3",
        "futex",
        "rt_sigaction",
        "rt_sigprocmask",
        "sched_yield",
        "sched_getaffinity",
        "setrlimit",
        "prlimit64",
        "getrandom",
        "prctl",
    ];
    for call in needed {
        assert!(allowed.contains(call), "{call} is not allowed");
    }
}

#[test]
fn the_filter_forbids_what_the_daemon_has_no_use_for() {
    let allowed = allowed();
    let forbidden = [
        "mount",
        "umount2",
        "pivot_root",
        "chroot",
        "setns",
        "unshare",
        "ptrace",
        "process_vm_writev",
        "init_module",
        "finit_module",
        "kexec_load",
        "reboot",
        "swapon",
        "settimeofday",
        "iopl",
        "setuid",
        "setgid",
        "keyctl",
        "add_key",
        "userfaultfd",
        "open_by_handle_at",
    ];
    for call in forbidden {
        assert!(!allowed.contains(call), "{call} is allowed");
    }
}
