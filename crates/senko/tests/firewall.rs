//! `senko firewall`: what is dropped, what is not, and what is counted. Needs root.

mod support;

use std::{fmt::Write as _, net::IpAddr, time::Duration};

use lab::{Host, Lab, Topology, ping, raw_listen, raw_send, tcp_echo_server, tcp_exchange, udp_send};
use serde_json::Value;
use support::{Scratch, Tool, assert_clean, frames, lab, last, patience, totals};

const PORT: u16 = 7007;
const NATIVE_AND_GENERIC: [&str; 2] = ["native", "generic"];

/// Echo requests from h1 that h2 answered, of three.
fn answered(lab: &Lab, address: impl Into<IpAddr>) -> u32 {
    ping(lab.host("h1"), address.into(), 3).expect("ping runs").received
}

fn hits(rows: &[Value], prefix: &str) -> (u64, u64) {
    totals(last(rows, |row| row["prefix"] == prefix))
}

#[test]
fn a_dropped_prefix_is_silent_and_others_are_not() {
    let lab = lab("drop", Topology::Pair);
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    let server = tcp_echo_server(h2, 0).expect("a port is free");
    let connects = |address: IpAddr, timeout: Duration| {
        tcp_exchange(h1, (address, server.port()), 10_000, timeout).is_ok()
    };
    let (v4, v6) =
        (format!("{}/32", h1.ipv4()), format!("{}/64", h1.ipv6().to_string().replace("::1", "::")));
    for mode in NATIVE_AND_GENERIC {
        // Neighbours are known, so that what follows is not about them: discovery is IPv6 and would be dropped.
        assert_eq!((answered(&lab, h2.ipv4()), answered(&lab, h2.ipv6())), (3, 3), "{mode}");
        let tool = Tool::start(h2, &["firewall", "to-h1", "--drop", &v4, "--json", "--mode", mode], 1);
        assert_eq!((answered(&lab, h2.ipv4()), answered(&lab, h2.ipv6())), (0, 3), "{mode}");
        assert!(!connects(h2.ipv4().into(), Duration::from_millis(200)), "{mode}: IPv4 is dropped");
        assert!(connects(h2.ipv6().into(), patience()), "{mode}: IPv6 is not");
        let rows = tool.stop().ok().rows();
        assert!(hits(&rows, &v4).0 >= 4, "{mode}: {rows:?}");

        let tool = Tool::start(h2, &["firewall", "to-h1", "--drop", &v6, "--json", "--mode", mode], 1);
        assert_eq!((answered(&lab, h2.ipv4()), answered(&lab, h2.ipv6())), (3, 0), "{mode}");
        assert!(connects(h2.ipv4().into(), patience()), "{mode}: IPv4 is not dropped");
        tool.stop().ok();
        assert_eq!((answered(&lab, h2.ipv4()), answered(&lab, h2.ipv6())), (3, 3), "{mode}: afterwards");
        assert_clean(&lab);
    }
}

/// Sends UDP from sources that nobody has, and returns how many of each arrived at h2's interface behind XDP.
fn arrivals(lab: &Lab, sources: &[[u8; 4]], each: usize) -> Vec<usize> {
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    let listener = raw_listen(h2, "to-h1").expect("root may listen");
    for source in sources {
        let frame = frames::udp4_from(*source, h1, h2, PORT, b"payload");
        raw_send(h1, "to-h2", &vec![frame; each]).expect("it is sent");
    }
    count_until_end(
        h1,
        h2,
        &listener,
        |frame| sources.iter().position(|source| frame.get(26..30) == Some(source)),
        sources.len(),
    )
}

/// Counts frames by class until the one that was sent last.
fn count_until_end(
    h1: &Host,
    h2: &Host,
    listener: &lab::PacketListener,
    class: impl Fn(&[u8]) -> Option<usize>,
    classes: usize,
) -> Vec<usize> {
    let end = frames::other(h1, h2, 0x9999, &[0; 46]);
    raw_send(h1, "to-h2", &[&end]).expect("it is sent");
    let mut counts = vec![0; classes];
    loop {
        let frame = listener.next(patience()).expect("the last frame arrives");
        if frame == end {
            return counts;
        }
        if let Some(class) = class(&frame) {
            counts[class] += 1;
        }
    }
}

