//! `senko count` on real packets. Needs root.

mod support;

use std::{net::IpAddr, thread, time::Duration};

use lab::{Host, Topology, ping, raw_send, tcp_echo_server, tcp_exchange, udp_send};
use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};
use serde_json::Value;
use support::{Tool, assert_clean, frames, lab, last, patience, programs, totals};

const PORT: u16 = 7007;
const NATIVE_AND_GENERIC: [&str; 2] = ["native", "generic"];

/// The last totals of a protocol.
fn of(rows: &[Value], version: Option<u64>, protocol: &str) -> (u64, u64) {
    let version = Value::from(version);
    totals(last(rows, |row| {
        row["ip_version"] == version && row["protocol"] == protocol && row["icmp_type"].is_null()
    }))
}

/// Waits until that many packets are in the wanted row: a busy machine receives them a little later.
fn arrive(tool: &mut Tool, packets: usize, wanted: impl Fn(&Value) -> bool) {
    tool.wait_row(|row| wanted(row) && row["packets"].as_u64() >= Some(packets as u64));
}

#[test]
fn ordinary_traffic_is_counted_to_the_packet() {
    let lab = lab("count", Topology::Pair);
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    for mode in NATIVE_AND_GENERIC {
        let args = ["count", "to-h1", "--json", "--icmp-types", "--interval", "100ms", "--mode", mode];
        let mut tool = Tool::start(h2, &args, 1);
        let modes: Vec<&str> = programs(h2, "to-h1").iter().map(|program| program.mode.name()).collect();
        assert_eq!(modes, [mode], "it is attached as asked");
        let server = tcp_echo_server(h2, 0).expect("a port is free");
        for (address, datagrams) in [(IpAddr::from(h2.ipv4()), 100), (IpAddr::from(h2.ipv6()), 70)] {
            assert_eq!(ping(h1, address, 5).expect("ping runs").received, 5);
            tcp_exchange(h1, (address, server.port()), 200_000, patience()).expect("every byte comes back");
            udp_send(h1, address, PORT, b"ten bytes!", datagrams).expect("it is sent");
        }
        arrive(&mut tool, 70, |row| row["ip_version"] == 6 && row["protocol"] == "udp");
        let rows = tool.stop().ok().rows();

        assert_eq!(of(&rows, Some(4), "udp"), (100, 100 * (14 + 20 + 8 + 10)), "{mode}");
        assert_eq!(of(&rows, Some(6), "udp"), (70, 70 * (14 + 40 + 8 + 10)), "{mode}");
        // Echo requests alone come in; ping sends 56 bytes behind the ICMP header.
        assert_eq!(of(&rows, Some(4), "icmp"), (5, 5 * 98), "{mode}");
        let of_type = |protocol: &str, kind: u64| {
            totals(last(&rows, |row| row["protocol"] == protocol && row["icmp_type"] == kind))
        };
        assert_eq!(of_type("icmp", 8), (5, 5 * 98), "{mode}");
        assert_eq!(of_type("icmpv6", 128), (5, 5 * 118), "{mode}");
        for version in [4, 6] {
            let (packets, bytes) = of(&rows, Some(version), "tcp");
            assert!(packets > 5 && bytes > 200_000 + packets * 54, "{mode}: {packets} {bytes}");
        }
        for row in &rows {
            for number in ["time", "packets", "bytes", "packets_per_second", "bytes_per_second"] {
                assert!(row[number].is_number(), "{number} of {row}");
            }
            assert_eq!(row["interface"], "to-h1");
            assert!(row["protocol"].is_string() && row.get("ip_version").is_some(), "{row}");
        }
        assert!(programs(h2, "to-h1").is_empty(), "{mode}: it detached");
    }
    assert_clean(&lab);
}

