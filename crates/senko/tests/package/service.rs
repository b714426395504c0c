//! The service, under systemd: its daemon from start to removal, and what its sandbox forbids.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use super::{System, exists, system};

const CONFIGURATION: &str = "
[[interface]]
name = \"v0\"

[sets]
office = [\"192.0.2.0/24\"]

[firewall]
drop = [\"198.51.100.7\"]

[counter]

[metrics]
listen = \"127.0.0.1:9479\"
";

#[test]
fn the_daemon_works_in_its_sandbox() {
    let mut system = system("service");
    system.run("dpkg", &["-i", "/run/senko.deb"]);
    system.run("ip", &["link", "add", "v0", "type", "veth", "peer", "name", "v1"]);
    system.run("ip", &["link", "set", "v0", "up"]);

    // As it is installed it runs, and touches nothing.
    system.run("systemctl", &["enable", "--now", "senko"]);
    assert_eq!(program(&system), None);
    configure(&system, CONFIGURATION);
    system.run("systemctl", &["reload", "senko"]);
    system.wait_until("the configuration is live", |system| status(system).contains("on 1 of 1 interfaces"));
    let live = program(&system);
    assert!(live.is_some(), "{}", system.journal());
    set_names_complete(&system);
    rights(&system);
    prometheus_takes_the_metrics(&mut system);

    // A file with a mistake changes nothing, and systemd says so.
    configure(&system, "[firewall]\ndorp = []\n");
    system.run("systemctl", &["reload", "senko"]);
    system.wait_until("the failure is shown", |system| status(system).contains("the last reload failed"));
    assert_eq!(program(&system), live);
    configure(&system, CONFIGURATION);
    system.run("systemctl", &["reload", "senko"]);
    system.wait_until("it is mended", |system| !status(system).contains("failed"));
    let live = program(&system);

    // The data path outlives the daemon, however that ends.
    let pid = main_pid(&system);
    system.run("kill", &["-KILL", &pid]);
    system.wait_until("another daemon is ready", |system| is_active(system) && main_pid(system) != pid);
    assert_eq!(program(&system), live);
    let pid = main_pid(&system);
    system.run("dpkg", &["-i", "/run/senko.deb"]);
    assert!(is_active(&system) && main_pid(&system) != pid, "the old version goes on: {}", system.journal());
    assert_eq!(program(&system), live);
    system.run("systemctl", &["stop", "senko"]);
    assert_eq!(program(&system), live);
    assert!(exists(&system, "/run/senko"), "the state outlives the daemon");

    nothing_else_can_be_written(&system);

    // With the package goes all that it put onto interfaces.
    system.run("systemctl", &["start", "senko"]);
    system.run("dpkg", &["-P", "senko"]);
    assert_eq!(program(&system), None, "a program is left on v0");
    for path in ["/run/senko", "/sys/fs/bpf/senko", "/etc/senko"] {
        assert!(!exists(&system, path), "{path} is left behind");
    }
    assert_eq!(system.ask("systemctl", &["is-active", "senko"]), "inactive");
    let wants = system.run("find", &["/etc/systemd", "-name", "senko*"]);
    assert_eq!(wants, "", "what `enable` made is left behind");
}

fn configure(system: &System, configuration: &str) {
    system.put(configuration.as_bytes(), "/etc/senko/senko.toml");
}

/// The id of the XDP program on `v0`.
fn program(system: &System) -> Option<String> {
    let link = system.run("ip", &["-d", "link", "show", "v0"]);
    let id = link.split("prog/xdp id ").nth(1)?.split(' ').next()?;
    Some(id.to_owned())
}

/// What `systemctl status` shows of the daemon's own words.
fn status(system: &System) -> String {
    show(system, "StatusText")
}

fn main_pid(system: &System) -> String {
    show(system, "MainPID")
}

fn is_active(system: &System) -> bool {
    system.ask("systemctl", &["is-active", "senko"]) == "active"
}

fn show(system: &System, property: &str) -> String {
    system.ask("systemctl", &["show", "--property", property, "--value", "senko"])
}

/// Of the daemon, and who may talk to it.
fn rights(system: &System) {
    let process = system.run("cat", &[&format!("/proc/{}/status", main_pid(system))]);
    // CAP_NET_ADMIN, CAP_PERFMON, CAP_BPF.
    let three = format!("{:016x}", 1_u64 << 12 | 1 << 38 | 1 << 39);
    for line in ["CapPrm", "CapEff", "CapBnd"] {
        assert!(process.contains(&format!("{line}:\t{three}\n")), "{line}: {process}");
    }
    assert!(process.contains("NoNewPrivs:\t1\n") && process.contains("Seccomp:\t2\n"), "{process}");
    let owners = |path: &str| system.run("sh", &["-c", &format!("stat -c '%a %U:%G' {path}")]);
    assert_eq!(owners("/run/senko/net-*/api.sock"), "660 root:senko\n");
    assert_eq!(owners("/run/senko/net-*"), "750 root:senko\n");
    assert_eq!(owners("/sys/fs/bpf/senko"), "750 root:senko\n");
    assert_eq!(owners("/sys/fs/bpf/senko/net-*"), "750 root:senko\n");
}

fn prometheus_takes_the_metrics(system: &mut System) {
    // Without curl, which not every machine has.
    let scrape = "exec 3<>/dev/tcp/127.0.0.1/9479; printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3";
    let mut answer = String::new();
    system.wait_until("metrics are served", |system| {
        answer = system.ask("bash", &["-c", scrape]);
        answer.starts_with("HTTP/1.")
    });
    let (head, metrics) = answer.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.contains(" 200 "), "{answer}");
    let promtool = toolchain::promtool().expect("promtool is missing: run `cargo xtask setup`");
    let mut check = Command::new(promtool);
    check.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut check = check.spawn().expect("it starts");
    let mut input = check.stdin.take().expect("it was asked for");
    input.write_all(metrics.as_bytes()).and_then(|()| input.write_all(b"\n")).expect("it reads");
    drop(input);
    let out = check.wait_with_output().expect("it ends");
    let said = [out.stdout, out.stderr].concat();
    assert!(out.status.success() && said.is_empty(), "{}\n{metrics}", String::from_utf8_lossy(&said));
    assert!(metrics.contains("senko_interface_info{interface=\"v0\",mode=\"native\""), "{metrics}");
}

fn set_names_complete(system: &System) {
    let script = ". /usr/share/bash-completion/completions/senko; COMP_WORDS=(senko set add ''); COMP_CWORD=3; \
                  _clap_complete_senko senko '' add; printf '%s\\n' \"${COMPREPLY[@]}\"";
    let words = system.run("bash", &["-c", script]);
    assert!(words.lines().any(|word| word.trim() == "office"), "no set among\n{words}");
}

/// With a script in the daemon's place.
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
    let drop_in = "/run/systemd/system/senko.service.d/instead.conf";
    system.put(b"[Service]\nType=oneshot\nExecStart=\nExecStart=/bin/sh /etc/senko/forbidden.sh\n", drop_in);
    system.run("systemctl", &["daemon-reload"]);
    system.run("systemctl", &["start", "senko"]);
    let said = system.journal();
    assert!(!said.contains("allowed:"), "{said}");
    assert!(said.matches("Read-only file system").count() >= 7, "{said}");
    assert_eq!(system.ask("stat", &["-c", "%a %U:%G", "/run/senko/new"]), "640 root:senko");
    system.run("rm", &[drop_in]);
    system.run("systemctl", &["daemon-reload"]);
}
