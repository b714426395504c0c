//! `senko doctor` on network namespaces and veth pairs of its own. Needs root.

use std::{
    process::{Command, Output, id},
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use engine::{Mode, PipelineBuilder};
use serde_json::Value;

/// Two namespaces joined by a veth pair, both ends up; gone when dropped, also by a panic.
struct Pair {
    left: String,
    right: String,
}

fn ip(arguments: &str) -> bool {
    Command::new("ip").args(arguments.split(' ')).status().expect("iproute2 is installed").success()
}

impl Pair {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let pair = Self { left: format!("doc{}l{number}", id()), right: format!("doc{}r{number}", id()) };
        let (left, right) = (&pair.left, &pair.right);
        for command in [
            format!("netns add {left}"),
            format!("netns add {right}"),
            format!("-n {left} link add left type veth peer name right netns {right}"),
            format!("-n {left} link set left up"),
            format!("-n {right} link set right up"),
        ] {
            assert!(ip(&command), "ip {command} (these tests run as root)");
        }
        pair
    }

    /// `senko --netns LEFT doctor …`.
    fn doctor(&self, arguments: &[&str]) -> Output {
        senko(&[&["--netns", &self.left, "doctor"], arguments].concat())
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.doctor(&[arguments, &["--json"]].concat());
        serde_json::from_slice(&output.stdout).expect("one JSON document")
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        for name in [&self.left, &self.right] {
            ip(&format!("netns del {name}"));
        }
    }
}

fn senko(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_senko")).args(arguments).output().expect("senko runs")
}

fn check<'a>(report: &'a Value, name: &str) -> &'a Value {
    let checks = report["interfaces"][0]["checks"].as_array().expect("checks");
    checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no check {name} in {report}"))
}

#[test]
fn a_fresh_veth_is_native_and_a_bad_redirect_target() {
    let pair = Pair::new();
    let report = pair.json(&["left"]);
    assert_eq!(report["interfaces"][0]["driver"], "veth");
    assert_eq!(report["interfaces"][0]["peer"]["netns"], pair.right.as_str());
    if engine::kernel_release() < (6, 3) {
        // Drivers tell what they can since then; `--probe` finds out without them.
        assert_eq!(check(&report, "native")["state"], "unknown", "{report}");
        return;
    }
    assert_eq!(check(&report, "native")["state"], "ok", "{report}");
    let target = check(&report, "redirect_target");
    assert_eq!(target["state"], "warn");
    let remedy = target["remedy"].as_str().expect("a remedy");
    assert_eq!(remedy, format!("ip netns exec {} ethtool -K right gro on", pair.right));
    assert_eq!(pair.doctor(&["left", "--strict"]).status.code(), Some(0));
}

#[test]
fn remedies_cure() {
    let pair = Pair::new();
    for name in ["redirect_target", "peer_tx_checksum"] {
        let report = pair.json(&["left"]);
        let remedy = check(&report, name)["remedy"].as_str().expect("a remedy").to_owned();
        if name == "redirect_target" && engine::kernel_release() < (5, 13) {
            // A program there is all that helps, and stays only while it is wanted.
            assert!(remedy.contains("senko") && remedy.contains("count right"), "{remedy}");
            continue;
        }
        assert!(Command::new("sh").args(["-c", &remedy]).status().expect("sh").success(), "{remedy}");
        assert_eq!(check(&pair.json(&["left"]), name)["state"], "ok", "after {remedy}");
    }
}

