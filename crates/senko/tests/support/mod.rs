//! What the end-to-end tests share: labs with names of their own, and a `senko` that runs beside the traffic.

#![allow(dead_code, unused_imports, reason = "every test file is a crate of its own and uses a part of this")]

mod background;
pub mod frames;
mod gateway;
mod scratch;
mod tool;

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
    process,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use engine::netlink::AttachedProgram;
use lab::{Host, Lab, Topology};
use serde_json::Value;

pub use self::{
    background::Background,
    gateway::Gateway,
    scratch::Scratch,
    tool::{Ended, Tool, senko},
};

/// How long anything may take before a test fails.
pub fn patience() -> Duration {
    testkit::guest::patience(15)
}

/// A lab that no other test, process or user has.
pub fn lab(word: &str, topology: Topology) -> Lab {
    assert!(nix::unistd::geteuid().is_root(), "this test makes network namespaces: run it as root");
    let lab = Lab::builder(unique(word)).topology(topology).hosts(2).build().expect("the lab comes up");
    // The kernel numbers namespaces anew: what is there already was left in an older one by a kill -9.
    for stale in lab.hosts().iter().flat_map(sockets) {
        let _ = fs::remove_file(stale);
    }
    lab
}

/// `word-PID-N`.
pub fn unique(word: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{word}-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The XDP programs on an interface of a host.
pub fn programs(host: &Host, interface: &str) -> Vec<AttachedProgram> {
    let link = host.run(|| engine::netlink::link(interface)).expect("the namespace is there");
    link.expect("the interface is there").programs
}

/// Asserts that nothing of senko is left in the hosts: no program on any interface, no socket.
#[track_caller]
pub fn assert_clean(lab: &Lab) {
    for host in lab.hosts() {
        let links =
            host.run(engine::netlink::links).expect("the namespace is there").expect("netlink answers");
        for link in links {
            assert!(link.programs.is_empty(), "{}: a program is left on {}", host.name(), link.name);
        }
        let left = sockets(host);
        assert!(left.is_empty(), "{}: left behind: {left:?}", host.name());
    }
}

/// The control sockets of firewalls in a host's namespace.
pub fn sockets(host: &Host) -> Vec<PathBuf> {
    let netns =
        fs::metadata(PathBuf::from("/run/netns").join(host.ns_name())).expect("the namespace is there");
    let begin = format!("{}-", netns.ino());
    let Ok(entries) = fs::read_dir("/run/senko/firewall") else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.filter(|path| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(&begin))).collect()
}

/// `ip` in a host's namespace.
#[track_caller]
pub fn ip(host: &Host, arguments: &str) {
    let status = process::Command::new("ip")
        .args(["-n", host.ns_name()])
        .args(arguments.split(' '))
        .status()
        .expect("iproute2 is installed");
    assert!(status.success(), "ip {arguments} in {}", host.name());
}

/// Any command inside a host; its standard output.
#[track_caller]
pub fn inside(host: &Host, program: &str, arguments: &[&str]) -> String {
    let output = host.command(program).args(arguments).output().expect("the program is installed");
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Polls until `done`.
#[track_caller]
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + patience();
    while !done() {
        assert!(Instant::now() < deadline, "not within {:?}: {what}", patience());
        // Between two looks at the condition.
        thread::sleep(Duration::from_millis(5));
    }
}

/// The last of the rows for which `wanted` holds: rows are totals.
pub fn last(rows: &[Value], wanted: impl Fn(&Value) -> bool) -> Option<&Value> {
    rows.iter().rev().find(|row| wanted(row))
}

/// `packets` and `bytes` of a row; zero of none.
pub fn totals(row: Option<&Value>) -> (u64, u64) {
    let field = |name: &str| row.and_then(|row| row[name].as_u64()).unwrap_or(0);
    (field("packets"), field("bytes"))
}
