//! The key of a packet that is sent is that of the packets that answer it, and of no others.

use std::net::IpAddr;

use classify::{Key, WORDS};
use firewall::{
    flow::{Flow, Sent, of_message, of_reply, of_sent},
    key,
};
use proptest::{prelude::*, sample::select};
use testkit::frames::{self, Extension, Ipv4, Ipv6};
use wire::{Frame, parse::parse, transport};

const TCP: u8 = frames::TCP;
const UDP: u8 = frames::UDP;

/// A frame of either family with this upper-layer packet.
fn frame(from: IpAddr, to: IpAddr, protocol: u8, tags: usize, body: &[u8]) -> Vec<u8> {
    let tags = &[(0x8100, 5), (0x8100, 6)][..tags];
    match (from, to) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let ip = Ipv4 { source, destination, protocol, ttl: 64, fragment: 0, options: Vec::new() };
            frames::ethernet(tags, frames::IPV4, &frames::ipv4(&ip, body))
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let ip = Ipv6 { source, destination, protocol, hop_limit: 64, extensions: Vec::new() };
            frames::ethernet(tags, frames::IPV6, &frames::ipv6(&ip, body))
        }
        _ => panic!("one family"),
    }
}

fn sent(bytes: &[u8]) -> Option<(Flow, Sent)> {
    let mut bytes = bytes.to_vec();
    let frame = Frame::new(&mut bytes);
    let headers = parse(&frame, frame.len()).ok()?;
    of_sent(&frame, &headers)
}

/// As the kernel does it, with another packet's words in the key.
fn answered(bytes: &[u8]) -> Option<Flow> {
    let mut bytes = bytes.to_vec();
    let frame = Frame::new(&mut bytes);
    let headers = parse(&frame, frame.len()).ok()?;
    let mut own: Key = [0xdead_beef; WORDS];
    key::fill(&mut own, &frame, &headers, 0).ok()?;
    if transport::is_icmp(&headers) { of_message(&frame, &headers) } else { of_reply(&headers, &own) }
}

fn flow(bytes: &[u8]) -> Flow {
    sent(bytes).expect("it has a flow").0
}

const ENDS: [[&str; 2]; 2] = [["192.0.2.1", "198.51.100.7"], ["2001:db8::1", "2001:db8:5::7"]];

fn ends(six: bool) -> (IpAddr, IpAddr) {
    let [one, other] = ENDS[usize::from(six)].map(|text| text.parse().expect("an address"));
    (one, other)
}

fn icmp(six: bool, kind: u8, code: u8, rest: [u8; 4], payload: &[u8]) -> (u8, Vec<u8>) {
    // Nothing here reads a checksum.
    (if six { frames::ICMPV6 } else { frames::ICMP }, frames::icmp(kind, code, rest, payload))
}

#[test]
fn flags_say_what_becomes_of_a_connection() {
    let (us, them) = ends(false);
    let of = |flags| sent(&frame(us, them, TCP, 0, &frames::tcp(5, 6, flags, b""))).expect("a flow").1;
    assert_eq!(
        [0x02, 0x12, 0x10, 0x18, 0x11, 0x04, 0x14].map(of),
        [Sent::Open, Sent::Open, Sent::Data, Sent::Data, Sent::End, Sent::Reset, Sent::Reset]
    );
}

#[test]
fn queries_are_answered_by_their_own_answers() {
    for (six, query, answer, other) in [(false, 8, 0, 14), (false, 13, 14, 0), (true, 128, 129, 0)] {
        let (us, them) = ends(six);
        let packet = |from, to, kind, id: [u8; 2]| {
            let (protocol, body) = icmp(six, kind, 0, [id[0], id[1], 0, 9], b"ping");
            frame(from, to, protocol, 0, &body)
        };
        let asked = packet(us, them, query, [1, 2]);
        let (flow, kind) = sent(&asked).expect("a flow");
        assert_eq!(kind, Sent::Query);
        assert_eq!(answered(&packet(them, us, answer, [1, 2])), Some(flow));
        assert_ne!(answered(&packet(them, us, answer, [1, 3])), Some(flow), "another identifier");
        assert_ne!(answered(&packet(them, us, other, [1, 2])), Some(flow), "the answer to something else");
        assert_ne!(answered(&packet(them, us, query, [1, 2])), Some(flow), "a query answers nothing");
        assert_eq!(sent(&packet(us, them, answer, [1, 2])), None, "an answer asks nothing");
    }
}