#[test]
fn the_longest_prefix_decides_and_hits_are_exact() {
    let lab = lab("longest", Topology::Pair);
    let h2 = lab.host("h2");
    let scratch = Scratch::new("lists");
    let drops =
        scratch.write("drops.txt", "# a block list\n203.0.113.0/24 # documentation\r\n\n\t192.0.2.77\n");
    let allows = scratch.write("allows.txt", "203.0.113.128/25\n# 203.0.113.1\n");
    let sources = [
        [198, 51, 100, 1],
        [198, 51, 100, 7],
        [192, 0, 2, 1],
        [192, 0, 2, 77],
        [203, 0, 113, 127],
        [203, 0, 113, 128],
        [10, 99, 99, 99],
    ];
    // drop /24, allow /32 inside; allow /24, drop /32 inside; both from files; and no prefix at all.
    for mode in NATIVE_AND_GENERIC {
        let args =
            ["firewall", "to-h1", "--json", "--mode", mode, "--drop-file", &drops, "--allow-file", &allows];
        let args =
            [&args[..], &["--drop", "198.51.100.0/24", "--allow", "198.51.100.7", "192.0.2.0/24"]].concat();
        let tool = Tool::start(h2, &args, 1);
        assert_eq!(arrivals(&lab, &sources, 5), [0, 5, 5, 0, 0, 5, 5], "{mode}");
        let list = Tool::run(h2, &["firewall", "to-h1", "list", "--json"]).ok().rows();
        let rows = tool.stop().ok().rows();
        let bytes = 5 * (42 + 7);
        for (prefix, list_name, action) in [
            ("198.51.100.0/24", "--drop", "drop"),
            ("198.51.100.7/32", "--allow", "allow"),
            ("192.0.2.0/24", "--allow", "allow"),
            ("192.0.2.77/32", drops.as_str(), "drop"),
            ("203.0.113.0/24", drops.as_str(), "drop"),
            ("203.0.113.128/25", allows.as_str(), "allow"),
        ] {
            for rows in [&rows, &list] {
                assert_eq!(hits(rows, prefix), (5, bytes), "{mode}: {prefix} in {rows:?}");
                let row = last(rows, |row| row["prefix"] == prefix).expect("a row");
                assert_eq!(
                    (&row["list"], &row["action"], &row["prefixes"]),
                    (&list_name.into(), &action.into(), &1.into())
                );
                assert!(row["time"].is_f64(), "{row}");
            }
        }
        assert_eq!(list.len(), 6, "{list:?}");
    }
    assert_clean(&lab);
}

/// Every fragment has the source, and tags do not hide it.
#[test]
fn tags_fragments_and_extension_headers_do_not_get_past() {
    let lab = lab("past", Topology::Pair);
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    let (bad4, bad6) =
        ([192, 0, 2, 66], "2001:db8::66".parse::<std::net::Ipv6Addr>().expect("an address").octets());
    let v4 = frames::udp4_from(bad4, h1, h2, PORT, &[7; 64]);
    let v6 = frames::udp6_from(bad6, h1, h2, PORT, &[7; 64]);
    let options = frames::OPTIONS;
    let bad = [
        v4.clone(),
        v6.clone(),
        frames::tagged(&v4, &[(0x8100, 42)]),
        frames::tagged(&v4, &[(0x88a8, 7), (0x8100, 42)]),
        frames::tagged(&v6, &[(0x88a8, 7), (0x8100, 42)]),
        frames::fragmented(&v4, 0, true),
        frames::fragmented(&v4, 8, false),
        frames::extended(&v6, &[(44, &frames::fragment(0, true))]),
        frames::extended(&v6, &[(44, &frames::fragment(9, false))]),
        frames::extended(&v6, &[(0, options), (60, options)]),
    ];
    let good4 = frames::udp4_from([192, 0, 2, 67], h1, h2, PORT, &[7; 64]);
    let good = [good4.clone(), frames::tagged(&good4, &[(0x8100, 42)]), frames::fragmented(&good4, 8, false)];
    for mode in NATIVE_AND_GENERIC {
        let args =
            ["firewall", "to-h1", "--json", "--mode", mode, "--drop", "192.0.2.66", "2001:db8::66/128"];
        let tool = Tool::start(h2, &args, 1);
        let listener = raw_listen(h2, "to-h1").expect("root may listen");
        raw_send(h1, "to-h2", &bad).expect("it is sent");
        raw_send(h1, "to-h2", &good).expect("it is sent");
        let class = |frame: &[u8]| {
            bad.iter()
                .position(|bad| bad == frame)
                .map(|_| 0)
                .or_else(|| good.iter().position(|good| good == frame).map(|_| 1))
        };
        assert_eq!(count_until_end(h1, h2, &listener, class, 2), [0, good.len()], "{mode}");
        let rows = tool.stop().ok().rows();
        let length = |v6: bool| {
            bad.iter().filter(move |f| f.windows(16).any(|w| w == bad6) == v6).map(|f| f.len() as u64)
        };
        assert_eq!(hits(&rows, "192.0.2.66/32"), (5, length(false).sum()), "{mode}");
        assert_eq!(hits(&rows, "2001:db8::66/128"), (5, length(true).sum()), "{mode}");
    }
}

