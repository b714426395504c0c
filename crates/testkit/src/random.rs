//! Random frames for property tests: valid ones of every kind, those with a few bytes wrong, and noise. Addresses and
//! ports come from small sets, so that filters, routes and host addresses meet them often.

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::{collection::vec, prelude::*, sample::Index};

use crate::frames::{self, Extension, Ipv4, Ipv6};

/// The addresses of [`crate::world::World::example`] and others that are special somewhere.
pub const ADDRESSES_V4: [Ipv4Addr; 9] = [
    Ipv4Addr::new(10, 0, 0, 1),
    Ipv4Addr::new(10, 0, 0, 2),
    Ipv4Addr::new(10, 0, 0, 3),
    Ipv4Addr::new(10, 0, 9, 2),
    Ipv4Addr::new(192, 0, 2, 1),
    Ipv4Addr::new(127, 0, 0, 1),
    Ipv4Addr::new(224, 0, 0, 1),
    Ipv4Addr::UNSPECIFIED,
    Ipv4Addr::BROADCAST,
];

/// As [`ADDRESSES_V4`].
pub const ADDRESSES_V6: [Ipv6Addr; 9] = [
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1),
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2),
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 3),
    Ipv6Addr::new(0x2001, 0xdb8, 9, 0, 0, 0, 0, 2),
    Ipv6Addr::new(0x2001, 0xdb8, 0xbad, 0, 0, 0, 0, 1),
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2),
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1),
    Ipv6Addr::LOCALHOST,
    Ipv6Addr::UNSPECIFIED,
];

pub const PORTS: [u16; 4] = [53, 80, 443, 50_000];

/// Those of DHCP and DHCPv6, and beside them.
const DHCP_PORTS: [u16; 6] = [66, 67, 68, 546, 547, 548];

fn address_v4() -> impl Strategy<Value = Ipv4Addr> {
    prop_oneof![
        4 => prop::sample::select(&ADDRESSES_V4[..2]),
        3 => prop::sample::select(&ADDRESSES_V4[..]),
        1 => any::<u32>().prop_map(Ipv4Addr::from_bits),
    ]
}

fn address_v6() -> impl Strategy<Value = Ipv6Addr> {
    prop_oneof![
        4 => prop::sample::select(&ADDRESSES_V6[..2]),
        3 => prop::sample::select(&ADDRESSES_V6[..]),
        1 => any::<u128>().prop_map(Ipv6Addr::from_bits),
    ]
}

fn port() -> impl Strategy<Value = u16> {
    prop_oneof![
        5 => prop::sample::select(&PORTS[..]),
        1 => any::<u16>(),
        1 => prop::sample::select(&DHCP_PORTS[..]),
    ]
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..40)
}

/// A protocol number with a header and data of it.
fn upper_layer(source: Ipv6Addr, destination: Ipv6Addr, v6: bool) -> BoxedStrategy<(u8, Vec<u8>)> {
    let tcp_flags = prop_oneof![Just(0x02), Just(0x12), Just(0x10), any::<u8>()];
    let tcp = (port(), port(), tcp_flags, bytes())
        .prop_map(|(from, to, flags, data)| (frames::TCP, frames::tcp(from, to, flags, &data)));
    let udp = (prop::sample::select(vec![17_u8, 17, 17, 33, 132, 136]), port(), port(), bytes())
        .prop_map(|(protocol, from, to, data)| (protocol, frames::udp(from, to, &data)));
    let echo = if v6 { 128 } else { 8 };
    // ICMPv6: neighbour discovery, and beside it.
    let kind = prop_oneof![4 => Just(echo), 1 => any::<u8>(), 1 => 129..=138_u8, 1 => Just(143_u8)];
    let code = prop_oneof![7 => Just(0_u8), 1 => any::<u8>()];
    let icmp = (kind, code, any::<[u8; 4]>(), bytes()).prop_map(move |(kind, code, rest, data)| {
        if v6 {
            (frames::ICMPV6, frames::icmpv6(source, destination, kind, code, rest, &data))
        } else {
            (frames::ICMP, frames::icmp(kind, code, rest, &data))
        }
    });
    let other = (any::<u8>(), bytes());
    prop_oneof![4 => tcp, 3 => udp, 5 => icmp, 1 => other].boxed()
}

fn packet_v4() -> BoxedStrategy<(u16, Vec<u8>)> {
    let fragment = prop_oneof![
        6 => Just(0x4000_u16),
        3 => Just(0),
        1 => Just(0x2000),
        1 => 1..0x2000_u16,
        1 => 0x2001..0x4000_u16,
        1 => any::<u16>(),
    ];
    let options = prop_oneof![5 => Just(Vec::new()), 1 => vec(Just(1_u8), 0..=40)];
    let upper = upper_layer(Ipv6Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED, false);
    (address_v4(), address_v4(), any::<u8>(), fragment, options, upper)
        .prop_map(|(source, destination, ttl, fragment, options, (protocol, payload))| {
            let ip = Ipv4 { source, destination, protocol, ttl, fragment, options };
            (frames::IPV4, frames::ipv4(&ip, &payload))
        })
        .boxed()
}