#[test]
fn a_large_mtu_comes_with_the_command_and_exit_code_7() {
    let pair = Pair::new();
    assert!(ip(&format!("-n {} link set right mtu 9000", pair.right)));
    let output = pair.doctor(&["left", "--strict"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let command = format!("ip -n {} link set dev right mtu {}", pair.right, engine::veth::max_mtu());
    assert!(text.contains(&format!("fix: {command}\n")), "{text}");
    assert_eq!(output.status.code(), Some(7), "{text}");
    assert_eq!(pair.doctor(&["left"]).status.code(), Some(0));
    assert!(ip(command.strip_prefix("ip ").expect("an ip command")));
    assert_eq!(pair.doctor(&["left", "--strict"]).status.code(), Some(0));
}

/// The limit that is named is the kernel's: a program without frags is taken at it and refused above.
#[test]
fn the_veth_limit_is_the_kernels() {
    let pair = Pair::new();
    let attaches_at = |mtu: u32| {
        assert!(ip(&format!("-n {} link set right mtu {mtu}", pair.right)));
        let netns = pair.left.clone();
        thread::spawn(move || {
            engine::netns::enter(&netns).expect("the namespace is there");
            let pipeline = PipelineBuilder::new(&[]).load().expect("loads");
            pipeline.attach("left", Mode::Native).is_ok()
        })
        .join()
        .expect("the thread ends")
    };
    assert!(attaches_at(engine::veth::max_mtu()));
    assert!(!attaches_at(engine::veth::max_mtu() + 1));
}

#[test]
fn an_attached_program_is_named_and_left_alone() {
    let pair = Pair::new();
    let netns = pair.left.clone();
    let attachment = thread::spawn(move || {
        engine::netns::enter(&netns).expect("the namespace is there");
        PipelineBuilder::new(&[]).load()?.attach("left", Mode::Native)
    })
    .join()
    .expect("the thread ends")
    .expect("a veth takes native XDP");

    let report = pair.json(&["left", "--probe"]);
    let program = &report["interfaces"][0]["programs"][0];
    assert_eq!((&program["name"], &program["mode"]), (&"senko".into(), &"native".into()), "{report}");
    assert_eq!(program["holders"][0]["pid"], id(), "{report}");
    let found = check(&report, "attached")["found"].as_str().expect("text");
    assert!(found.contains("senko (id ") && found.contains(&format!("pid {}", id())), "{found}");
    // The trial did not happen: the program is still the same.
    assert_eq!(pair.json(&["left"])["interfaces"][0]["programs"][0]["id"], program["id"]);
    drop(attachment);
    assert_eq!(check(&pair.json(&["left"]), "attached")["found"], "nothing");
}

#[test]
fn a_trial_leaves_nothing_behind() {
    let pair = Pair::new();
    let report = pair.json(&["left", "--probe"]);
    for mode in ["native", "generic"] {
        assert!(check(&report, mode)["found"].as_str().expect("text").contains("tried"), "{report}");
    }
    assert_eq!(pair.json(&["left"])["interfaces"][0]["programs"], Value::Array(vec![]));
}

#[test]
fn ip_netns_exec_is_seen_through() {
    let pair = Pair::new();
    let output = Command::new("ip")
        .args(["netns", "exec", &pair.left, env!("CARGO_BIN_EXE_senko"), "doctor"])
        .output()
        .expect("ip runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains(&format!("hidden: `ip netns exec {}`", pair.left)), "{text}");
    assert!(text.contains(&format!("fix: senko --netns {} doctor\n", pair.left)), "{text}");
}

#[test]
fn an_unknown_interface_lists_the_known_ones() {
    let pair = Pair::new();
    let output = pair.doctor(&["nope"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("no interface named `nope`") && text.contains("left"), "{text}");
}

#[test]
fn without_arguments_every_interface_has_a_line() {
    let pair = Pair::new();
    let output = pair.doctor(&[]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find(|line| line.starts_with("left ")).unwrap_or_else(|| panic!("{text}"));
    assert!(line.contains("veth") && line.ends_with("senko doctor left"), "{line}");
    assert!(text.lines().any(|line| line.starts_with("lo ")), "{text}");
}

/// Run as nobody: what can be seen is reported, the rest is unknown, never "no".
#[test]
fn without_privileges_it_still_reports() {
    let directory = std::env::temp_dir().join(format!("senko-doctor-{}", id()));
    std::fs::create_dir(&directory).expect("a fresh directory");
    let binary = directory.join("senko");
    let run = || {
        std::fs::copy(env!("CARGO_BIN_EXE_senko"), &binary)?;
        Command::new("setpriv")
            .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
            .arg(&binary)
            .args(["doctor", "--json", "--strict"])
            .output()
    };
    let output = run();
    std::fs::remove_dir_all(&directory).expect("it is ours");
    let output = output.expect("setpriv runs");
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    let checks = report["checks"].as_array().expect("checks");
    let find = |name: &str| checks.iter().find(|check| check["name"] == name).expect("the check");
    assert_eq!(find("release")["state"], "ok");
    assert_eq!(
        (&find("xdp")["state"], &find("xdp")["remedy"]),
        (&"unknown".into(), &"sudo senko doctor".into())
    );
    assert_eq!(find("CAP_BPF")["state"], "bad");
    assert_eq!(output.status.code(), Some(7));
}
