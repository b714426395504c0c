//! Others at the same hook, the same gateway, the same names.

use std::{fs, os::unix::fs::symlink};

use lab::Topology;

use crate::{
    atomic::{SOURCES, rules},
    fixture::Gateway,
    probe::Probe,
    support::{Tool, programs, senko},
};

#[test]
fn a_hook_that_is_taken_is_not_touched() {
    let gateway = Gateway::new("taken");
    let probe = Probe::of(&gateway);
    let other = Tool::start(gateway.host(), &["firewall", "to-h1", "--drop", "192.0.2.0/24"], 1);
    let before = programs(gateway.host(), "to-h1");
    gateway.write("auto", &rules(false));
    let pid = other.pid().to_string();
    gateway.senko(&["apply"]).refused(5, &["to-h1", &pid]);
    assert_eq!(programs(gateway.host(), "to-h1"), before);
    assert_eq!(probe.passing(&SOURCES), SOURCES[..2], "the other one's rules hold");
    other.stop().ok();
    gateway.senko(&["apply"]).ok();
    // An interface more, whose hook is taken: nothing of the new generation happens.
    let ids = gateway.ids();
    crate::support::ip(gateway.host(), "link add more0 type veth peer name more1");
    let other = Tool::start(gateway.host(), &["firewall", "more0", "--drop", "192.0.2.0/24"], 1);
    gateway.write("auto", &format!("{}\n[[interface]]\nname = \"more0\"\n", rules(true)));
    gateway.senko(&["apply"]).refused(5, &["more0"]);
    assert_eq!((gateway.ids(), probe.passing(&SOURCES[..2])), (ids, vec![SOURCES[1]]));
    other.stop().ok();
}

#[test]
fn one_changes_a_gateway_at_a_time() {
    let gateway = Gateway::new("lock");
    let probe = Probe::of(&gateway);
    let configs = [gateway.scratch.file("one.toml"), gateway.scratch.file("two.toml")];
    for (path, flipped) in configs.iter().zip([false, true]) {
        let written = gateway.write("native", &rules(flipped));
        fs::rename(written, path).expect("it was written");
    }
    let apply = |path: &str| Tool::spawn(&mut senko(gateway.host(), &["apply", "-c", path]));
    // One waits for the other, and one of the two is live, whole.
    for _ in 0..3 {
        let both = [apply(&configs[0]), apply(&configs[1])];
        for tool in both {
            tool.end().ok();
        }
        let passing = probe.passing(&SOURCES[..2]);
        assert!(passing == [SOURCES[1]] || passing == [SOURCES[0]], "{passing:?}");
        gateway.ids();
    }
    // Nobody waits for ever.
    let before = gateway.ids();
    let mut holder =
        Tool::spawn(&mut senko(gateway.host(), &["apply", "-c", &configs[0], "--confirm", "60s"]));
    if gateway.senko(&["plan", "-c", &configs[0]]).code == Some(7) {
        holder.wait_err("rolled back in");
    } else {
        // It was live already: the other one, then.
        holder.end().ok();
        holder = Tool::spawn(&mut senko(gateway.host(), &["apply", "-c", &configs[1], "--confirm", "60s"]));
        holder.wait_err("rolled back in");
    }
    let held = gateway.ids();
    assert_ne!(held, before);
    let pid = holder.pid().to_string();
    gateway.senko(&["block", "192.0.2.1"]).refused(5, &["another senko", &pid, "nothing was changed"]);
    assert_eq!(gateway.ids(), held);
}

#[test]
fn two_gateways_with_the_same_names_and_numbers_never_meet() {
    let (one, two) = (Gateway::new("one"), Gateway::new("two"));
    let (probe_one, probe_two) = (Probe::of(&one), Probe::of(&two));
    assert_ne!(one.place.key(), two.place.key());
    assert_eq!(one.host().interface("to-h1").index, two.host().interface("to-h1").index);
    one.apply("native", &rules(false));
    two.apply("native", &rules(true));
    let (ids_one, ids_two) = (one.ids(), two.ids());
    assert_ne!((ids_one.link, ids_one.program), (ids_two.link, ids_two.program));
    assert!(ids_one.maps.values().all(|id| !ids_two.maps.values().any(|other| other == id)));
    one.senko(&["block", "192.0.2.1"]).ok();
    assert_eq!(probe_one.passing(&SOURCES), [SOURCES[1]]);
    assert_eq!(probe_two.passing(&SOURCES), [SOURCES[0], SOURCES[2]]);
    one.senko(&["stop", "--detach"]).ok();
    one.assert_gone();
    assert_eq!((two.ids(), probe_two.passing(&SOURCES)), (ids_two, vec![SOURCES[0], SOURCES[2]]));
    assert_eq!(one.lab.topology(), Topology::Pair);
}

#[test]
fn pins_of_another_layout_are_left_alone() {
    let gateway = Gateway::new("layout");
    let probe = Probe::of(&gateway);
    gateway.apply("native", &rules(false));
    let before = gateway.ids();
    let layout = gateway.place.pins.join("layout");
    let ours = fs::read_link(&layout).expect("it is there");
    fs::remove_file(&layout).expect("it is ours");
    symlink("senko-gateway-99", &layout).expect("a new one");
    gateway.write("native", &rules(true));
    let pins = gateway.place.pins.display().to_string();
    for args in [&["apply"][..], &["plan"], &["run"], &["block", "192.0.2.1"], &["stop", "--detach"]] {
        gateway.senko(args).refused(5, &["senko-gateway-99", &pins, "senko stop --detach", "rm -r"]);
    }
    assert_eq!(probe.passing(&SOURCES[..2]), [SOURCES[1]]);
    fs::remove_file(&layout).expect("it is ours");
    symlink(ours, &layout).expect("as it was");
    assert_eq!(gateway.ids(), before);
    gateway.senko(&["apply"]).ok();
    assert_eq!(probe.passing(&SOURCES[..2]), [SOURCES[0]]);
}
