//! Answers to what is rejected, read and checked by another library.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::{Icmpv4Type, Icmpv6Type, NetSlice, SlicedPacket, TransportSlice};
use firewall::reject::answered;
use proptest::prelude::*;
use testkit::frames::{self, Extension, Ipv4, Ipv6};

const V4: [&str; 2] = ["192.0.2.1", "198.51.100.7"];
const V6: [&str; 2] = ["2001:db8::1", "2001:db8:5::7"];

fn frame([from, to]: [&str; 2], protocol: u8, tags: &[(u16, u16)], body: &[u8]) -> Vec<u8> {
    match (from.parse().expect("an address"), to.parse().expect("an address")) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let ip = Ipv4 { source, destination, protocol, ttl: 9, fragment: 0, options: Vec::new() };
            frames::ethernet(tags, frames::IPV4, &frames::ipv4(&ip, body))
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let ip = Ipv6 { source, destination, protocol, hop_limit: 9, extensions: Vec::new() };
            frames::ethernet(tags, frames::IPV6, &frames::ipv6(&ip, body))
        }
        _ => panic!("one family"),
    }
}

/// Checks all that every answer has in common, and returns its transport header and payload.
#[track_caller]
fn checked(question: &[u8], answer: &[u8], tags: usize) -> Vec<u8> {
    assert_eq!((&answer[..6], &answer[6..12]), (&question[6..12], &question[..6]), "the ends of the link");
    assert_eq!(answer[12..14 + 4 * tags], question[12..14 + 4 * tags], "tags and type");
    let (asked, told) = (
        SlicedPacket::from_ethernet(question).expect("a question"),
        SlicedPacket::from_ethernet(answer).expect("an answer"),
    );
    match (asked.net, told.net) {
        (Some(NetSlice::Ipv4(asked)), Some(NetSlice::Ipv4(told))) => {
            let (asked, told) = (asked.header().to_header(), told.header().to_header());
            assert_eq!((told.source, told.destination), (asked.destination, asked.source));
            assert_eq!(told.header_checksum, told.calc_header_checksum());
            assert_eq!((told.time_to_live, told.dont_fragment), (64, true));
            assert_eq!(14 + 4 * tags + usize::from(told.total_len), answer.len());
            match told_transport(answer) {
                TransportSlice::Tcp(tcp) => {
                    assert_eq!(
                        tcp.checksum(),
                        tcp.calc_checksum_ipv4(told.source, told.destination).expect("short")
                    );
                }
                TransportSlice::Icmpv4(icmp) => assert_eq!(frames::internet_checksum(&[icmp.slice()]), 0),
                other => panic!("{other:?}"),
            }
        }
        (Some(NetSlice::Ipv6(asked)), Some(NetSlice::Ipv6(told))) => {
            let (asked, told) = (asked.header().to_header(), told.header().to_header());
            assert_eq!((told.source, told.destination), (asked.destination, asked.source));
            assert_eq!(told.hop_limit, 64);
            assert_eq!(54 + 4 * tags + usize::from(told.payload_length), answer.len());
            match told_transport(answer) {
                TransportSlice::Tcp(tcp) => {
                    assert_eq!(
                        tcp.checksum(),
                        tcp.calc_checksum_ipv6(told.source, told.destination).expect("short")
                    );
                }
                TransportSlice::Icmpv6(icmp) => {
                    assert!(icmp.is_checksum_valid(told.source, told.destination));
                }
                other => panic!("{other:?}"),
            }
        }
        other => panic!("{other:?}"),
    }
    let ip = if answer[12 + 4 * tags] == 0x08 { 20 } else { 40 };
    answer[14 + 4 * tags + ip..].to_vec()
}

fn told_transport(answer: &[u8]) -> TransportSlice<'_> {
    SlicedPacket::from_ethernet(answer).expect("an answer").transport.expect("a transport header")
}

#[test]
fn tcp_is_reset_as_rfc_9293_says() {
    for ends in [V4, V6] {
        for (flags, data, expected) in [
            // Of the test's segments the sequence number is 1000, and 2000 is acknowledged.
            (0x02, 0, (0, 1001, 0x14)),
            (0x12, 0, (2000, 0, 0x04)),
            (0x10, 700, (2000, 0, 0x04)),
            (0x01, 5, (0, 1006, 0x14)),
            (0x00, 5, (0, 1005, 0x14)),
        ] {
            for tags in [&[][..], &[(0x8100, 5)], &[(0x88a8, 5), (0x8100, 6)]] {
                let question =
                    frame(ends, frames::TCP, tags, &frames::tcp(40_000, 443, flags, &vec![7; data]));
                // Ethernet's padding is no data.
                let question = frames::padded(question);
                let answer = answered(&question).expect("an answer");
                let tcp = checked(&question, &answer, tags.len());
                let word = |at: usize| u32::from_be_bytes(tcp[at..at + 4].try_into().expect("four bytes"));
                assert_eq!(
                    (word(0), word(4), word(8)),
                    (443 << 16 | 40_000, expected.0, expected.1),
                    "{flags:x}"
                );
                assert_eq!((tcp[12], tcp[13], tcp.len()), (0x50, expected.2, 20), "{flags:x}");
                assert_eq!(answered(&answer), None, "a reset is not answered");
            }
        }
    }
}