/// One protocol number, or ethertype, for each kind of frame, so that every count is exact.
#[test]
fn tags_extension_headers_fragments_and_other_ethertypes() {
    let lab = lab("kinds", Topology::Pair);
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    let v4 = |protocol| frames::ipv4(h1, h2, protocol, &[7; 64]);
    let v6 = |protocol| frames::ipv6(h1, h2, protocol, &[7; 64]);
    let options = frames::OPTIONS;
    let kinds: Vec<(usize, Vec<u8>, Option<u64>, &str)> = vec![
        (10, frames::tagged(&v4(253), &[(0x8100, 42)]), Some(4), "experiment1"),
        (7, frames::tagged(&v4(254), &[(0x88a8, 7), (0x8100, 42)]), Some(4), "experiment2"),
        (3, frames::tagged(&v6(253), &[(0x8100, 42)]), Some(6), "experiment1"),
        (4, frames::tagged(&v6(254), &[(0x88a8, 7), (0x8100, 42)]), Some(6), "experiment2"),
        (5, frames::extended(&v6(33), &[(0, options)]), Some(6), "dccp"),
        (6, frames::extended(&v6(136), &[(0, options), (60, options)]), Some(6), "udplite"),
        (8, frames::extended(&v6(47), &[(44, &frames::fragment(0, true))]), Some(6), "gre"),
        (9, frames::extended(&v6(89), &[(44, &frames::fragment(8, false))]), Some(6), "ospf"),
        (
            11,
            frames::extended(
                &v6(103),
                &[(0, options), (43, options), (44, &frames::fragment(0, true)), (60, options)],
            ),
            Some(6),
            "pim",
        ),
        (12, frames::fragmented(&v4(47), 0, true), Some(4), "gre"),
        (13, frames::fragmented(&v4(89), 8, false), Some(4), "ospf"),
        (14, v4(200), Some(4), "200"),
        (15, frames::other(h1, h2, 0x88cc, &[0; 46]), None, "lldp"),
        (16, frames::other(h1, h2, 0x1234, &[0; 46]), None, "0x1234"),
        (17, frames::tagged(&frames::other(h1, h2, 0x88f7, &[0; 46]), &[(0x8100, 3)]), None, "ptp"),
        (2, frames::other(h1, h2, 38, &[0x42; 38]), None, "llc"),
    ];
    for mode in NATIVE_AND_GENERIC {
        let args = ["count", "to-h1", "--json", "--interval", "20ms", "--mode", mode];
        let mut tool = Tool::start(h2, &args, 1);
        for (times, frame, version, protocol) in &kinds {
            raw_send(h1, "to-h2", &vec![frame; *times]).expect("it is sent");
            let version = Value::from(*version);
            arrive(&mut tool, *times, |row| row["ip_version"] == version && row["protocol"] == *protocol);
        }
        let rows = tool.stop().ok().rows();
        for (times, frame, version, protocol) in &kinds {
            let expected = (*times as u64, (times * frame.len()) as u64);
            assert_eq!(of(&rows, *version, protocol), expected, "{mode}: {protocol} over {version:?}");
        }
        assert_eq!(of(&rows, None, "malformed"), (0, 0), "{mode}");
    }
}

#[test]
fn malformed_frames_are_counted_by_reason() {
    let lab = lab("malformed", Topology::Pair);
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    let v4 = frames::ipv4(h1, h2, 253, &[7; 64]);
    let v6 = frames::ipv6(h1, h2, 253, &[7; 64]);
    let with = |frame: &[u8], at: usize, bytes: &[u8]| {
        let mut frame = frame.to_vec();
        frame[at..at + bytes.len()].copy_from_slice(bytes);
        frame
    };
    let many: Vec<(u8, &[u8])> = vec![(60, frames::OPTIONS); 8];
    let kinds: Vec<(Vec<u8>, &str)> = vec![
        (frames::other(h1, h2, 0x8100, &[0, 1]), "vlan_truncated"),
        (v4[..14 + 19].to_vec(), "ipv4_truncated"),
        (with(&v4, 14, &[0x65]), "ipv4_version"),
        (with(&v4, 14, &[0x44]), "ipv4_header_length"),
        (with(&v4, 16, &2000_u16.to_be_bytes()), "ipv4_total_length"),
        (with(&v4, 16, &19_u16.to_be_bytes()), "ipv4_total_length"),
        (v6[..14 + 39].to_vec(), "ipv6_truncated"),
        (with(&v6, 14, &[0x40]), "ipv6_version"),
        (with(&v6, 18, &2000_u16.to_be_bytes()), "ipv6_payload_length"),
        (with(&frames::ipv6(h1, h2, 253, &[]), 20, &[0]), "ipv6_extension_truncated"),
        (frames::extended(&v6, &many), "ipv6_too_many_extensions"),
    ];
    for mode in NATIVE_AND_GENERIC {
        let args = ["count", "to-h1", "--json", "--interval", "20ms", "--mode", mode];
        let mut tool = Tool::start(h2, &args, 1);
        for (times, (frame, reason)) in kinds.iter().enumerate() {
            raw_send(h1, "to-h2", &vec![frame; times + 1]).expect("it is sent");
            arrive(&mut tool, times + 1, |row| row["reason"] == *reason);
        }
        let rows = tool.stop().ok().rows();
        for reason in kinds.iter().map(|(_, reason)| reason) {
            let sent = kinds.iter().enumerate().filter(|(_, kind)| kind.1 == *reason);
            let expected = sent.fold((0, 0), |(packets, bytes), (times, (frame, _))| {
                (packets + times as u64 + 1, bytes + ((times + 1) * frame.len()) as u64)
            });
            let found = totals(last(&rows, |row| row["reason"] == *reason && row["protocol"] == "malformed"));
            assert_eq!(found, expected, "{mode}: {reason}");
        }
    }
}

