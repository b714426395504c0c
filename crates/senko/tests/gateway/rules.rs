//! Rules of the file and real packets.

use std::{
    net::IpAddr,
    thread,
    time::{Duration, Instant},
};

use lab::{Host, ping, tcp_echo_server, tcp_exchange, udp_send, udp_sink};
use serde_json::Value;

use crate::{
    fixture::Gateway,
    probe::{Probe, udp},
    support::{frames, patience},
};

const RULES: &str = r#"
[sets]
office = ["192.0.2.0/24", "2001:db8:5::/48"]

[firewall]
rules = [
  "count pings {icmp, icmpv6} type {8, 128}",
  "accept udp from @office",
  "drop udp port 7000",
  "drop tcp port 7001",
  "log drop tcp port 7002",
  "drop icmp type echo-request",
  "drop vlan 100",
  "drop options from 2001:db8:6::/48",
]
"#;

/// Packets that a rule counted, as `stats` says.
#[track_caller]
fn counted(gateway: &Gateway, rule: &str) -> u64 {
    let stats: Value = serde_json::from_str(&gateway.senko(&["stats", "--json"]).ok().out).expect("JSON");
    let (action, rest) = rule.split_once(' ').expect("an action and more");
    let rows = |list: &str, name: &str| -> Option<u64> {
        let rows = stats[list].as_array().expect("rows");
        rows.iter().find(|row| row["action"] == action && row[name] == rest)?["packets"].as_u64()
    };
    rows("rules", "rule").or_else(|| rows("sets", "set")).unwrap_or_else(|| panic!("no `{rule}` in {stats}"))
}

fn answers(from: &Host, to: IpAddr) -> u32 {
    ping(from, to, 2).expect("ping runs").received
}

