//! Everything that can be wrong in a call: the exit code, one message with its cause, nothing left behind. Needs root.

mod support;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
};

use lab::{Topology, udp_send};
use support::{Scratch, Tool, assert_clean, ip, lab, programs};

/// Each tool with a sound call on h2's port.
const TOOLS: [&[&str]; 4] = [
    &["count", "to-h1"],
    &["dump", "to-h1"],
    &["firewall", "to-h1", "--drop", "192.0.2.0/24"],
    &["redirect", "to-h1", "--reflect", "icmp"],
];

#[test]
fn interfaces_and_namespaces_that_are_not_there() {
    let lab = lab("nowhere", Topology::Pair);
    let h2 = lab.host("h2");
    for tool in TOOLS {
        let rest = &tool[2..];
        Tool::run(h2, &[&[tool[0], "nope"], rest].concat()).refused(1, &["`nope`"]);
        // The first is attached, then detached again.
        let ended = Tool::run(h2, &[&[tool[0], "to-h1", "nope"], rest].concat());
        assert!(ended.code == Some(1) && ended.err.contains("`nope`"), "{ended:?}");
        assert_clean(&lab);
        Tool::run(h2, &[&[tool[0], "to-h1", "to-h1"], rest].concat()).refused(2, &["`to-h1` is named twice"]);
        let long = "a-name-that-no-interface-can-have";
        Tool::run(h2, &[&[tool[0], long], rest].concat()).refused(1, &[long]);
        let mut elsewhere = Command::new(env!("CARGO_BIN_EXE_senko"));
        Tool::spawn(elsewhere.args(["--netns", "no-such-ns"]).args(tool)).end().refused(1, &["`no-such-ns`"]);
    }
    for (args, code, words) in [
        (&["redirect", "to-h1", "--to", "to-h1"][..], 2, &["named twice"][..]),
        (&["redirect", "to-h1", "--to", "nope"], 1, &["`nope`"]),
        (&["redirect", "to-h1", "lo", "--to", "nope"], 2, &["one interface"]),
        (&["redirect", "to-h1"], 2, &["--reflect", "--to"]),
        (&["redirect", "to-h1", "--reflect", "tcp"], 2, &["icmp"]),
    ] {
        Tool::run(h2, args).refused(code, words);
    }
    assert_clean(&lab);
}

#[test]
fn arguments_that_make_no_sense() {
    let lab = lab("nonsense", Topology::Pair);
    let h2 = lab.host("h2");
    for time in ["", "0", "5w", "-1s", "soon", "1e99h"] {
        let argument = format!("--duration={time}");
        Tool::run(h2, &["count", "to-h1", &argument]).refused(2, &["--duration"]);
    }
    Tool::run(h2, &["count", "to-h1", "--interval", "0s"]).refused(2, &["--interval"]);
    Tool::run(h2, &["count"]).refused(2, &["IFACE"]);
    Tool::run(h2, &["count", "to-h1", "--mode", "warp"]).refused(2, &["native", "generic"]);
    for (args, words) in [
        (&["--proto", "foo"][..], &["`foo` is no protocol"][..]),
        (&["--proto", "256"], &["`256` is no protocol"]),
        (&["--proto", "icmp", "--port", "7"], &["icmp has no ports"]),
        (&["--proto", "udp", "--syn"], &["--syn"]),
        (&["--proto", "arp", "-4"], &["arp is not IP"]),
        (&["-6", "--host", "192.0.2.1"], &["192.0.2.1"]),
        (&["-4", "-6"], &["cannot be used with"]),
        (&["--port", "65536"], &["65536"]),
        (&["--host", "example.org"], &["example.org"]),
        (&["-c", "0"], &["--count"]),
        (&["-s", "70000"], &["--snaplen"]),
    ] {
        Tool::run(h2, &[&["dump", "to-h1"], args].concat()).refused(2, words);
    }
    assert_clean(&lab);
}

