//! `senko explain` says of a packet what the gateway then does with it, and changes nothing. Needs root.

mod support;

use lab::{Host, Topology, raw_send};
use serde_json::{Value, json};
use support::{Gateway, Tool, frames, ip, lab, wait_until};

const CONFIG: &str = r#"[[interface]]
name = "to-h1"

[sets]
office = ["192.0.2.0/24", "2001:db8:1::/48"]
blocklist = { file = "blocklist.txt" }

[firewall]
default = "drop"
allow = ["@office", "10.0.0.0/8"]
drop = ["@blocklist", "198.51.100.7", "192.0.2.66"]

[counter]
"#;
const BLOCKLIST: &str = "# bad ones\n203.0.113.0/24\n2001:db8:bad::/48\n";

/// A packet and what is to be said of it: name, frame, reason, rule, element's line.
type Kind = (&'static str, Vec<u8>, &'static str, Option<&'static str>, Option<u64>);

/// Packets of every kind.
fn kinds(from: &Host, to: &Host) -> Vec<Kind> {
    let v4 = |source| frames::udp4_from(source, from, to, 9, b"what");
    let v6 = |source: &str| {
        let source: std::net::Ipv6Addr = source.parse().expect("an address");
        frames::udp6_from(source.octets(), from, to, 9, b"what")
    };
    let truncated = v4([198, 51, 100, 7])[..30].to_vec();
    vec![
        ("a rule", v4([198, 51, 100, 7]), "firewall_drop", Some("drop 198.51.100.7"), None),
        ("a rule in a longer prefix", v4([192, 0, 2, 66]), "firewall_drop", Some("drop 192.0.2.66"), None),
        ("a set's file", v4([203, 0, 113, 5]), "firewall_drop", Some("drop @blocklist"), Some(2)),
        ("IPv6", v6("2001:db8:bad::1"), "firewall_drop", Some("drop @blocklist"), Some(3)),
        ("a set that is allowed", v4([192, 0, 2, 5]), "unclaimed", Some("allow @office"), Some(5)),
        ("IPv6, allowed", v6("2001:db8:1::1"), "unclaimed", Some("allow @office"), Some(5)),
        ("what no list has", v4([172, 16, 0, 1]), "firewall_default", Some("default = \"drop\""), None),
        ("a block", v4([100, 64, 0, 1]), "blocked", Some("100.64.0.0/10"), None),
        ("a block before the lists", v4([10, 9, 9, 9]), "blocked", Some("10.9.0.0/16"), None),
        (
            "with a tag",
            frames::tagged(&v4([203, 0, 113, 6]), &[(0x8100, 7)]),
            "firewall_drop",
            Some("drop @blocklist"),
            Some(2),
        ),
        ("malformed", truncated, "firewall_default", Some("default = \"drop\""), None),
        ("not IP", frames::other(from, to, 0x88b5, &[0; 46]), "unclaimed", None, None),
    ]
}

fn hex(frame: &[u8]) -> String {
    frame.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn explain(gateway: &Gateway<'_>, frame: &[u8]) -> Value {
    gateway.json(&["explain", "to-h1", "--packet", &hex(frame)])
}

/// What decided: the last step with a rule.
fn decided(explanation: &Value) -> &Value {
    let steps = explanation["steps"].as_array().expect("steps");
    steps.iter().rev().find(|step| step.get("rule").is_some()).unwrap_or(&Value::Null)
}

/// What no traffic but ours can change: rules, sets, blocks, and reasons that only our sources have.
fn counters(stats: &Value) -> Value {
    json!([stats["rules"], stats["sets"], stats["blocks"]])
}

#[test]
fn what_is_explained_is_what_happens() {
    let lab = lab("explain", Topology::Pair);
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    let gateway = Gateway::apply_with(h2, CONFIG, &[("blocklist.txt", BLOCKLIST)]);
    gateway.text(&["block", "100.64.0.0/10", "--why", "carrier's own"]);
    gateway.text(&["block", "10.9.0.0/16"]);
    for (name, frame, reason, rule, line) in kinds(h1, h2) {
        let before = gateway.json(&["stats"]);
        let said = explain(&gateway, &frame);
        assert_eq!(counters(&gateway.json(&["stats"])), counters(&before), "{name}: nothing live is counted");
        assert_eq!(said["reason"], reason, "{name}: {said:#}");
        let drops = said["verdict"] == "drop";
        assert_eq!(drops, !matches!(reason, "unclaimed" | "malformed"), "{name}: {said:#}");
        assert_eq!(decided(&said)["rule"].as_str(), rule, "{name}: {said:#}");
        assert_eq!(decided(&said)["element"]["at"]["line"].as_u64(), line, "{name}: {said:#}");
        assert_eq!(said["changed"], json!([]), "{name}");

        raw_send(h1, "to-h2", &[&frame]).expect("it is sent");
        let count = |stats: &Value, list: &str, key: &str, of: &str| -> u64 {
            let rows = stats[list].as_array().expect("rows").clone();
            rows.iter().filter(|row| row[key] == of).map(|row| row["packets"].as_u64().unwrap_or(0)).sum()
        };
        let reasons = |stats: &Value| {
            let row = json!({ "rows": stats["interfaces"][0]["reasons"] });
            count(&row, "rows", "reason", reason)
        };
        wait_until(name, || reasons(&gateway.json(&["stats"])) > reasons(&before));
        let after = gateway.json(&["stats"]);
        let hits = |stats: &Value| match rule {
            Some(rule) if reason == "blocked" => count(stats, "blocks", "prefix", rule),
            Some(rule) => {
                let text = rule.split_once(' ').map_or(rule, |(_, text)| text);
                count(stats, "rules", "rule", text) + count(stats, "sets", "set", text)
            }
            None => 0,
        };
        let expected = u64::from(rule.is_some_and(|rule| !rule.starts_with("default")));
        assert_eq!(hits(&after) - hits(&before), expected, "{name}: what was explained counted it");
    }
}

#[test]
fn nothing_live_changes() {
    let lab = lab("explain", Topology::Pair);
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    let gateway = Gateway::apply_with(h2, CONFIG, &[("blocklist.txt", BLOCKLIST)]);
    gateway.text(&["block", "100.64.0.0/10"]);
    let all = kinds(h1, h2);
    // Without a carrier nothing else is counted.
    ip(h1, "link set to-h2 down");
    wait_until("the last frame is counted", || {
        let packets = || gateway.json(&["stats"])["interfaces"][0]["packets"].clone();
        packets() == packets()
    });
    let rest = |mut stats: Value| {
        for field in ["time", "age"] {
            stats.as_object_mut().expect("a document").remove(field);
        }
        stats
    };
    let programs = || {
        let program = gateway.json(&["status", "to-h1"])[0]["programs"][0].clone();
        let maps = program["maps"].as_array().expect("maps").iter().map(|map| map["id"].clone());
        (program["id"].clone(), maps.collect::<Vec<_>>())
    };
    let (before, on) = (rest(gateway.json(&["stats"])), programs());
    for (_, frame, ..) in &all {
        explain(&gateway, frame);
    }
    assert_eq!(rest(gateway.json(&["stats"])), before);
    assert_eq!(programs(), on, "the same program with the same maps");
}

#[test]
fn answers_and_cables_are_explained_without_sending_anything() {
    let lab = lab("explain", Topology::Pair);
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    ip(h2, "link add spare type veth peer name spare-peer");
    ip(h2, "link set spare up");
    let ports = "interface = [{ name = \"to-h1\" }, { name = \"spare\" }]\n";
    let gateway = Gateway::apply(h2, &format!("{ports}[redirect]\nreflect = [\"icmp\"]\non = [\"to-h1\"]\n"));
    support::inside(h2, "sysctl", &["-qw", "net.ipv4.ip_forward=1"]);
    // The neighbour is known once it has answered.
    assert!(lab::ping(h1, h2.ipv4().into(), 2).expect("ping runs").received > 0);
    let echo = format!("icmp from {} to {}", h1.ipv4(), h2.ipv4());
    let before = gateway.json(&["stats"]);
    let said = gateway.json(&["explain", "to-h1", &echo]);
    assert_eq!(
        (&said["verdict"], &said["reason"]),
        (&"redirect".into(), &"redirect_reflect".into()),
        "{said:#}"
    );
    assert_eq!(
        said["steps"][0],
        json!({"stage": "redirect", "decision": "redirect", "reason": "redirect_reflect"})
    );
    // The addresses change places: the MAC addresses are the first bytes that change.
    assert!(said["changed"][0]["offset"].as_u64() < Some(6), "{said:#}");
    let text = gateway.text(&["explain", "to-h1", &echo]);
    assert!(text.contains("  redirect  redirect (redirect_reflect)\n"), "{text}");
    assert!(text.contains("  changed   byte "), "{text}");
    let other = gateway.json(&["explain", "to-h1", &format!("icmp from {} to 192.0.2.77", h1.ipv4())]);
    assert_eq!(
        (&other["verdict"], &other["reason"]),
        (&"pass".into(), &"redirect_not_local".into()),
        "{other:#}"
    );
    let reflected = |stats: &Value| {
        let reasons = stats["interfaces"][0]["reasons"].as_array().expect("reasons");
        reasons.iter().find(|row| row["reason"] == "redirect_reflect").map(|row| row["packets"].clone())
    };
    assert_eq!(reflected(&gateway.json(&["stats"])), reflected(&before), "nothing live is counted");

    gateway.reapply(&format!("{ports}[redirect]\ncables = [[\"to-h1\", \"spare\"]]\n")).ok();
    let crossed = gateway.json(&["explain", "to-h1", &echo]);
    assert_eq!(
        (&crossed["verdict"], &crossed["reason"]),
        (&"redirect".into(), &"redirect_port".into()),
        "{crossed:#}"
    );
    assert_eq!(crossed["changed"], json!([]));
}

#[test]
fn words_and_captures_are_explained() {
    let lab = lab("explain", Topology::Pair);
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    let gateway = Gateway::apply_with(h2, CONFIG, &[("blocklist.txt", BLOCKLIST)]);
    let text = gateway.text(&["explain", "to-h1", "tcp from 203.0.113.5:5 to 203.0.113.10:80 syn"]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0], "IP 203.0.113.5.5 > 203.0.113.10.80: Flags [S], seq 1, win 64240, length 0",
        "{text}"
    );
    let file = gateway.files.file("blocklist.txt");
    let main = gateway.files.file("senko.toml");
    assert_eq!(lines[1], "  counter   counted as IPv4 tcp", "{text}");
    assert_eq!(
        lines[2],
        format!("  firewall  drop by `drop @blocklist`, {main}:11: 203.0.113.0/24, {file}:2"),
        "{text}"
    );
    assert_eq!(lines[3], "  verdict   drop (firewall_drop), on to-h1 by generation 1", "{text}");
    // As shells hand it over without quotes.
    let words = ["explain", "to-h1", "icmp", "from", "192.0.2.1", "to", "192.0.2.2"];
    assert_eq!(gateway.json(&words)["verdict"], "pass");
    gateway.text(&["set", "add", "blocklist", "198.18.0.0/15"]);
    let added = gateway.text(&["explain", "to-h1", "udp from 198.18.0.1 to 192.0.2.1"]);
    assert!(added.contains("198.18.0.0/15, added live"), "{added}");

    let capture = write_pcap(&gateway, &kinds(h1, h2).into_iter().map(|kind| kind.1).collect::<Vec<_>>());
    let ended = Tool::run(h2, &["explain", "to-h1", "--pcap", &capture, "-c", "3", "--json"]).ok();
    let reasons: Vec<Value> = ended.rows().into_iter().map(|row| row["reason"].clone()).collect();
    assert_eq!(reasons, ["firewall_drop", "firewall_drop", "firewall_drop"]);
    let ended = Tool::run(h2, &["explain", "to-h1", "--pcap", &capture, "--json"]).ok();
    assert_eq!(ended.rows().len(), kinds(h1, h2).len());
}

/// A capture of these frames, little-endian pcap (draft-ietf-opsawg-pcap).
fn write_pcap(gateway: &Gateway<'_>, frames: &[Vec<u8>]) -> String {
    let mut bytes = Vec::new();
    for word in [0xa1b2_c3d4_u32, 2 | 4 << 16, 0, 0, 65_535, 1] {
        bytes.extend(word.to_le_bytes());
    }
    for frame in frames {
        for word in [0, 0, frame.len() as u32, frame.len() as u32] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(frame);
    }
    gateway.files.write("all.pcap", bytes)
}

#[test]
fn mistakes_are_explained_too() {
    let lab = lab("explain", Topology::Pair);
    let h2 = lab.host("h2");
    Tool::run(h2, &["explain", "to-h1", "icmp from 192.0.2.1 to 192.0.2.2"]).refused(1, &["no gateway runs"]);
    let _gateway = Gateway::apply(h2, "[[interface]]\nname = \"to-h1\"\n[counter]\n");
    let words = ["`syyn` is none of syn", "tcp from 192.0.2.1 to 192.0.2.2 syyn\n", "^^^^"];
    Tool::run(h2, &["explain", "to-h1", "tcp from 192.0.2.1 to 192.0.2.2 syyn"]).refused(2, &words);
    let cases: &[(&[&str], i32, &str)] = &[
        (&["explain", "to-h1", "--packet", "0g"], 2, "`g` in --packet is no hex digit"),
        (&["explain", "to-h1", "--packet", "00"], 1, "a frame has 14 bytes at least"),
        (&["explain", "nosuch0", "icmp from 192.0.2.1 to 192.0.2.2"], 1, "it serves to-h1"),
        (&["explain", "to-h1", "--pcap", "/dev/null"], 1, "cannot read /dev/null"),
        (&["explain", "to-h1", "--pcap", "/etc/passwd"], 1, "cannot read /etc/passwd"),
    ];
    for (args, code, words) in cases {
        Tool::run(h2, args).refused(*code, &[words]);
    }
    // Only counting leaves reasons alone; the verdict is the kernel's to give.
    let counted = Tool::run(h2, &["explain", "to-h1", "icmp from 192.0.2.1 to 192.0.2.2", "--json"]).ok();
    assert_eq!(
        (&counted.rows()[0]["verdict"], &counted.rows()[0]["reason"]),
        (&"pass".into(), &"unclaimed".into())
    );
}
