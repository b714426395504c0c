//! Lines of text and rows of JSON, held by examples; and no bytes make them panic.

use std::net::{Ipv4Addr, Ipv6Addr};

use abi::{Action, Reason};
use capture::{
    record::{Packet, Row, summarize},
    shared::RecordHeader,
    text,
};
use proptest::{collection::vec, prelude::*};
use testkit::frames::{self, ARP, Extension, IPV4, IPV6, Ipv4, Ipv6};

const A: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const B: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const A6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
const B6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
const MAC: [u8; 6] = [2, 0, 0, 0, 0, 9];

fn v4(protocol: u8) -> Ipv4 {
    Ipv4 { source: A, destination: B, protocol, ttl: 64, fragment: 0, options: Vec::new() }
}

fn v6(protocol: u8, extensions: Vec<Extension>) -> Ipv6 {
    Ipv6 { source: A6, destination: B6, protocol, hop_limit: 64, extensions }
}

fn in_v4(ip: &Ipv4, payload: &[u8]) -> Vec<u8> {
    frames::ethernet(&[], IPV4, &frames::ipv4(ip, payload))
}

fn in_v6(ip: &Ipv6, payload: &[u8]) -> Vec<u8> {
    frames::ethernet(&[], IPV6, &frames::ipv6(ip, payload))
}

fn echo_v6(kind: u8) -> Vec<u8> {
    frames::icmpv6(A6, B6, kind, 0, [0, 7, 0, 1], &[0; 56])
}

