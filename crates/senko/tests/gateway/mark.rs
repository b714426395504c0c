//! Marks that rules give, as the kernel's own rules see them behind XDP: nftables counts packets by version and mark.

use std::{collections::BTreeMap, io::Write as _, process::Stdio};

use abi::Direction;
use engine::{Globals, classifier, data_path};
use lab::{Host, tcp_echo_server, tcp_exchange};
use serde_json::Value;

use crate::{
    fixture::{Gateway, PORT},
    probe::{Probe, udp},
    support::{Tool, patience},
};

const RULES: &str = "[firewall]\nrules = [\"mark 0x10 udp port 7001\", \"mark 0x20 udp port 7002\", \"mark 0x30 udp port 7003\", \"drop udp port 7003\"]\n";
const NO_MARKS: &str = "[firewall]\nrules = [\"drop udp port 7003\"]\n";
const REPLIES: &str = "[firewall]\ndefault = \"drop\"\nrules = [\"accept established\", \"accept udp\"]\n";

/// What tells tests on new kernels to do as old ones do.
const WITHOUT_LINKS: &str = "SENKO_TEST_NO_TCX";

const MARKS: [u32; 5] = [0, 0x10, 0x20, 0x30, 0x40];

/// Packets by version and mark, and with version 0 those of VLAN 5; nothing that is zero.
type Seen = BTreeMap<(u8, u32), u64>;

/// Counts what comes to ports 7000 to 7009 of a host before it is routed, and what comes by VLAN 5 before it is anything; from
/// nought.
fn count(host: &Host) {
    let (mut rules, mut tagged) = (String::new(), String::new());
    for (family, mark) in ["ipv4", "ipv6"].iter().flat_map(|family| MARKS.map(|mark| (family, mark))) {
        rules += &format!("th dport 7000-7009 meta nfproto {family} meta mark {mark} counter\n");
    }
    for mark in MARKS {
        tagged += &format!("vlan id 5 meta mark {mark} counter\n");
    }
    let table = format!(
        "table inet seen\ndelete table inet seen\ntable inet seen {{\n chain counted {{\n \
         type filter hook prerouting priority raw\n {rules} }}\n}}\n\
         table netdev seen\ndelete table netdev seen\ntable netdev seen {{\n chain counted {{\n \
         type filter hook ingress device {PORT} priority 0\n {tagged} }}\n}}\n"
    );
    let mut command = host.command("nft");
    let mut nft = command.args(["-f", "-"]).stdin(Stdio::piped()).spawn().expect("nft runs");
    nft.stdin.take().expect("a pipe").write_all(table.as_bytes()).expect("it reads");
    assert!(nft.wait().expect("it ends").success(), "{table}");
}

fn seen(host: &Host) -> Seen {
    let out = host.command("nft").args(["-j", "list", "ruleset"]).output().expect("nft runs");
    let ruleset: Value = serde_json::from_slice(&out.stdout).expect("JSON");
    let rules = ruleset["nftables"].as_array().expect("objects").iter().filter_map(|o| o.get("rule"));
    let of = |rule: &Value| {
        let expressions = rule["expr"].as_array().expect("expressions").clone();
        let right = |key: &str| {
            let is_it = |e: &&Value| e["match"]["left"]["meta"]["key"] == key;
            expressions.iter().find(is_it).map(|e| e["match"]["right"].clone())
        };
        let version = right("nfproto").map_or(0, |family| if family == "ipv4" { 4 } else { 6 });
        let mark = right("mark").and_then(|mark| mark.as_u64()).expect("a number") as u32;
        let packets = expressions.iter().find_map(|e| e["counter"]["packets"].as_u64()).expect("a counter");
        ((version, mark), packets)
    };
    rules.map(of).filter(|(_, packets)| *packets > 0).collect()
}

/// Applies as kernels with links for it do, or as those without.
fn apply(gateway: &Gateway, mode: &str, text: &str, links: bool) {
    gateway.write(mode, text);
    Tool::spawn(&mut with_links(gateway.command(&["apply"]), links)).end().ok();
}

fn with_links(mut command: std::process::Command, links: bool) -> std::process::Command {
    if !links {
        command.env(WITHOUT_LINKS, "1");
    }
    command
}