#[test]
fn errors_are_about_what_they_quote() {
    let errors = [(false, [3, 11, 12].as_slice(), [4, 5].as_slice()), (true, &[1, 2, 3, 4], &[133, 137])];
    for (six, kinds, others) in errors {
        let (us, them) = ends(six);
        let router: IpAddr = if six { "2001:db8:9::1" } else { "203.0.113.1" }.parse().expect("an address");
        let own = |body: (u8, Vec<u8>)| frame(us, them, body.0, 0, &body.1);
        let query = if six { 128 } else { 8 };
        let all = [
            own((TCP, frames::tcp(40_000, 443, 0x10, &[7; 1000]))),
            own((UDP, frames::udp(40_000, 53, b"question"))),
            own(icmp(six, query, 0, [7, 7, 0, 0], b"")),
            own((47, vec![0; 20])),
        ];
        for packet in all {
            // The IP header and eight bytes are all that an error must quote.
            let quoted = &packet[14..][..if six { 48 } else { 28 }];
            let error = |to, kind, quoted: &[u8]| {
                let (protocol, body) = icmp(six, kind, 1, [0; 4], quoted);
                frame(router, to, protocol, 0, &body)
            };
            for kind in kinds {
                assert_eq!(answered(&error(us, *kind, quoted)), Some(flow(&packet)), "type {kind}");
            }
            for kind in others {
                assert_eq!(answered(&error(us, *kind, quoted)), None, "type {kind} is no error");
            }
            assert_eq!(answered(&error(them, kinds[0], quoted)), None, "about another's packet");
            for cut in 0..quoted.len() - 8 {
                assert_eq!(answered(&error(us, kinds[0], &quoted[..cut])), None, "cut at {cut}");
            }
            // In a later fragment no ports are quoted.
            let mut later = quoted.to_vec();
            if six {
                later[6] = 44;
                later[42] = 1;
            } else {
                later[7] = 9;
            }
            assert_eq!(answered(&error(us, kinds[0], &later)), None);
            assert_eq!(sent(&error(them, kinds[0], quoted)), None, "an error is no flow");
        }
    }
}

#[test]
fn what_has_no_ports_has_no_flow() {
    let (us, them) = ends(false);
    let mut later = frame(us, them, UDP, 0, &frames::udp(5, 6, b"12345678"));
    later[21] = 1;
    assert_eq!((sent(&later), answered(&later)), (None, None), "a later fragment");
    let mut first = frame(us, them, UDP, 0, &frames::udp(5, 6, b"12345678"));
    first[20] = 0x20;
    assert!(sent(&first).is_some(), "a first fragment");
    let (us, them) = ends(true);
    let (IpAddr::V6(source), IpAddr::V6(destination)) = (us, them) else { panic!("IPv6") };
    let extended = |extension| {
        let ip = Ipv6 { source, destination, protocol: UDP, hop_limit: 1, extensions: vec![extension] };
        frames::ethernet(&[], frames::IPV6, &frames::ipv6(&ip, &frames::udp(5, 6, b"")))
    };
    assert_eq!(sent(&extended(Extension::Fragment(8))), None, "a later fragment");
    let plain = flow(&frame(us, them, UDP, 0, &frames::udp(5, 6, b"")));
    assert_eq!(sent(&extended(Extension::Options(60, 0))), Some((plain, Sent::Datagram)));
    let arp = frames::arp(1, [2; 6], [10, 0, 0, 1].into(), [0; 6], [10, 0, 0, 2].into());
    assert_eq!(sent(&frames::ethernet(&[], frames::ARP, &arp)), None);
}

proptest! {
    #[test]
    fn both_ways_have_one_key(
        six in any::<bool>(),
        protocol in select(vec![TCP, UDP, 33, 132, 136, 47, 50]),
        ports in any::<[u16; 2]>(),
        tags in 0..3_usize,
        change in 0..6_usize,
    ) {
        let (us, them) = ends(six);
        let body = |[from, to]: [u16; 2]| match protocol {
            TCP => frames::tcp(from, to, 0x10, b"payload"),
            47 | 50 => vec![9; 24],
            _ => frames::udp(from, to, b"payload"),
        };
        let [own, other] = ports;
        let (flow, _) = sent(&frame(us, them, protocol, 0, &body([own, other]))).expect("a flow");
        // Whatever tags each way has.
        prop_assert_eq!(answered(&frame(them, us, protocol, tags, &body([other, own]))), Some(flow));
        let third: IpAddr = if six { "2001:db8:5::8" } else { "198.51.100.8" }.parse().expect("an address");
        let has_ports = !matches!(protocol, 47 | 50);
        let changed = match change {
            0 => frame(third, us, protocol, tags, &body([other, own])),
            1 => frame(them, third, protocol, tags, &body([other, own])),
            2 if has_ports => frame(them, us, protocol, tags, &body([other ^ 1, own])),
            3 if has_ports => frame(them, us, protocol, tags, &body([other, own ^ 0x8000])),
            4 => frame(us, them, protocol, tags, &body([own, other])),
            _ => frame(them, us, if protocol == UDP { TCP } else { UDP }, tags, &body([other, own].map(|port| port ^ 1))),
        };
        prop_assert_ne!(answered(&changed), Some(flow));
    }

    #[test]
    fn any_bytes_are_read_to_their_end(bytes in testkit::random::frame()) {
        let _ = (sent(&bytes), answered(&bytes));
    }
}