/// Typical frames and their lines.
fn table() -> Vec<(Vec<u8>, &'static str)> {
    let arp =
        |operation| frames::padded(frames::ethernet(&[], ARP, &frames::arp(operation, MAC, A, [0; 6], B)));
    let syn = frames::tcp(50_000, 80, 0x02, b"");
    let data = frames::tcp(80, 50_000, 0x18, b"hello");
    let tagged = frames::ethernet(&[(0x88a8, 7), (0x8100, 0x6005)], IPV4, &frames::ipv4(&v4(6), &syn));
    let mut version = in_v4(&v4(17), &frames::udp(1, 2, b""));
    version[14] = 0x55;
    let mut total = in_v4(&v4(17), &frames::udp(1, 2, b""));
    total[16] = 0xff;
    vec![
        (arp(1), "ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28"),
        (arp(2), "ARP, Reply 10.0.0.1 is-at 02:00:00:00:00:09, length 28"),
        (arp(8), "ARP, operation 8, length 28"),
        (frames::ethernet(&[], ARP, &[0; 20]), "ARP, truncated, length 34"),
        (
            in_v4(&v4(1), &frames::icmp(8, 0, [0, 7, 0, 1], &[0; 56])),
            "IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id 7, seq 1, length 64",
        ),
        (
            in_v4(&v4(1), &frames::icmp(0, 0, [0, 7, 0, 1], &[0; 56])),
            "IP 10.0.0.1 > 10.0.0.2: ICMP echo reply, id 7, seq 1, length 64",
        ),
        (
            in_v4(&v4(1), &frames::icmp(3, 3, [0; 4], &[0; 28])),
            "IP 10.0.0.1 > 10.0.0.2: ICMP destination unreachable, code 3, length 36",
        ),
        (
            in_v4(&v4(1), &frames::icmp(99, 3, [0; 4], b"")),
            "IP 10.0.0.1 > 10.0.0.2: ICMP type 99, code 3, length 8",
        ),
        (in_v4(&v4(1), &[8, 0, 0]), "IP 10.0.0.1 > 10.0.0.2: ICMP, truncated, length 3"),
        (
            in_v6(&v6(58, vec![]), &echo_v6(128)),
            "IP6 2001:db8::1 > 2001:db8::2: ICMP6 echo request, id 7, seq 1, length 64",
        ),
        (
            in_v6(&v6(58, vec![]), &echo_v6(135)),
            "IP6 2001:db8::1 > 2001:db8::2: ICMP6 neighbour solicitation, code 0, length 64",
        ),
        (in_v4(&v4(6), &syn), "IP 10.0.0.1.50000 > 10.0.0.2.80: Flags [S], seq 1000, win 64240, length 0"),
        (
            in_v4(&v4(6), &data),
            "IP 10.0.0.1.80 > 10.0.0.2.50000: Flags [P.], seq 1000, ack 2000, win 64240, length 5",
        ),
        (
            in_v6(&v6(6, vec![]), &data),
            "IP6 2001:db8::1.80 > 2001:db8::2.50000: Flags [P.], seq 1000, ack 2000, win 64240, length 5",
        ),
        (
            frames::padded(in_v4(&v4(6), &syn)),
            "IP 10.0.0.1.50000 > 10.0.0.2.80: Flags [S], seq 1000, win 64240, length 0",
        ),
        (in_v4(&v4(6), &syn[..12]), "IP 10.0.0.1 > 10.0.0.2: TCP, truncated, length 12"),
        (in_v4(&v4(17), &frames::udp(53, 4000, b"answer")), "IP 10.0.0.1.53 > 10.0.0.2.4000: UDP, length 6"),
        (in_v4(&v4(17), &[0; 5]), "IP 10.0.0.1 > 10.0.0.2: UDP, truncated, length 5"),
        (in_v4(&v4(47), &[0; 12]), "IP 10.0.0.1 > 10.0.0.2: gre, length 12"),
        (in_v4(&v4(200), &[0; 12]), "IP 10.0.0.1 > 10.0.0.2: 200, length 12"),
        (
            in_v4(&Ipv4 { fragment: 0x2000, ..v4(17) }, &frames::udp(53, 4000, b"part")),
            "IP 10.0.0.1.53 > 10.0.0.2.4000: UDP, length 4, first fragment",
        ),
        (
            in_v4(&Ipv4 { fragment: 2, ..v4(17) }, &[0xff; 24]),
            "IP 10.0.0.1 > 10.0.0.2: udp fragment, later part, length 24",
        ),
        (
            in_v6(&v6(6, vec![Extension::Options(0, 0), Extension::Fragment(8)]), &syn),
            "IP6 2001:db8::1 > 2001:db8::2: tcp fragment, later part, length 20",
        ),
        (
            in_v6(&v6(17, vec![Extension::Fragment(0)]), &frames::udp(1, 2, b"x")),
            "IP6 2001:db8::1.1 > 2001:db8::2.2: UDP, length 1",
        ),
        (tagged, "vlan 7, vlan 5, IP 10.0.0.1.50000 > 10.0.0.2.80: Flags [S], seq 1000, win 64240, length 0"),
        (frames::ethernet(&[], 0x88cc, &[0; 46]), "LLDP, length 60"),
        (frames::ethernet(&[], 0x0026, &[0; 46]), "LLC, length 60"),
        (frames::ethernet(&[], 0x9999, &[0; 46]), "ethertype 0x9999, length 60"),
        (version, "malformed: ipv4 version, length 42"),
        (total, "malformed: ipv4 total length, length 42"),
        (vec![0; 9], "malformed: ethernet truncated, length 9"),
    ]
}

#[test]
fn typical_frames_have_these_lines() {
    for (frame, line) in table() {
        let length = frame.len() as u32;
        assert_eq!(text::describe(&frame, length, &summarize(&frame, length)), line);
    }
}

/// A capture that was cut short (`-s`) is not a malformed packet.
#[test]
fn a_cut_capture_is_not_malformed() {
    let frame = in_v4(&v4(17), &frames::udp(53, 4000, &[0; 100]));
    let length = frame.len() as u32;
    let line =
        |captured: usize| text::describe(&frame[..captured], length, &summarize(&frame[..captured], length));
    assert_eq!(line(42), "IP 10.0.0.1.53 > 10.0.0.2.4000: UDP, length 100");
    assert_eq!(line(36), "IP 10.0.0.1 > 10.0.0.2: UDP, truncated, length 108");
    assert_eq!(line(20), "[|ipv4], length 142");
    assert_eq!(line(13), "[|ethernet], length 142");
    for captured in 0..frame.len() {
        assert_eq!(summarize(&frame[..captured], length).malformed, None, "{captured} bytes");
    }
}

