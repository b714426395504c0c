//! `senko run`: signals, the service manager, watched files, restarts.

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{
    atomic::{SOURCES, rules},
    fixture::Gateway,
    probe::Probe,
    support::{programs, wait_until},
};

/// Packets that a rule has dropped.
fn hits(gateway: &Gateway) -> u64 {
    let stats: Value = serde_json::from_str(&gateway.senko(&["stats", "--json"]).ok().out).expect("JSON");
    let rules = stats["rules"].as_array().expect("rows");
    rules.iter().find(|row| row["rule"] == "203.0.113.1").expect("the rule")["packets"]
        .as_u64()
        .expect("a number")
}

#[test]
fn it_reloads_stops_and_adopts() {
    let gateway = Gateway::new("daemon");
    let probe = Probe::of(&gateway);
    let [rule, set, _] = SOURCES;
    let path = gateway.write("native", &rules(false));
    let mut daemon = gateway.run();
    // Ready is ready.
    assert_eq!(programs(gateway.host(), "to-h1").len(), 1);
    assert_eq!(probe.passing(&[rule, set]), [set]);
    daemon.wait_for("STATUS=generation 1 on 1 of 1 interfaces");

    gateway.write("native", &rules(true));
    daemon.tool.signal(Signal::SIGHUP);
    daemon.wait_for("STATUS=generation 2 on 1 of 1 interfaces");
    assert_eq!(probe.passing(&[rule, set]), [rule]);

    let before = gateway.ids();
    gateway.write("native", "[firewall]\ndrop = [\"203.0.113.300\"]\n");
    daemon.tool.signal(Signal::SIGHUP);
    let status = daemon.wait_for("STATUS=generation 2 on 1 of 1 interfaces; the last reload failed");
    assert!(status.contains("1 error"), "{status}");
    daemon.tool.wait_err(&format!("{path}:6:"));
    daemon.tool.wait_err("generation 2 goes on");
    assert_eq!((gateway.ids(), probe.passing(&[rule, set])), (before, vec![rule]));

    gateway.write("native", &rules(false));
    daemon.tool.signal(Signal::SIGHUP);
    daemon.wait_for("STATUS=generation 3 on 1 of 1 interfaces");
    assert_eq!(probe.passing(&[rule, set]), [set]);
    let (ids, counted) = (gateway.ids(), hits(&gateway));
    assert!(counted > 0);

    daemon.tool.signal(Signal::SIGTERM);
    daemon.wait_for("STOPPING=1");
    daemon.tool.end().ok();
    assert_eq!((gateway.ids(), probe.passing(&[rule, set])), (ids.clone(), vec![set]), "without a daemon");
    let daemon = gateway.run();
    assert_eq!(gateway.ids(), ids, "after a stop");
    daemon.kill();
    assert_eq!(probe.passing(&[rule, set]), [set]);
    let daemon = gateway.run();
    assert_eq!(gateway.ids(), ids, "after a kill");
    assert!(hits(&gateway) >= counted + 2, "{} after {counted}", hits(&gateway));
    println!("ready after a kill: {:?}", daemon.took);
    assert!(daemon.took.as_secs() < 5, "{:?}", daemon.took);

    gateway.senko(&["stop"]).ok().says(&["the daemon has ended", "the data path stays"]);
    daemon.tool.end().ok();
    assert_eq!(gateway.ids(), ids);
    gateway.senko(&["stop"]).refused(1, &["no daemon runs", "--detach"]);
    let daemon = gateway.run();
    gateway.senko(&["stop", "--detach"]).ok().says(&["to-h1: detached"]);
    daemon.tool.end().ok();
    gateway.assert_gone();
}

#[test]
fn a_watched_file_is_applied_by_itself_and_nothing_else_is() {
    let gateway = Gateway::new("watch");
    let probe = Probe::of(&gateway);
    let text =
        "[sets]\nadmins = { file = \"admins.txt\", watch = true }\n\n[firewall]\ndrop = [\"@admins\"]\n";
    let list = gateway.scratch.write("admins.txt", "192.0.2.1\n");
    let replace = |contents: &str| {
        let fresh = gateway.scratch.write("admins.txt.new", contents);
        std::fs::rename(fresh, &list).expect("it is ours");
    };
    gateway.write("native", text);
    let mut daemon = gateway.run();
    let sources = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "203.0.113.1"];
    assert_eq!(probe.passing(&sources), sources[1..]);
    daemon.wait_for("STATUS=generation 1");

    // Another change that nobody has asked to apply.
    gateway.write(
        "native",
        &format!("{text}allow = [\"0.0.0.0/0\"]\n").replace("\"@admins\"", "\"@admins\", \"203.0.113.1\""),
    );
    replace("192.0.2.2\n2001:db8::/32\n");
    daemon.wait_for("STATUS=generation 2 on 1 of 1 interfaces");
    assert_eq!(probe.passing(&sources), ["192.0.2.1", "203.0.113.1"]);

    let before = gateway.ids();
    replace("192.0.2.1\nnonsense\n");
    daemon.tool.wait_err(&format!("{list}:2:1"));
    daemon.wait_for("the last reload failed");
    assert_eq!(gateway.ids(), before);
    std::fs::remove_file(&list).expect("it is ours");
    daemon.tool.wait_err("there is no file");
    assert_eq!((gateway.ids(), probe.passing(&sources)), (before, vec!["192.0.2.1", "203.0.113.1"]));

    // It comes back, by another way.
    std::fs::write(&list, "192.0.2.1\n").expect("it is ours");
    wait_until("the file is applied", || probe.passing(&sources) == sources[1..]);
}