#[test]
fn other_protocols_are_told_that_it_is_prohibited() {
    for (ends, ip, echo) in [(V4, 20, (frames::ICMP, 8)), (V6, 40, (frames::ICMPV6, 128))] {
        let bodies = [
            (frames::UDP, frames::udp(5, 6, b"")),
            (frames::UDP, frames::udp(5, 6, &[9; 1000])),
            (echo.0, frames::icmp(echo.1, 0, [1, 2, 3, 4], b"ping")),
            (47, vec![3; 12]),
        ];
        for (protocol, body) in bodies {
            for tags in [&[][..], &[(0x8100, 5)], &[(0x88a8, 5), (0x8100, 6)]] {
                let question = frame(ends, protocol, tags, &body);
                let answer = answered(&question).expect("an answer");
                let message = checked(&question, &answer, tags.len());
                match told_transport(&answer) {
                    TransportSlice::Icmpv4(icmp) => assert!(
                        matches!(icmp.icmp_type(), Icmpv4Type::DestinationUnreachable(_)) && message[1] == 13
                    ),
                    TransportSlice::Icmpv6(icmp) => assert!(
                        matches!(icmp.icmp_type(), Icmpv6Type::DestinationUnreachable(_)) && message[1] == 1
                    ),
                    other => panic!("{other:?}"),
                }
                assert_eq!(message[8..], question[14 + 4 * tags.len()..][..ip + 8], "what it quotes");
                assert_eq!(answered(&answer), None, "an error is not answered");
            }
        }
    }
}

#[test]
fn nothing_answers_what_could_go_round_or_to_many() {
    let udp = frames::udp(5, 6, b"12345678");
    for ends in [
        ["192.0.2.1", "224.0.0.1"],
        ["192.0.2.1", "255.255.255.255"],
        ["0.0.0.0", "198.51.100.7"],
        ["127.0.0.1", "198.51.100.7"],
        ["239.1.1.1", "198.51.100.7"],
        ["2001:db8::1", "ff02::1"],
        ["::", "2001:db8::1"],
        ["::1", "2001:db8::1"],
        ["ff02::1", "2001:db8::1"],
    ] {
        assert_eq!(answered(&frame(ends, frames::UDP, &[], &udp)), None, "{ends:?}");
        assert_eq!(answered(&frame(ends, frames::TCP, &[], &frames::tcp(5, 6, 2, b""))), None, "{ends:?}");
    }
    for (ends, protocol, kinds) in
        [(V4, frames::ICMP, [3, 4, 5, 11, 12].as_slice()), (V6, frames::ICMPV6, &[1, 2, 3, 4, 127, 137])]
    {
        for kind in kinds {
            let body = frames::icmp(*kind, 0, [0; 4], &[0; 40]);
            assert_eq!(answered(&frame(ends, protocol, &[], &body)), None, "type {kind}");
        }
        assert_eq!(answered(&frame(ends, frames::TCP, &[], &frames::tcp(5, 6, 0x14, b""))), None, "a reset");
        // To many on the link, and from nobody on it.
        for at in [0, 6] {
            let mut question = frame(ends, frames::UDP, &[], &udp);
            question[at] |= 1;
            assert_eq!(answered(&question), None, "byte {at}");
        }
        assert_eq!(answered(&frame(ends, 47, &[], &[0; 7])), None, "too short to be quoted");
    }
    let mut later = frame(V4, frames::UDP, &[], &udp);
    later[21] = 9;
    assert_eq!(answered(&later), None, "a later fragment");
    let options = Ipv4 {
        source: Ipv4Addr::new(192, 0, 2, 1),
        destination: Ipv4Addr::new(198, 51, 100, 7),
        protocol: frames::UDP,
        ttl: 9,
        fragment: 0,
        options: vec![1; 4],
    };
    assert_eq!(answered(&frames::ethernet(&[], frames::IPV4, &frames::ipv4(&options, &udp))), None);
    let extended = Ipv6 {
        source: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1),
        destination: Ipv6Addr::new(0x2001, 0xdb8, 5, 0, 0, 0, 0, 7),
        protocol: frames::UDP,
        hop_limit: 9,
        extensions: vec![Extension::Options(60, 0)],
    };
    assert_eq!(answered(&frames::ethernet(&[], frames::IPV6, &frames::ipv6(&extended, &udp))), None);
}

proptest! {
    #[test]
    fn any_bytes_are_answered_by_something_sound(bytes in testkit::random::frame()) {
        if let Some(answer) = answered(&bytes) {
            let tags = if answer[12..14] == [0x81, 0] || answer[12..14] == [0x88, 0xa8] || answer[12..14] == [0x91, 0] {
                if matches!(answer[16..18], [0x81, 0] | [0x88, 0xa8] | [0x91, 0]) { 2 } else { 1 }
            } else { 0 };
            let ip = 14 + 4 * tags;
            if answer[ip] >> 4 == 4 {
                prop_assert_eq!(wire::checksum::full(&answer[ip..ip + 20]), 0);
            }
            prop_assert_eq!(answered(&answer), None);
        }
    }
}
