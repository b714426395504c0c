//! How the four tools begin, end and go away: signals, `--duration`, closed pipes, vanished interfaces. Needs root.

mod support;

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use lab::{Host, Topology, ping, udp_send};
use nix::sys::signal::Signal;
use support::{Background, Tool, assert_clean, inside, ip, lab, programs, senko, wait_until};

/// Each tool on r's port to h1; `redirect --to` takes both ports.
const TOOLS: [(&[&str], usize); 5] = [
    (&["count", "to-h1", "--interval", "100ms"], 1),
    (&["dump", "to-h1"], 1),
    (&["firewall", "to-h1", "--interval", "100ms", "--drop", "192.0.2.0/24"], 1),
    (&["redirect", "to-h1", "--reflect", "icmp", "--interval", "100ms"], 1),
    (&["redirect", "to-h1", "--to", "to-h2", "--interval", "100ms"], 2),
];

#[test]
fn every_signal_detaches_in_order() {
    let lab = lab("signals", Topology::Router);
    let r = lab.host("r");
    for (args, interfaces) in TOOLS {
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            let tool = Tool::start(r, args, interfaces);
            assert_eq!(programs(r, "to-h1").len(), 1, "{args:?}");
            tool.signal(signal);
            let ended = tool.end().ok();
            assert!(!ended.err.contains("panicked"), "{ended:?}");
            assert_clean(&lab);
        }
    }
    // The kernel detaches what belongs to nobody any more.
    let tool = Tool::start(r, TOOLS[0].0, 1);
    tool.signal(Signal::SIGKILL);
    assert_eq!(tool.end().code, None);
    wait_until("the program is gone", || programs(r, "to-h1").is_empty());
}

#[test]
fn a_duration_ends_by_itself() {
    let lab = lab("duration", Topology::Router);
    let r = lab.host("r");
    for (args, _) in TOOLS {
        let begun = Instant::now();
        Tool::run(r, &[args, &["--duration", "300ms"]].concat()).ok();
        let took = begun.elapsed();
        assert!(
            took >= Duration::from_millis(300) && took < testkit::guest::patience(4),
            "{args:?}: {took:?}"
        );
        assert_clean(&lab);
    }
}

/// `| head -n 1`, and the same with `2>&1`: one line is read, then nobody reads any more.
fn head(host: &Host, args: &[&str], errors_too: bool) -> (Child, String) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let mut command = senko(host, args);
    let errors =
        if errors_too { Stdio::from(writer.try_clone().expect("a descriptor")) } else { Stdio::piped() };
    let child = command.stdout(writer).stderr(errors).spawn().expect("it starts");
    // The command holds the writing end, too, and would keep the pipe open.
    drop(command);
    let mut line = String::new();
    BufReader::new(reader).read_line(&mut line).expect("a line");
    (child, line)
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let lab = lab("head", Topology::Router);
    let (h1, r) = (lab.host("h1"), lab.host("r"));
    let r_address = r.interface("to-h1").ipv4.expect("a router has addresses");
    let sender = h1.clone();
    let _traffic = Background::repeat(move || {
        udp_send(&sender, r_address.into(), 7007, b"x", 10).expect("it is sent");
        let _ = ping(&sender, r_address.into(), 1);
        // Traffic, and no flood: the tools are to have a processor, too.
        thread::sleep(Duration::from_millis(2));
    });
    for (args, _) in TOOLS {
        let drops = args.contains(&"--drop").then_some("10.0.0.0/8");
        for (errors_too, json) in
            [(false, None), (true, None), (false, Some("--json")), (true, Some("--json"))]
        {
            let args: Vec<&str> = args.iter().copied().chain(drops).chain(json).collect();
            let (mut child, line) = head(r, &args, errors_too);
            wait_until("it ends", || child.try_wait().expect("our child").is_some());
            let output = child.wait_with_output().expect("our child");
            let errors = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(0), "{args:?} {errors_too}: {line}{errors}");
            assert!(!errors.contains("Broken pipe") && !errors.contains("cannot"), "{args:?}: {errors}");
            assert_clean(&lab);
        }
    }
}

#[test]
fn a_vanished_interface_is_said_and_ends_the_tool() {
    for (args, interfaces) in TOOLS {
        let lab = lab("vanish", Topology::Router);
        let r = lab.host("r");
        let tool = Tool::start(r, args, interfaces);
        ip(r, "link del to-h1");
        let ended = tool.end();
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let messages: Vec<&str> = ended.err.lines().filter(|line| line.contains("disappeared")).collect();
        assert_eq!(messages.len(), 1, "{ended:?}");
        assert!(messages[0].contains("to-h1") && ended.err.contains("start again"), "{ended:?}");
        assert!(programs(r, "to-h2").is_empty());
        assert!(support::sockets(r).is_empty());
    }
}

/// Of two interfaces one goes; the other is served on.
#[test]
fn the_interfaces_that_stay_are_served_on() {
    let lab = lab("stay", Topology::Router);
    let (h2, r) = (lab.host("h2"), lab.host("r"));
    let mut count = Tool::start(r, &["count", "to-h1", "to-h2", "--json", "--interval", "50ms"], 2);
    ip(r, "link del to-h1");
    count.wait_err("to-h1 disappeared");
    let gateway = r.interface("to-h2").ipv4.expect("a router has addresses");
    udp_send(h2, gateway.into(), 7007, b"x", 11).expect("it is sent");
    count.wait_row(|row| row["interface"] == "to-h2" && row["protocol"] == "udp" && row["packets"] == 11);
    count.stop().ok();

    // A wait of an hour for the next line must not hide it.
    let lab = support::lab("stay", Topology::Router);
    let r = lab.host("r");
    let tool = Tool::start(r, &["count", "to-h1", "--interval", "1h"], 1);
    ip(r, "link del to-h1");
    tool.end().code(1).says(&["to-h1 disappeared"]);
}

/// `ip` of iproute2 sees the same as we do.
#[test]
fn the_program_is_visible_to_others() {
    let lab = lab("visible", Topology::Pair);
    let h2 = lab.host("h2");
    for (mode, key) in [("native", "\"mode\":1"), ("generic", "\"mode\":2")] {
        let tool = Tool::start(h2, &["count", "to-h1", "--mode", mode], 1);
        let told = inside(h2, "ip", &["-j", "link", "show", "dev", "to-h1"]);
        assert!(told.contains(key) && told.contains("\"name\":\"senko\""), "{mode}: {told}");
        tool.stop().ok();
        let told = inside(h2, "ip", &["-j", "link", "show", "dev", "to-h1"]);
        assert!(!told.contains("\"xdp\""), "{mode}: {told}");
    }
}
