//! `senko redirect`: pings reflected, ports joined. Needs root.

mod support;

use std::net::{IpAddr, Ipv4Addr};

use etherparse::PacketBuilder;
use lab::{Host, Topology, ping, raw_listen, raw_send, tcp_echo_server, tcp_exchange};
use serde_json::Value;
use support::{Tool, assert_clean, frames, inside, ip, lab, last, patience, totals};

const NATIVE_AND_GENERIC: [&str; 2] = ["native", "generic"];

fn packets(rows: &[Value], interface: &str, reason: &str) -> u64 {
    totals(last(rows, |row| row["interface"] == interface && row["reason"] == reason)).0
}

/// The router's address on its port to h1, of either family.
fn gateways(r: &Host) -> [IpAddr; 2] {
    let port = r.interface("to-h1");
    [port.ipv4.expect("it has one").into(), port.ipv6.expect("it has one").into()]
}

/// An echo request for r from any source.
fn echo(source: Ipv4Addr, from: &Host, r: &Host) -> Vec<u8> {
    let port = r.interface("to-h1");
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(from.mac(), port.mac)
        .ipv4(source.octets(), port.ipv4.expect("it has one").octets(), 64)
        .icmpv4_echo_request(77, 1)
        .write(&mut frame, &[0x42; 56])
        .expect("it fits");
    frame
}

#[test]
fn replies_are_what_ping_expects() {
    let lab = lab("reflect", Topology::Router);
    let (h1, r) = (lab.host("h1"), lab.host("r"));
    for mode in NATIVE_AND_GENERIC {
        // So that neighbours are known to the kernel: without it would, rightly, answer the first ping itself.
        for address in gateways(r) {
            assert_eq!(ping(h1, address, 1).expect("ping runs").received, 1);
        }
        let args = ["redirect", "to-h1", "--reflect", "icmp", "--json", "--interval", "50ms", "--mode", mode];
        let mut tool = Tool::start(r, &args, 1);
        for address in gateways(r).map(|address| address.to_string()) {
            for size in ["56", "1400"] {
                // ping compares every byte of the data itself.
                let text = inside(h1, "ping", &["-n", "-c", "4", "-i", "0.02", "-s", size, &address]);
                assert!(text.contains("4 received, 0% packet loss"), "{mode}: {text}");
                assert_eq!(text.matches("ttl=64").count(), 4, "{mode}: {text}");
                assert!(!text.contains("wrong data") && !text.contains("DUP"), "{mode}: {text}");
            }
        }
        tool.wait_row(|row| row["reason"] == "redirect_reflect" && row["packets"] == 16);
        let rows = tool.stop().ok().rows();
        assert_eq!(packets(&rows, "to-h1", "redirect_reflect"), 16, "{mode}: none by the kernel");
        let bytes = totals(last(&rows, |row| row["reason"] == "redirect_reflect")).1;
        assert_eq!(bytes, 4 * (98 + 1442) + 4 * (118 + 1462), "{mode}");
    }
    assert_clean(&lab);
}

/// What is not for us to answer reaches the kernel as it came, and is counted under its reason.
#[test]
fn the_kernel_gets_the_rest_counted_by_reason() {
    let lab = lab("rest", Topology::Router);
    let (h1, h2, r) = (lab.host("h1"), lab.host("h2"), lab.host("r"));
    assert_eq!(
        ping(h2, r.interface("to-h2").ipv4.expect("it has one").into(), 1).expect("ping runs").received,
        1
    );
    assert_eq!(ping(h1, h2.ipv4().into(), 1).expect("ping runs").received, 1);
    for mode in NATIVE_AND_GENERIC {
        let args = ["redirect", "to-h1", "--reflect", "icmp", "--json", "--interval", "50ms", "--mode", mode];
        let mut tool = Tool::start(r, &args, 1);
        let [a, b, c, _] = h1.ipv4().octets();
        let host = if mode == "native" { 200 } else { 201 };
        let stranger = Ipv4Addr::new(a, b, c, host);
        let arp = raw_listen(h1, "to-r").expect("root may listen");
        raw_send(h1, "to-r", &[echo(stranger, h1, r)]).expect("it is sent");
        // The kernel wants to answer: it asks for the neighbour.
        let asked = arp.find(patience(), |f| {
            f.get(12..14) == Some(&[8, 6]) && f.get(38..42) == Some(&stranger.octets())
        });
        assert!(asked.is_some(), "{mode}: the kernel has the request");
        raw_send(h1, "to-r", &vec![echo(Ipv4Addr::new(203, 0, 113, 5), h1, r); 2]).expect("it is sent");
        raw_send(h1, "to-r", &vec![echo(h2.ipv4(), h1, r); 3]).expect("it is sent");
        let plain = echo(h1.ipv4(), h1, r);
        let not_plain = [frames::tagged(&plain, &[(0x8100, 5)]), frames::fragmented(&plain, 0, true)];
        raw_send(h1, "to-r", &not_plain).expect("it is sent");
        // To h2 it is forwarded, as without us.
        assert_eq!(ping(h1, h2.ipv4().into(), 4).expect("ping runs").received, 4, "{mode}");
        for (reason, count) in [
            ("redirect_no_neighbour", 1),
            ("redirect_no_route", 2),
            ("redirect_foreign_port", 3),
            ("redirect_not_plain", 2),
            ("redirect_not_local", 4),
        ] {
            tool.wait_row(|row| row["reason"] == reason && row["packets"] == count);
        }
        let rows = tool.stop().ok().rows();
        assert_eq!(packets(&rows, "to-h1", "redirect_reflect"), 0, "{mode}: {rows:?}");
    }
    assert_clean(&lab);
}