/// Programs that see what a host's interface receives.
fn marking(host: &Host) -> String {
    let ids = host.run(|| classifier::programs(Direction::Ingress, host.ifindex()));
    let name = |id: &u32| engine::inventory::program(*id).expect("a program").name;
    let ids = ids.expect("the namespace is there").expect("the kernel says");
    ids.iter().map(name).collect::<Vec<_>>().join(" ")
}

fn clsact(host: &Host) -> bool {
    let out = host.command("tc").args(["qdisc", "show"]).output().expect("tc runs");
    String::from_utf8_lossy(&out.stdout).contains("clsact")
}

/// The same datagram over both versions.
fn both(gateway: &Gateway, port: u16) -> [Vec<u8>; 2] {
    let (h1, h2) = (gateway.peer(), gateway.host());
    ["192.0.2.9", "2001:db8:6::9"].map(|source| udp(source, h1, h2, port, &[7; 30]))
}

/// A datagram to each of the ports 7000 to 7003 over both versions, and another that is VLAN 5's. The probe's socket has each
/// packet, too, as `tcpdump` would.
fn send(gateway: &Gateway, probe: &Probe) {
    let plain: Vec<Vec<u8>> = (7000..7004).flat_map(|port| both(gateway, port)).collect();
    let came = probe.come(&plain);
    assert_eq!(came, [true, true, true, true, true, true, false, false]);
    // Its socket sees them without the tag.
    let tag = |frame: &Vec<u8>| [&frame[..12], &[0x81, 0, 0, 5], &frame[12..]].concat();
    probe.come(&plain.iter().map(tag).collect::<Vec<_>>());
}

/// What that comes to: the marks of the ports 7000 to 7002.
fn marked(marks: [u32; 3]) -> Seen {
    let mut seen = Seen::new();
    // With a tag, those of both versions.
    for (version, each) in [(4, 1), (6, 1), (0, 2)] {
        for mark in marks {
            *seen.entry((version, mark)).or_default() += each;
        }
    }
    seen
}

#[test]
fn the_kernels_rules_see_marks_and_only_those() {
    for (mode, links) in [("native", true), ("generic", true), ("native", false), ("generic", false)] {
        let what = format!("{mode}, links {links}");
        let gateway = Gateway::new("marks");
        let h2 = gateway.host();
        let probe = Probe::of(&gateway);
        apply(&gateway, mode, RULES, links);
        assert_eq!(marking(h2), "senko_ingress", "{what}");
        assert_eq!(clsact(h2), !links, "{what}");
        count(h2);
        send(&gateway, &probe);
        assert_eq!(seen(h2), marked([0, 0x10, 0x20]), "{what}");

        // The next generation's marks.
        let before = gateway.ids();
        apply(&gateway, mode, &RULES.replace("mark 0x10", "mark 0x40"), links);
        assert_eq!(gateway.ids().generation, before.generation + 1);
        assert_eq!(marking(h2), "senko_ingress", "{what}");
        count(h2);
        send(&gateway, &probe);
        assert_eq!(seen(h2), marked([0, 0x40, 0x20]), "{what}");

        // Without a rule that marks, nothing looks.
        apply(&gateway, mode, NO_MARKS, links);
        assert_eq!(marking(h2), "", "{what}");
        assert!(!clsact(h2) && !gateway.place.pins.join("ingress").exists(), "{what}");
        count(h2);
        send(&gateway, &probe);
        assert_eq!(seen(h2), marked([0; 3]), "{what}");

        apply(&gateway, mode, RULES, links);
        let explained = |port: u16| {
            let packet = format!("udp from 192.0.2.9:9 to {}:{port}", h2.ipv4());
            gateway.senko(&["explain", PORT, &packet]).ok().out
        };
        assert!(explained(7001).contains("mark      0x10, for the kernel"), "{what}: {}", explained(7001));
        assert!(!explained(7003).contains("for the kernel"), "{what}: {}", explained(7003));
        let stats: Value = serde_json::from_str(&gateway.senko(&["stats", "--json"]).ok().out).expect("JSON");
        let rules = stats["rules"].as_array().expect("rules");
        let row = rules.iter().find(|row| row["rule"].as_str() == Some("0x10 udp port 7001"));
        assert_eq!(row.unwrap_or_else(|| panic!("{stats}"))["action"], "mark", "{what}");

        gateway.senko(&["stop", "--detach"]).ok();
        assert_eq!(marking(h2), "", "{what}");
        assert!(!clsact(h2), "{what}");
        count(h2);
        assert_eq!(probe.come(&both(&gateway, 7001)), [true, true]);
        assert_eq!(seen(h2), [((4, 0), 1), ((6, 0), 1)].into(), "{what}");
        gateway.assert_gone();
    }
}