/// Sends from one CPU, which on a veth is also where the frames are received.
fn send_on_cpu(host: &Host, cpu: usize, to: IpAddr, datagrams: usize) {
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut only = CpuSet::new();
            only.set(cpu).expect("a small number");
            sched_setaffinity(Pid::from_raw(0), &only).expect("the CPU is there");
            // No more at a time than the receiver's queue of 256 holds: two CPUs may send at once.
            for sent in (0..datagrams).step_by(100) {
                // The thread that `udp_send` makes inherits the CPU.
                udp_send(host, to, PORT, b"from this CPU", (datagrams - sent).min(100)).expect("it is sent");
                thread::sleep(Duration::from_millis(5));
            }
        });
    });
}

/// The sum over all CPUs, not one of them.
#[test]
fn frames_of_all_cpus_are_summed() {
    let lab = lab("cpus", Topology::Pair);
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    let mut tool = Tool::start(h2, &["count", "to-h1", "--json", "--interval", "20ms"], 1);
    thread::scope(|scope| {
        for (cpu, v4, v6) in [(0, 1000, 30), (1, 500, 7)] {
            scope.spawn(move || {
                send_on_cpu(h1, cpu, h2.ipv4().into(), v4);
                send_on_cpu(h1, cpu, h2.ipv6().into(), v6);
            });
        }
    });
    arrive(&mut tool, 1500, |row| row["ip_version"] == 4 && row["protocol"] == "udp");
    let rows = tool.stop().ok().rows();
    assert_eq!(of(&rows, Some(4), "udp"), (1500, 1500 * (42 + 13)));
    assert_eq!(of(&rows, Some(6), "udp"), (37, 37 * (62 + 13)));
}

#[test]
fn several_interfaces_in_one_call_have_rows_each() {
    let lab = lab("several", Topology::Router);
    let (h1, h2, r) = (lab.host("h1"), lab.host("h2"), lab.host("r"));
    let mut tool = Tool::start(r, &["count", "to-h1", "to-h2", "--interval", "50ms", "--json"], 2);
    udp_send(h1, h2.ipv4().into(), PORT, b"x", 20).expect("it is sent");
    udp_send(h2, h1.ipv6().into(), PORT, b"x", 30).expect("it is sent");
    arrive(&mut tool, 20, |row| row["interface"] == "to-h1" && row["protocol"] == "udp");
    arrive(&mut tool, 30, |row| row["interface"] == "to-h2" && row["protocol"] == "udp");
    let rows = tool.stop().ok().rows();
    let udp = |interface: &str, version: u64| {
        let row = last(&rows, |row| {
            row["interface"] == interface && row["ip_version"] == version && row["protocol"] == "udp"
        });
        totals(row).0
    };
    assert_eq!((udp("to-h1", 4), udp("to-h2", 6)), (20, 30));
    assert_eq!((udp("to-h1", 6), udp("to-h2", 4)), (0, 0));

    // For people: one line a protocol, and the same numbers.
    let tool = Tool::start(r, &["count", "to-h1", "to-h2"], 2);
    udp_send(h1, h2.ipv4().into(), PORT, b"x", 12).expect("it is sent");
    let text = tool.stop().ok().out;
    let line = text.lines().rev().find(|line| line.contains("udp")).expect("a line for UDP");
    let cells: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(cells[..5], ["to-h1", "v4", "udp", "12", "516"], "{text}");
    assert!(text.lines().next().is_some_and(|line| line.starts_with("interface")), "{text}");
    assert_clean(&lab);
}

#[test]
fn rates_are_of_the_interval() {
    let lab = lab("rates", Topology::Pair);
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    let mut tool = Tool::start(h2, &["count", "to-h1", "--json", "--interval", "200ms"], 1);
    udp_send(h1, h2.ipv4().into(), PORT, b"x", 100).expect("it is sent");
    let first = tool.wait_row(|row| row["protocol"] == "udp" && row["packets"] == 100);
    // 100 packets in one interval of 200 ms, or the last part of them in it.
    let rate = first["packets_per_second"].as_f64().expect("a number");
    assert!(rate > 0.0 && rate < 2000.0, "{first}");
    let quiet = tool.wait_row(|row| row["protocol"] == "udp" && row["packets_per_second"] == 0.0);
    assert_eq!(quiet["packets"], 100);
    tool.stop().ok();
}
