//! Interfaces that come, go, change their names, their namespace and their MTU.

use std::{process::Command, time::Instant};

use crate::{
    fixture::{Gateway, ids},
    probe::Probe,
    support::{ip, programs, wait_until},
};

const LATE: &str = "[firewall]\ndrop = [\"203.0.113.1\"]\n\n[[interface]]\nname = \"late0\"\n";

fn attached(gateway: &Gateway, interface: &str) -> bool {
    let look = || engine::netlink::link(interface);
    let link = gateway.host().run(look).expect("the namespace is there");
    link.is_ok_and(|link| !link.programs.is_empty())
}

#[test]
fn interfaces_are_served_when_they_are_there() {
    let gateway = Gateway::new("links");
    let (h1, h2) = (gateway.peer(), gateway.host());
    gateway.write("auto", LATE);
    let mut daemon = gateway.run();
    daemon.tool.wait_err("late0: missing");
    daemon.wait_for("STATUS=generation 1 on 1 of 2 interfaces");
    let served = gateway.ids();

    let begun = Instant::now();
    ip(h2, "link add late0 type veth peer name late1");
    wait_until("late0 is served", || attached(&gateway, "late0"));
    println!("served {:?} after it was made", begun.elapsed());
    ids(h2, &gateway.place, "late0");
    daemon.tool.wait_err("late0: attached in native mode");

    ip(h2, "link del late0");
    ip(h2, "link add late0 type veth peer name late1");
    wait_until("late0 is served again", || attached(&gateway, "late0"));

    // Another name: not ours any more; and back.
    ip(h2, "link set late0 name other0");
    wait_until("other0 is let go", || !attached(&gateway, "other0"));
    ip(h2, "link set other0 name late0");
    wait_until("late0 is served after a rename", || attached(&gateway, "late0"));

    // Another namespace, and back.
    ip(h2, &format!("link set late0 netns {}", h1.ns_name()));
    wait_until("late0 is let go in the other namespace", || programs(h1, "late0").is_empty());
    ip(h1, &format!("link set late0 netns {}", h2.ns_name()));
    wait_until("late0 is served after its journey", || attached(&gateway, "late0"));

    // Down and up change nothing.
    let before = ids(h2, &gateway.place, "late0");
    for _ in 0..3 {
        ip(h2, "link set late0 down");
        ip(h2, "link set late0 up");
        ip(h2, "link set to-h1 down");
        ip(h2, "link set to-h1 up");
    }
    let probe = Probe::of(&gateway);
    wait_until("the cable is up", || {
        h2.run(|| engine::netlink::link("to-h1")).expect("the namespace is there").is_ok_and(|link| link.up)
    });
    assert_eq!(probe.passing(&["203.0.113.1", "192.0.2.1"]), ["192.0.2.1"]);
    assert_eq!(ids(h2, &gateway.place, "late0"), before);
    assert_eq!(gateway.ids(), served);
}

/// Without a daemon the next `apply` does it.
#[test]
fn an_apply_serves_what_has_come() {
    let gateway = Gateway::new("later");
    let h2 = gateway.host();
    gateway.write("auto", LATE);
    gateway.senko(&["apply"]).ok().says(&["late0: not there", "senko run"]);
    ip(h2, "link add late0 type veth peer name late1");
    assert!(!attached(&gateway, "late0"));
    gateway.senko(&["apply"]).ok().says(&["late0: attached in native mode", "nothing to change"]);
    ids(h2, &gateway.place, "late0");
    // Its number is given to another interface.
    ip(h2, "link del late0");
    ip(h2, "link add other0 type veth peer name other1");
    gateway.senko(&["apply"]).ok();
    assert!(!attached(&gateway, "other0") && !attached(&gateway, "other1"));
    gateway.senko(&["stop", "--detach"]).ok();
    gateway.assert_gone();
}

#[test]
fn an_mtu_beyond_native_mode_is_refused_or_told() {
    let gateway = Gateway::new("mtu");
    let h2 = gateway.host();
    gateway.apply("native", "[firewall]\ndrop = [\"203.0.113.1\"]\n");
    // A veth in native mode limits its peer.
    let raise = Command::new("ip")
        .args(["-n", gateway.peer().ns_name(), "link", "set", "to-h2", "mtu", "9000"])
        .output()
        .expect("iproute2 is installed");
    let said = String::from_utf8_lossy(&raise.stderr);
    assert!(!raise.status.success() && said.to_lowercase().contains("mtu"), "{said}");
    gateway.ids();

    ip(h2, "link add big0 mtu 9000 type veth peer name big1 mtu 9000");
    let text = "[firewall]\ndrop = [\"203.0.113.1\"]\n\n[[interface]]\nname = \"big0\"\n";
    let said = gateway.apply("native", text).err;
    let record = gateway.record();
    let attached = record.interface("big0").expect("it is configured").attached.clone().expect("it is there");
    match (attached.mode.as_str(), attached.frags) {
        ("native", true) => assert!(said.contains("big0: attached in native mode"), "{said}"),
        ("generic", _) => assert!(said.contains("big0: attached in generic mode, slower"), "{said}"),
        other => panic!("{other:?}: {said}"),
    }
    // A new generation keeps it so.
    gateway.apply("native", &text.replace("203.0.113.1", "203.0.113.2"));
    let again = gateway.record().interface("big0").expect("it is configured").attached.clone();
    assert_eq!(again, Some(attached));
    ids(h2, &gateway.place, "big0");
}