/// Packets of one connection have one mark, and the kernel still puts them together.
#[test]
fn what_is_marked_is_still_put_together() {
    let gateway = Gateway::new("marked-gro");
    let (h1, h2) = (gateway.peer(), gateway.host());
    gateway.apply("native", "[firewall]\nrules = [\"mark 0x10 tcp port 7005\"]\n");
    let server = tcp_echo_server(h2, 7005).expect("the port is free");
    for (version, to) in [(4, h2.ipv4().into()), (6, h2.ipv6().into())] {
        count(h2);
        let before = hits(&gateway);
        tcp_exchange(h1, (to, server.port()), 2_000_000, patience()).expect("it goes through");
        let (frames, seen) = (hits(&gateway) - before, seen(h2));
        let packets = seen[&(version, 0x10)];
        assert_eq!(seen.len(), 1, "all are marked: {seen:?}");
        println!("version {version}: {frames} frames marked, {packets} packets for the kernel");
        assert!(packets < frames, "version {version}: {frames} frames, {packets} packets");
    }
}

fn hits(gateway: &Gateway) -> u64 {
    let stats: Value = serde_json::from_str(&gateway.senko(&["stats", "--json"]).ok().out).expect("JSON");
    stats["rules"][0]["packets"].as_u64().unwrap_or_else(|| panic!("{stats}"))
}

#[test]
fn marks_outlive_a_killed_daemon() {
    let gateway = Gateway::new("marked-killed");
    let (h2, probe) = (gateway.host(), Probe::of(&gateway));
    gateway.write("native", RULES);
    let daemon = gateway.run();
    let before = gateway.ids();
    let program = || h2.run(|| classifier::programs(Direction::Ingress, h2.ifindex()));
    let marking = program().expect("the namespace is there").expect("the kernel says");
    daemon.kill();
    count(h2);
    send(&gateway, &probe);
    assert_eq!(seen(h2), marked([0, 0x10, 0x20]), "nobody is there, and all goes on");
    let daemon = gateway.run();
    assert_eq!(gateway.ids(), before, "it was taken over");
    assert_eq!(program().expect("the namespace is there").expect("the kernel says"), marking);
    count(h2);
    send(&gateway, &probe);
    assert_eq!(seen(h2), marked([0, 0x10, 0x20]));
    daemon.kill();
    gateway.senko(&["stop", "--detach"]).ok();
    gateway.assert_gone();
}

#[test]
fn a_killed_apply_leaves_nothing_that_is_not_needed() {
    for links in [true, false] {
        let gateway = Gateway::new("marked-half");
        let (h2, probe) = (gateway.host(), Probe::of(&gateway));
        gateway.apply("native", NO_MARKS);
        let mut operations = 0;
        // A filter is the rarer way, and each operation takes its time.
        for n in (0..200).step_by(if links { 1 } else { 5 }) {
            gateway.write("native", RULES);
            let mut command = with_links(gateway.command(&["apply"]), links);
            command.env("SENKO_TEST_KILL_AFTER", n.to_string());
            let code = Tool::spawn(&mut command).end().code;
            count(h2);
            probe.come(&both(&gateway, 7001));
            let now = seen(h2);
            // Old rules or new ones, and their marks with them.
            let mark = if now.contains_key(&(4, 0x10)) { 0x10 } else { 0 };
            assert_eq!(now, [((4, mark), 1), ((6, mark), 1)].into(), "{n}, links {links}");
            // The next one tidies up, with nothing of the new configuration.
            gateway.apply("native", NO_MARKS);
            assert_eq!(marking(h2), "", "{n}, links {links}");
            assert!(!gateway.place.pins.join("ingress").exists(), "{n}, links {links}");
            if code == Some(0) {
                operations = n;
                break;
            }
        }
        assert!(operations > 20, "{operations} operations");
        gateway.senko(&["stop", "--detach"]).ok();
        assert!(!clsact(h2));
        gateway.assert_gone();
    }
}