fn extension() -> BoxedStrategy<Extension> {
    let fragment = prop_oneof![
        2 => Just(0_u16),
        2 => Just(1),
        1 => any::<u16>(),
    ];
    prop_oneof![
        5 => (prop::sample::select(vec![0_u8, 43, 60, 60, 135, 139, 140]), 0..4_u8)
            .prop_map(|(number, length)| Extension::Options(number, length)),
        1 => (1..6_u8).prop_map(Extension::Authentication),
        2 => fragment.prop_map(Extension::Fragment),
    ]
    .boxed()
}

fn packet_v6() -> BoxedStrategy<(u16, Vec<u8>)> {
    let extensions =
        prop_oneof![3 => Just(Vec::new()), 2 => vec(extension(), 1..4), 1 => vec(extension(), 4..10)];
    (address_v6(), address_v6(), any::<u8>(), extensions)
        .prop_flat_map(|(source, destination, hop_limit, extensions)| {
            let upper = upper_layer(source, destination, true);
            (Just((source, destination, hop_limit, extensions)), upper)
        })
        .prop_map(|((source, destination, hop_limit, extensions), (protocol, payload))| {
            let ip = Ipv6 { source, destination, protocol, hop_limit, extensions };
            (frames::IPV6, frames::ipv6(&ip, &payload))
        })
        .boxed()
}

fn packet_arp() -> BoxedStrategy<(u16, Vec<u8>)> {
    (1..4_u16, any::<[u8; 6]>(), address_v4(), any::<[u8; 6]>(), address_v4())
        .prop_map(|(operation, sender_mac, sender, target_mac, target)| {
            (frames::ARP, frames::arp(operation, sender_mac, sender, target_mac, target))
        })
        .boxed()
}

/// A frame whose every field is right: at least 14 bytes, at most about 400.
pub fn valid() -> BoxedStrategy<Vec<u8>> {
    let ethertype = prop_oneof![Just(0x88cc_u16), Just(0x0026), any::<u16>()];
    let packet = prop_oneof![
        5 => packet_v4(),
        5 => packet_v6(),
        1 => packet_arp(),
        1 => (ethertype, bytes()),
    ];
    let tag = (prop::sample::select(vec![0x8100_u16, 0x88a8, 0x9100]), any::<u16>());
    let tags = prop_oneof![4 => Just(Vec::new()), 1 => vec(tag, 1..4)];
    (tags, packet, any::<bool>())
        .prop_map(|(tags, (ethertype, payload), pad)| {
            let frame = frames::ethernet(&tags, ethertype, &payload);
            if pad { frames::padded(frame) } else { frame }
        })
        .boxed()
}

/// One thing done to a frame.
#[derive(Debug, Clone)]
enum Damage {
    Set(Index, u8),
    Flip(Index, u8),
    Cut(Index),
    Add(Vec<u8>),
}

fn damage() -> BoxedStrategy<Damage> {
    prop_oneof![
        2 => (any::<Index>(), any::<u8>()).prop_map(|(at, value)| Damage::Set(at, value)),
        3 => (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        2 => any::<Index>().prop_map(Damage::Cut),
        1 => bytes().prop_map(Damage::Add),
    ]
    .boxed()
}

fn damaged(mut frame: Vec<u8>, damages: Vec<Damage>) -> Vec<u8> {
    for damage in damages {
        if frame.is_empty() {
            break;
        }
        // Headers are where damage shows.
        let front = frame.len().min(80);
        match damage {
            Damage::Set(at, value) => frame[at.index(front)] = value,
            Damage::Flip(at, bit) => frame[at.index(front)] ^= 1 << bit,
            Damage::Cut(at) => frame.truncate(at.index(front)),
            Damage::Add(more) => frame.extend(more),
        }
    }
    frame
}

/// Any frame, down to none at all: a third valid, most others nearly so.
pub fn frame() -> BoxedStrategy<Vec<u8>> {
    prop_oneof![
        4 => valid(),
        5 => (valid(), vec(damage(), 1..4)).prop_map(|(frame, damages)| damaged(frame, damages)),
        1 => vec(any::<u8>(), 0..120),
    ]
    .boxed()
}

/// Any frame that `BPF_PROG_TEST_RUN` takes: at least an Ethernet header.
pub fn kernel_frame() -> BoxedStrategy<Vec<u8>> {
    frame()
        .prop_map(|mut frame| {
            frame.resize(frame.len().max(14), 0);
            frame
        })
        .boxed()
}