/// Without forwarding the kernel looks up no routes for us: said at the start, and pings still work.
#[test]
fn a_host_that_does_not_forward_is_told_so() {
    let lab = lab("still", Topology::Pair);
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    let mut tool =
        Tool::start(h2, &["redirect", "to-h1", "--reflect", "icmp", "--json", "--interval", "50ms"], 1);
    tool.wait_err("net.ipv6.conf.to-h1.forwarding=1");
    assert_eq!(ping(h1, h2.ipv4().into(), 3).expect("ping runs").received, 3);
    tool.wait_row(|row| row["reason"] == "redirect_forwarding_off" && row["packets"] == 3);
    tool.stop().ok().says(&["forwarding is off", "net.ipv4.conf.to-h1.forwarding=1"]);
}

/// ARP, neighbour discovery, ping and TCP through two joined ports; nothing of r's own stack is in it.
#[test]
fn joined_ports_are_a_cable() {
    let lab = lab("cable", Topology::Router);
    let (h1, h2, r) = (lab.host("h1"), lab.host("h2"), lab.host("r"));
    for (host, n) in [(h1, 1), (h2, 2)] {
        ip(host, &format!("addr add 10.255.77.{n}/24 dev to-r"));
        ip(host, &format!("addr add fd77::{n}/64 dev to-r nodad"));
    }
    for mode in NATIVE_AND_GENERIC {
        for host in [h1, h2] {
            ip(host, "neigh flush dev to-r");
        }
        let tool = Tool::start(r, &["redirect", "to-h1", "--to", "to-h2", "--json", "--mode", mode], 2);
        for (from, to, addresses) in
            [(h1, h2, ["10.255.77.2", "fd77::2"]), (h2, h1, ["10.255.77.1", "fd77::1"])]
        {
            let server = tcp_echo_server(to, 0).expect("a port is free");
            for address in addresses.map(|address| address.parse::<IpAddr>().expect("an address")) {
                assert_eq!(ping(from, address, 3).expect("ping runs").received, 3, "{mode}: {address}");
                tcp_exchange(from, (address, server.port()), 300_000, patience())
                    .expect("every byte comes back");
            }
        }
        // Tagged and unknown frames are carried as they are.
        let listener = raw_listen(h2, "to-r").expect("root may listen");
        let odd = frames::tagged(&frames::other(h1, h2, 0x1234, &[9; 60]), &[(0x88a8, 7), (0x8100, 42)]);
        raw_send(h1, "to-r", &[&odd]).expect("it is sent");
        assert!(listener.find(patience(), |frame| frame == odd).is_some(), "{mode}");
        let rows = tool.stop().ok().rows();
        for port in ["to-h1", "to-h2"] {
            assert!(packets(&rows, port, "redirect_port") > 20, "{mode}: {rows:?}");
        }
        assert!(last(&rows, |row| row["reason"] == "error").is_none(), "{mode}: {rows:?}");
        assert_clean(&lab);
    }
    // Without the cable these addresses do not meet.
    assert_eq!(ping(h1, "10.255.77.2".parse().expect("an address"), 1).expect("ping runs").received, 0);
}