/// The place for filters is one for both directions, and goes with the last program.
#[test]
fn the_last_program_takes_the_place_for_filters_away() {
    let gateway = Gateway::new("both-tc");
    let (h2, probe) = (gateway.host(), Probe::of(&gateway));
    let both_of_them = REPLIES.replace("\"accept udp\"", "\"mark 0x10 udp port 7001\", \"accept udp\"");
    let marks = "[firewall]\nrules = [\"mark 0x10 udp port 7001\"]\n";
    let pins = |direction: &str| gateway.place.pins.join(direction).exists();
    for (first, second) in [(marks, REPLIES), (REPLIES, marks), (REPLIES, REPLIES), (marks, marks)] {
        for (text, marks, watches) in [
            (first, first == marks, first == REPLIES),
            (&both_of_them, true, true),
            (second, second == marks, second == REPLIES),
        ] {
            apply(&gateway, "native", text, false);
            assert!(clsact(h2), "{text}");
            assert_eq!((marking(h2) == "senko_ingress", pins("ingress")), (marks, marks), "{text}");
            assert_eq!(pins("egress"), watches, "{text}");
            count(h2);
            assert_eq!(probe.come(&both(&gateway, 7001)), [true, true], "{text}");
            let mark = if marks { 0x10 } else { 0 };
            assert_eq!(seen(h2), [((4, mark), 1), ((6, mark), 1)].into(), "{text}");
        }
        apply(&gateway, "native", NO_MARKS, false);
        assert!(!clsact(h2) && !pins("ingress") && !pins("egress"));
    }
    gateway.senko(&["stop", "--detach"]).ok();
    gateway.assert_gone();
}

/// Others' filters are theirs, and come behind ours.
#[test]
fn filters_of_others_stay_and_come_later() {
    let gateway = Gateway::new("marked-others");
    let h2 = gateway.host();
    let tc = |arguments: &str| {
        let out = h2.command("tc").args(arguments.split(' ')).output().expect("tc runs");
        assert!(out.status.success(), "tc {arguments}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    tc("qdisc add dev to-h1 clsact");
    tc("filter add dev to-h1 ingress protocol ip u32 match u32 0 0 classid 1:1");
    for links in [true, false] {
        apply(&gateway, "native", RULES, links);
        let shown = tc("filter show dev to-h1 ingress");
        let (ours, theirs) = (shown.find("senko_ingress"), shown.find("u32").expect("it is there"));
        assert!(if links { ours.is_none() } else { ours.is_some_and(|ours| ours < theirs) }, "{shown}");
        assert!(marking(h2).contains("senko_ingress"));
        gateway.senko(&["stop", "--detach"]).ok();
        assert!(!marking(h2).contains("senko"));
        assert!(tc("filter show dev to-h1 ingress").contains("u32"), "links {links}: it is still there");
        gateway.assert_gone();
    }
}

/// What comes over a bridge may have the metadata of another gateway before it.
#[test]
fn metadata_of_others_is_no_mark() {
    let gateway = Gateway::new("marked-other");
    let (h2, probe) = (gateway.host(), Probe::of(&gateway));
    gateway.apply("native", RULES);
    let nothing = BTreeMap::new();
    let maps = data_path::create_maps(&nothing, &BTreeMap::new()).expect("maps");
    let mut globals = Globals::default();
    globals.set("RULE_MARK_KEY", 1_u64);
    let stranger = data_path::load_classifier(Direction::Ingress, globals, &maps).expect("it loads");
    let pin = gateway.place.pins.join("ingress").join(h2.ifindex().to_string());
    h2.run(|| classifier::replace(&stranger, Direction::Ingress, &pin))
        .expect("a namespace")
        .expect("a link");
    count(h2);
    send(&gateway, &probe);
    assert_eq!(seen(h2), marked([0; 3]), "these are marks, and not its own");
    gateway.apply("native", &RULES.replace("mark 0x10", "mark 0x40"));
    count(h2);
    send(&gateway, &probe);
    assert_eq!(seen(h2), marked([0, 0x40, 0x20]));
}