#[test]
fn several_interfaces_share_one_table() {
    let lab = lab("shared", Topology::Router);
    let (h1, h2, r) = (lab.host("h1"), lab.host("h2"), lab.host("r"));
    let (p1, p2) = (format!("{}/32", h1.ipv4()), format!("{}/32", h2.ipv4()));
    let mut tool = Tool::start(
        r,
        &["firewall", "to-h1", "to-h2", "--json", "--interval", "50ms", "--drop", &p1, &p2],
        2,
    );
    for (host, gateway, count) in [(h1, "to-h1", 4), (h2, "to-h2", 6)] {
        let gateway = r.interface(gateway).ipv4.expect("a router has addresses");
        udp_send(host, gateway.into(), PORT, b"x", count).expect("it is sent");
    }
    tool.wait_row(|row| row["prefix"] == *p1 && row["packets"] == 4);
    tool.wait_row(|row| row["prefix"] == *p2 && row["packets"] == 6);
    // Either interface leads to the same firewall, and what is added works on both.
    Tool::run(r, &["firewall", "to-h2", "remove", &p1]).ok().says(&["1 removed"]);
    let list = Tool::run(r, &["firewall", "to-h1", "list", "--json"]).ok().rows();
    assert!(list.len() == 1 && list[0]["prefix"] == *p2, "{list:?}");
    tool.stop().ok();
    assert_clean(&lab);
}

/// More than 65 536 prefixes have one counter, unless one each is asked for.
#[test]
fn long_lists_are_counted_whole_or_each() {
    let lab = lab("long", Topology::Pair);
    let h2 = lab.host("h2");
    let scratch = Scratch::new("long");
    let mut text = String::new();
    for n in 0..70_000_u32 {
        let [_, a, b, c] = (n * 16).to_be_bytes();
        writeln!(text, "100.{}.{b}.{c}/28", a + 64).expect("memory");
    }
    let path = scratch.write("long.txt", text);
    let sources = [[100, 64, 0, 3], [100, 64, 1, 250], [100, 81, 22, 90], [100, 90, 0, 1]];
    let tool = Tool::start(h2, &["firewall", "to-h1", "--drop-file", &path, "--json"], 1);
    assert_eq!(arrivals(&lab, &sources, 7), [0, 0, 0, 7]);
    let rows = tool.stop().ok().rows();
    let row = last(&rows, |row| row["list"] == *path).expect("a row of the list");
    assert_eq!(
        (&row["prefix"], &row["prefixes"], totals(Some(row))),
        (&Value::Null, &70_000.into(), (21, 21 * 49))
    );

    let tool = Tool::start(h2, &["firewall", "to-h1", "--drop-file", &path, "--count-each", "--json"], 1);
    assert_eq!(arrivals(&lab, &sources, 7), [0, 0, 0, 7]);
    let rows = tool.stop().ok().rows();
    assert_eq!(rows.len() % 3, 0, "three prefixes were hit: {rows:?}");
    for prefix in ["100.64.0.0/28", "100.64.1.240/28", "100.81.22.80/28"] {
        assert_eq!(hits(&rows, prefix), (7, 7 * 49), "{rows:?}");
    }
}

/// A million random prefixes load and work; the time is promised of the release build.
#[test]
fn a_million_prefixes_load_in_time() {
    let lab = lab("million", Topology::Pair);
    let h2 = lab.host("h2");
    let scratch = Scratch::new("million");
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut prefixes = std::collections::BTreeSet::new();
    while prefixes.len() < 1_000_000 {
        let length = 16 + (random() % 17) as u32;
        // 198.51.100/24 stays free of them: the test's own.
        let address = (random() >> 16) as u32 & u32::MAX << (32 - length);
        if address >> 16 != 0xc633 {
            prefixes.insert((address, length));
        }
    }
    let mut text = String::with_capacity(20_000_000);
    for (address, length) in &prefixes {
        writeln!(text, "{}/{length}", std::net::Ipv4Addr::from_bits(*address)).expect("memory");
    }
    let path = scratch.write("million.txt", text);
    let begun = std::time::Instant::now();
    let tool = Tool::start(h2, &["firewall", "to-h1", "--drop-file", &path, "--json"], 1);
    let took = begun.elapsed();
    if !cfg!(debug_assertions) {
        assert!(took < Duration::from_secs(3), "{took:?}");
    }
    let mut dropped =
        prefixes.iter().step_by(100_003).map(|(address, _)| address.to_be_bytes()).collect::<Vec<_>>();
    dropped.push([198, 51, 100, 7]);
    let mut expected = vec![0; dropped.len()];
    *expected.last_mut().expect("not empty") = 3;
    assert_eq!(arrivals(&lab, &dropped, 3), expected);
    let rows = tool.stop().ok().rows();
    let row = last(&rows, |row| row["prefixes"] == 1_000_000).expect("a row of the list");
    assert_eq!(totals(Some(row)).0, 3 * (dropped.len() as u64 - 1));
}