#[test]
fn packets_pass_and_fall_as_the_rules_say() {
    for mode in ["native", "generic"] {
        let gateway = Gateway::new("rules");
        let probe = Probe::of(&gateway);
        let (h1, h2) = (gateway.peer(), gateway.host());
        gateway.apply(mode, RULES);

        // TCP, by a connection of the kernel's.
        let servers = [7001, 7002, 7003].map(|port| tcp_echo_server(h2, port).expect("the port is free"));
        for address in [IpAddr::from(h2.ipv4()), h2.ipv6().into()] {
            let exchange = |port, patience| tcp_exchange(h1, (address, port), 100_000, patience);
            for port in [7001, 7002] {
                let ended = exchange(port, Duration::from_millis(300));
                assert!(ended.is_err(), "{mode}: {address}: {port} is closed");
            }
            exchange(7003, patience()).unwrap_or_else(|error| panic!("{mode}: {error}"));
        }
        assert!(servers[..2].iter().all(|server| server.bytes() == 0), "{mode}");
        assert!(counted(&gateway, "drop tcp port 7001") >= 2, "{mode}");
        assert!(counted(&gateway, "log drop tcp port 7002") >= 2, "{mode}");
        // What a rule logs is told of each time, and stands for no drops of its own.
        let events = gateway.senko(&["events", "--json"]).ok().out;
        let logged = events.lines().filter(|line| line.contains(r#""destination_port":7002"#));
        let logged = logged.filter(|line| line.contains(r#""drops":0"#)).count();
        assert!(logged >= 2, "{mode}: {events}");

        // ICMP: only that of IPv4.
        assert_eq!((answers(h1, h2.ipv4().into()), answers(h1, h2.ipv6().into())), (0, 2), "{mode}");
        // Without an answer, ping goes on asking for a while.
        let fallen = counted(&gateway, "drop icmp type echo-request");
        assert!(fallen >= 2, "{mode}");
        assert_eq!(counted(&gateway, "count pings {icmp, icmpv6} type {8, 128}"), fallen + 2, "{mode}");

        // UDP, in whole packets and in fragments of the kernel's making.
        let mut sinks = [7000, 7004].map(|port| udp_sink(h2, port).expect("the port is free"));
        for address in [IpAddr::from(h2.ipv4()), h2.ipv6().into()] {
            for port in [7000, 7004] {
                udp_send(h1, address, port, b"short", 3).expect("it is sent");
                udp_send(h1, address, port, &[7; 4000], 2).expect("it is sent");
            }
        }
        assert_eq!(sinks[1].wait_for(10, patience()), 10, "{mode}");
        assert_eq!(sinks[0].count(), 0, "{mode}");
        // Later fragments are not to any port.
        assert_eq!(counted(&gateway, "drop udp port 7000"), 10, "{mode}");

        let office = ["192.0.2.9", "2001:db8:5::9", "203.0.113.9", "2001:db8:6::9"];
        let sent: Vec<Vec<u8>> = office.iter().map(|source| udp(source, h1, h2, 7000, b"x")).collect();
        assert_eq!(probe.come(&sent), [true, true, false, false], "{mode}");
        assert_eq!(counted(&gateway, "accept udp from @office"), 2, "{mode}");
        assert_eq!(counted(&gateway, "drop udp port 7000"), 12, "{mode}");

        // Tags, options, fragments that look like something.
        let (v4, v6) = (udp("203.0.113.9", h1, h2, 7000, b"x"), udp("2001:db8:6::9", h1, h2, 9, b"x"));
        let special = [
            frames::tagged(&v4, &[(0x8100, 5)]),
            frames::tagged(&udp("203.0.113.9", h1, h2, 9, b"x"), &[(0x8100, 100)]),
            frames::tagged(&v6, &[(0x88a8, 100), (0x8100, 5)]),
            frames::extended(&v6, &[(60, frames::OPTIONS)]),
            frames::fragmented(&v4, 185, false),
            frames::extended(
                &udp("2001:db8:6::9", h1, h2, 7000, b"x"),
                &[(44, &frames::fragment(185, true))],
            ),
        ];
        assert_eq!(probe.come(&special), [false, false, false, false, true, true], "{mode}");
        assert_eq!(counted(&gateway, "drop udp port 7000"), 13, "{mode}");
        assert_eq!(counted(&gateway, "drop vlan 100"), 2, "{mode}");
        assert_eq!(counted(&gateway, "drop options from 2001:db8:6::/48"), 1, "{mode}");
    }
}

#[test]
fn a_limit_lets_its_rate_through() {
    const RULE: &str = "limit 200/s burst 20 udp port 7000";
    for mode in ["native", "generic"] {
        let gateway = Gateway::new("rate");
        let (h1, h2) = (gateway.peer(), gateway.host());
        gateway.apply(
            mode,
            &format!("[firewall]\nrules = [\"{RULE}\", \"limit 1/h burst 3 per source udp port 7001\"]\n"),
        );
        let mut sink = udp_sink(h2, 7000).expect("the port is free");
        let (begun, mut sent) = (Instant::now(), 0);
        while begun.elapsed() < Duration::from_secs(2) {
            for address in [IpAddr::from(h2.ipv4()), h2.ipv6().into()] {
                udp_send(h1, address, 7000, b"x", 10).expect("it is sent");
                sent += 10;
            }
            thread::sleep(Duration::from_millis(5));
        }
        let expected = 20.0 + 200.0 * begun.elapsed().as_secs_f64();
        // What passed is here, and what was dropped was counted before it.
        let came = sink.wait_for(sent, Duration::from_millis(300));
        assert!(
            (came as f64 / expected - 1.0).abs() < 0.1,
            "{mode}: {came} of {sent}, about {expected} expected"
        );
        assert_eq!(counted(&gateway, RULE), (sent - came) as u64, "{mode}");

        let probe = Probe::of(&gateway);
        let sources = ["192.0.2.1", "2001:db8:7::1", "192.0.2.2"];
        for source in sources {
            let frame = udp(source, h1, h2, 7001, b"x");
            assert_eq!(probe.come(&vec![frame; 5]), [true, true, true, false, false], "{mode}: {source}");
        }
        // The same /64 shares.
        assert_eq!(probe.come(&[udp("2001:db8:7::2", h1, h2, 7001, b"x")]), [false], "{mode}");
        assert_eq!(counted(&gateway, "limit 1/h burst 3 per source udp port 7001"), 7, "{mode}");
    }
}

/// Sets that rules name share a table: what one gains changes what is known of the other's prefixes.
#[test]
fn a_live_edit_is_what_rules_see_also_where_sets_overlap() {
    let gateway = Gateway::new("overlap");
    let probe = Probe::of(&gateway);
    let text = r#"
[sets]
a = ["198.51.100.0/25"]
b = ["203.0.113.128/25", "203.0.113.200", "2001:db8:b:1::/64"]

[firewall]
rules = ["count of-b from @b", "drop udp from @a", "accept from @b", "drop udp from 192.0.2.0/24"]
"#;
    gateway.apply("native", text);
    let before = gateway.ids();
    let sources = [
        "198.51.100.1",
        "203.0.113.1",
        "203.0.113.129",
        "203.0.113.200",
        "2001:db8:b:1::1",
        "2001:db8:b:2::1",
        "192.0.2.1",
    ];
    let all_but = |dropped: &[usize]| -> Vec<&str> {
        (0..sources.len()).filter(|at| !dropped.contains(at)).map(|at| sources[at]).collect()
    };
    assert_eq!(probe.passing(&sources), all_but(&[0, 6]));
    let of_b = counted(&gateway, "count of-b from @b");
    assert_eq!(of_b, 3);
    let edit = |gateway: &Gateway, args: &[&str]| {
        gateway.senko(&[&["set"], args].concat()).ok();
    };
    // Around b's prefixes.
    edit(&gateway, &["add", "a", "203.0.113.0/24", "2001:db8:b::/48"]);
    assert_eq!(probe.passing(&sources), all_but(&[0, 1, 2, 3, 4, 5, 6]));
    assert_eq!(counted(&gateway, "count of-b from @b"), of_b + 3, "they are still b's");
    // By a daemon, which adopts the tables: inside one of a's, and a's own away.
    let daemon = gateway.run();
    edit(&gateway, &["add", "b", "203.0.113.0/26", "192.0.2.1"]);
    assert_eq!(probe.passing(&sources), all_but(&[0, 1, 2, 3, 4, 5]));
    edit(&gateway, &["remove", "a", "203.0.113.0/24"]);
    assert_eq!(probe.passing(&sources), all_but(&[0, 4, 5]));
    daemon.kill();
    edit(&gateway, &["remove", "b", "203.0.113.128/25"]);
    edit(&gateway, &["remove", "a", "2001:db8:b::/48", "198.51.100.0/25"]);
    edit(&gateway, &["add", "a", "203.0.113.200"]);
    assert_eq!(probe.passing(&sources), all_but(&[3]));
    assert_eq!(gateway.ids(), before, "no new generation");
    // What a generation that is made anew says, too.
    gateway.apply("native", &text.replace("192.0.2.0/24", "192.0.2.0/25"));
    assert_eq!(probe.passing(&sources), all_but(&[3]));
}
