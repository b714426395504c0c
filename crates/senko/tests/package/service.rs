//! The unit's sandbox, with tools in the daemon's place: they load, attach, count and pin with the same rights.

use std::fs;

use super::{System, exists, program, system};

/// Runs a command instead of the daemon.
fn instead(system: &System, kind: &str, command: &str) {
    let drop_in = format!(
        "[Unit]\nStartLimitIntervalSec=0\n[Service]\nType={kind}\nRestart=no\nExecStart=\nExecStart={command}\n"
    );
    system.put(drop_in.as_bytes(), "/run/systemd/system/senko.service.d/instead.conf");
    system.run("systemctl", &["daemon-reload"]);
}

#[test]
fn the_sandbox_lets_the_data_path_work_and_nothing_else() {
    let mut system = system("service");
    system.run("dpkg", &["-i", "/run/senko.deb"]);
    system.run("ip", &["link", "add", "v0", "type", "veth", "peer", "name", "v1"]);
    system.run("ip", &["link", "set", "v0", "up"]);

    instead(&system, "exec", "/usr/bin/senko count v0 --mode native --json");
    system.run("systemctl", &["start", "senko"]);
    system
        .wait_until("the counter is attached", |system| system.journal().contains("attached in native mode"));
    let pid = main_pid(&system);
    let status = system.run("cat", &[&format!("/proc/{pid}/status")]);
    // CAP_NET_ADMIN, CAP_PERFMON, CAP_BPF.
    let three = format!("{:016x}", 1_u64 << 12 | 1 << 38 | 1 << 39);
    for line in ["CapPrm", "CapEff", "CapBnd"] {
        assert!(status.contains(&format!("{line}:\t{three}\n")), "{line}: {status}");
    }
    assert!(status.contains("NoNewPrivs:\t1\n") && status.contains("Seccomp:\t2\n"), "{status}");

    // The next version of the package takes over from one that runs.
    system.run("dpkg", &["-i", "/run/senko.deb"]);
    assert_eq!(system.ask("systemctl", &["is-active", "senko"]), "active");
    assert_ne!(main_pid(&system), pid, "the old version goes on");
    system.run("systemctl", &["stop", "senko"]);
    assert!(exists(&system, "/run/senko"), "state outlives the daemon");

    it_can_say_that_it_is_ready(&system);
    pins_are_seen_from_outside(&system);
    nothing_else_can_be_written(&system);

    system.run("dpkg", &["-P", "senko"]);
    for path in ["/run/senko", "/sys/fs/bpf/senko", "/etc/senko"] {
        assert!(!exists(&system, path), "{path} is left behind");
    }
    assert_eq!(system.ask("systemctl", &["is-active", "senko"]), "inactive");
}

fn main_pid(system: &System) -> String {
    system.ask("systemctl", &["show", "--property", "MainPID", "--value", "senko"])
}

/// To a socket below /run, which is read-only.
fn it_can_say_that_it_is_ready(system: &System) {
    let ready = "/bin/sh -c 'systemd-notify --ready && exec sleep 600'\nNotifyAccess=all\nTimeoutStartSec=20";
    instead(system, "notify", ready);
    system.run("systemctl", &["start", "senko"]);
    system.run("systemctl", &["stop", "senko"]);
}

fn pins_are_seen_from_outside(system: &System) {
    assert_eq!(system.ask("stat", &["-c", "%a %U:%G", "/sys/fs/bpf/senko"]), "750 root:senko");
    let object = program::compile("named", "service", &["-DONE"]);
    system.put(&fs::read(object).expect("it was compiled"), "/etc/senko/first.o");
    instead(system, "oneshot", "/usr/bin/senko load v0 /etc/senko/first.o --pin /sys/fs/bpf/senko/first");
    system.run("systemctl", &["start", "senko"]);
    assert_eq!(system.ask("stat", &["-c", "%a %U:%G", "/sys/fs/bpf/senko/first"]), "750 root:senko");
    assert_eq!(system.ask("stat", &["-c", "%U:%G", "/sys/fs/bpf/senko/first/link"]), "root:senko");
    let status = system.run("senko", &["status", "v0"]);
    assert!(status.contains("/sys/fs/bpf/senko/first/link"), "{status}");
    system.run("senko", &["unload", "v0"]);
}

fn nothing_else_can_be_written(system: &System) {
    let forbidden = [
        "touch /etc/senko/new",
        "touch /var/lib/new",
        "touch /run/new",
        "touch /run/lock/new",
        "mkdir /sys/fs/bpf/new",
        "mkdir /sys/fs/cgroup/new",
        "echo 60 > /proc/sys/vm/swappiness",
        "unshare --net true",
        "mount -t tmpfs tmpfs /run/senko",
        "chown nobody /run/senko",
        "ls /root/.",
    ];
    let mut script = String::from("touch /run/senko/new\n");
    for command in forbidden {
        script += &format!("if {command}; then echo 'allowed: {command}'; fi\n");
    }
    system.put(script.as_bytes(), "/etc/senko/forbidden.sh");
    instead(system, "oneshot", "/bin/sh /etc/senko/forbidden.sh");
    system.run("systemctl", &["start", "senko"]);
    let said = system.journal();
    assert!(!said.contains("allowed:"), "{said}");
    assert!(said.matches("Read-only file system").count() >= 7, "{said}");
    assert_eq!(system.ask("stat", &["-c", "%a %U:%G", "/run/senko/new"]), "640 root:senko");
}