#[test]
fn the_link_header_names_the_type_of_any_frame() {
    let mut frame = in_v4(&v4(17), &frames::udp(1, 2, b""));
    let header = |frame: &[u8]| text::link_header(frame, &summarize(frame, 42), 42);
    let expected = "02:00:00:00:00:02 > 02:00:00:00:00:01, ethertype ipv4 (0x0800), length 42: ";
    assert_eq!(header(&frame), expected);
    frame[14] = 0;
    assert_eq!(header(&frame), expected, "malformed behind a sound Ethernet header");
}

#[test]
fn times_and_bytes_are_printed_like_tcpdump_does() {
    assert_eq!(text::time_of_day(1_764_000_000_123_456_789), "16:00:00.123456789");
    assert_eq!(text::time_of_day(86_399_000_000_001), "23:59:59.000000001");
    let bytes: Vec<u8> = (0..19).collect();
    assert_eq!(
        text::hex_dump(&bytes),
        "\t0x0000:  0001 0203 0405 0607 0809 0a0b 0c0d 0e0f\n\t0x0010:  1011 12\n"
    );
}

/// The names of a row's fields are promised in docs/json.md.
#[test]
fn the_json_row_is_stable() {
    let row = |bytes: &[u8], action: Action, reason: Reason| {
        let length = bytes.len() as u32;
        let header = RecordHeader {
            time: 0,
            length,
            captured: length,
            queue: 1,
            verdict: action as u32,
            reason: reason as u32,
            ifindex: 3,
        };
        let packet = Packet { header, bytes };
        let summary = summarize(bytes, length);
        let row = Row {
            time: 1764000000.5,
            interface: "veth0".into(),
            queue: 1,
            length,
            captured: length,
            verdict: packet.verdict(),
            reason: packet.reason(),
            text: text::describe(bytes, length, &summary),
            summary,
            data: None,
        };
        serde_json::to_string(&row).expect("plain data")
    };
    let syn = frames::ethernet(&[(0x8100, 5)], IPV4, &frames::ipv4(&v4(6), &frames::tcp(50_000, 80, 2, b"")));
    assert_eq!(
        row(&syn, Action::Drop, Reason::FirewallDrop),
        r#"{"time":1764000000.5,"interface":"veth0","queue":1,"length":58,"captured":58,"verdict":"drop","reason":"firewall_drop","ethertype":2048,"vlan":[5],"ip_version":4,"protocol":"tcp","source":"10.0.0.1","destination":"10.0.0.2","source_port":50000,"destination_port":80,"tcp_flags":"S","text":"vlan 5, IP 10.0.0.1.50000 > 10.0.0.2.80: Flags [S], seq 1000, win 64240, length 0"}"#
    );
    let echo = in_v6(&v6(58, vec![]), &frames::icmpv6(A6, B6, 128, 0, [0, 7, 0, 1], b""));
    assert_eq!(
        row(&echo, Action::Redirect, Reason::RedirectReflect),
        r#"{"time":1764000000.5,"interface":"veth0","queue":1,"length":62,"captured":62,"verdict":"redirect","reason":"redirect_reflect","ethertype":34525,"vlan":[],"ip_version":6,"protocol":"icmpv6","source":"2001:db8::1","destination":"2001:db8::2","icmp_type":128,"icmp_code":0,"text":"IP6 2001:db8::1 > 2001:db8::2: ICMP6 echo request, id 7, seq 1, length 8"}"#
    );
    assert_eq!(
        row(&[0; 9], Action::Pass, Reason::Malformed),
        r#"{"time":1764000000.5,"interface":"veth0","queue":1,"length":9,"captured":9,"verdict":"pass","reason":"malformed","ethertype":null,"vlan":[],"ip_version":null,"protocol":"malformed","malformed":"ethernet_truncated","text":"malformed: ethernet truncated, length 9"}"#
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(
        bytes in prop_oneof![testkit::random::frame(), vec(any::<u8>(), 0..200)],
        more in prop_oneof![Just(0), any::<u32>()],
    ) {
        let length = (bytes.len() as u32).saturating_add(more);
        let summary = summarize(&bytes, length);
        let line = text::describe(&bytes, length, &summary);
        prop_assert!(!line.is_empty() && !line.contains('\n'), "{}", line);
        text::link_header(&bytes, &summary, length);
        text::hex_dump(&bytes);
    }
}