#[test]
fn prefixes_and_lists_that_are_wrong() {
    let lab = lab("prefixes", Topology::Pair);
    let h2 = lab.host("h2");
    let scratch = Scratch::new("prefixes");
    for (prefix, words) in [
        ("10.0.0.0/33", &["0 to 32"][..]),
        ("2001:db8::/129", &["0 to 128"]),
        ("10.0.0.1/8", &["did you mean 10.0.0.0/8?"]),
        ("2001:db8::1/32", &["did you mean 2001:db8::/32?"]),
        ("10.0.0/8", &["is no IP address or prefix"]),
        ("10.0.0.0/", &["is no IP address or prefix"]),
        ("10.0.0.0/+8", &["is no IP address or prefix"]),
        ("example.org", &["is no IP address or prefix"]),
        ("", &["is no IP address or prefix"]),
    ] {
        Tool::run(h2, &["firewall", "to-h1", "--drop", prefix]).refused(2, words);
        Tool::run(h2, &["firewall", "to-h1", "--drop", "192.0.2.1", "--allow", prefix]).refused(2, words);
    }
    let mut lines: String =
        (0..69_999_u32).map(|n| format!("10.{}.{}.0/24\n", n >> 8 & 255, n & 255)).collect();
    lines += "10.0.0.0/244\n";
    let broken = scratch.write("broken.txt", lines);
    let binary = scratch.write("binary", [0x7f, b'E', b'L', b'F', 0xff, 0xfe]);
    let empty = scratch.write("empty.txt", "# nothing\n\n");
    let twice = scratch.write("twice.txt", "192.0.2.0/24\n# here again\n192.0.2.0/24\n");
    let other = scratch.write("other.txt", "192.0.2.0/24\n");
    let missing = scratch.file("missing.txt");
    let folder = scratch.path().display().to_string();
    for (args, code, words) in [
        (&["--drop-file", &broken][..], 2, &["broken.txt, line 70000", "10.0.0.0/244", "0 to 32"][..]),
        (&["--drop-file", &binary], 2, &["not text"]),
        (&["--drop-file", &empty], 2, &["no prefix", "--drop"]),
        (&["--drop-file", &twice], 2, &["192.0.2.0/24 is there twice", "line 1", "line 3", "remove one"]),
        (&["--drop", "192.0.2.0/24", "192.0.2.0/24"], 2, &["twice", "argument 1", "argument 2"]),
        (
            &["--drop-file", &other, "--allow", "192.0.2.0/24"],
            2,
            &["twice", "other.txt, line 1", "allow by --allow"],
        ),
        (&["--drop", "192.0.2.0/24", "--allow-file", &other], 2, &["twice", "drop by --drop"]),
        (&["--drop-file", &missing], 1, &["cannot read", "missing.txt", "No such file"]),
        (&["--drop-file", &folder], 1, &["cannot read", &folder]),
        (&[], 2, &["no prefix", "--drop"]),
    ] {
        Tool::run(h2, &[&["firewall", "to-h1"], args].concat()).refused(code, words);
    }
    assert_clean(&lab);
}

/// The first on a hook stays; the second is told who is there, and counts nothing away.
#[test]
fn a_second_instance_on_the_same_hook() {
    let lab = lab("second", Topology::Pair);
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    for mode in ["native", "generic"] {
        let args = ["count", "to-h1", "--json", "--interval", "50ms", "--mode", mode];
        let mut first = Tool::start(h2, &args, 1);
        let before = programs(h2, "to-h1");
        for tool in TOOLS {
            for second in ["auto", "native", "generic"] {
                Tool::run(h2, &[tool, &["--mode", second]].concat())
                    .refused(5, &["to-h1 already runs the XDP program `senko`"]);
                assert_eq!(programs(h2, "to-h1"), before, "{tool:?}: {mode} {second}");
            }
        }
        udp_send(h1, h2.ipv4().into(), 7007, b"x", 9).expect("it is sent");
        first.wait_row(|row| row["protocol"] == "udp" && row["packets"] == 9);
        first.stop().ok();
        assert_clean(&lab);
    }
}

#[test]
fn nobody_may_not_and_is_told_what_may() {
    let lab = lab("nobody", Topology::Pair);
    let scratch = Scratch::new("nobody");
    // Where the build is may be closed to others.
    let binary = scratch.file("senko");
    fs::copy(env!("CARGO_BIN_EXE_senko"), &binary).expect("there is room");
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    let capture = scratch.file("capture.pcapng");
    for host in [None, Some(lab.host("h2"))] {
        for tool in TOOLS {
            let mut command = match host {
                // Inside the namespace already, without its privileges.
                Some(host) => host.command("setpriv"),
                None => Command::new("setpriv"),
            };
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--", &binary]);
            // In the machine's own namespace only the loopback interface is sure to be there; nothing attaches to it.
            let interface = if host.is_some() { "to-h1" } else { "lo" };
            command.args([tool[0], interface]).args(&tool[2..]).stdin(Stdio::null());
            Tool::spawn(&mut command).end().refused(3, &["root"]);
        }
    }
    let mut dump = lab.host("h2").command("setpriv");
    dump.args([
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "--",
        &binary,
        "dump",
        "to-h1",
        "-w",
        &capture,
    ]);
    let ended = Tool::spawn(&mut dump).end();
    assert!(matches!(ended.code, Some(1 | 3)) && ended.err.lines().count() <= 3, "{ended:?}");
    assert_clean(&lab);
}

/// A veth's native limit is one page; above, the program is loaded for frames of several buffers.
#[test]
fn a_large_mtu_is_no_obstacle() {
    let lab = lab("large", Topology::Pair);
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    ip(h1, "link set to-h2 mtu 9000");
    ip(h2, "link set to-h1 mtu 9000");
    for tool in TOOLS {
        for mode in ["native", "generic"] {
            let running = Tool::start(h2, &[tool, &["--mode", mode]].concat(), 1);
            let modes: Vec<&str> = programs(h2, "to-h1").iter().map(|program| program.mode.name()).collect();
            assert_eq!(modes, [mode], "{tool:?}");
            running.stop().ok();
        }
    }
    let mut tool =
        Tool::start(h2, &["count", "to-h1", "--json", "--interval", "50ms", "--mode", "native"], 1);
    udp_send(h1, h2.ipv4().into(), 7007, &[0; 8000], 3).expect("it is sent");
    tool.wait_row(|row| row["protocol"] == "udp" && row["packets"] == 3 && row["bytes"] == 3 * 8042);
    tool.stop().ok();
    assert_clean(&lab);
}
