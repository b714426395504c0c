//! Conditions.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{
    A, A6, B, B6, Case, FAR, FAR6, OTHER, arp, behind, between, between6, case, later, lldp_like, over_v4,
    over_v6, ping, ping6, plain, plain6, retyped, tagged, tcp, udp, v4, v6, with,
};
use crate::frames::{self, Extension, Ipv4, Ipv6};

fn addresses() -> Vec<Case> {
    let last = Ipv4Addr::new(10, 0, 0, 255);
    let next = Ipv4Addr::new(10, 0, 1, 0);
    // Begins with the bytes of 10.0.0.1.
    let disguised = Ipv6Addr::new(0x0a00, 0x0001, 0, 0, 0, 0, 0, 0);
    vec![
        case(
            "drop from 10.0.0.0/24",
            vec![
                between(A, FAR),
                between(last, FAR),
                tagged(&between(A, FAR), &[(0x8100, 5)]),
                later(47, b"x"),
            ],
            vec![between(FAR, A), between(next, B)],
            vec![between6(disguised, B6), retyped(&between(A, FAR)), arp()],
        ),
        case(
            "drop to 10.0.0.2",
            vec![between(FAR, B)],
            vec![between(B, FAR), between(B, A)],
            vec![retyped(&between(FAR, B)), arp()],
        ),
        case(
            "drop from {10.0.0.1, 2001:db8::/64}",
            vec![between(A, FAR), between6(A6, FAR6)],
            vec![between(B, A), between6(FAR6, A6)],
            vec![retyped(&between6(A6, FAR6)), arp()],
        ),
        case(
            "drop to 2001:db8::2",
            vec![between6(FAR6, B6)],
            vec![between6(B6, FAR6), between6(B6, A6), between(A, B)],
            vec![retyped(&between6(FAR6, B6))],
        ),
        case(
            "drop from not 10.0.0.0/24",
            vec![between(next, A), between6(A6, B6)],
            vec![between(A, FAR), between(last, FAR)],
            vec![retyped(&between(next, A)), arp()],
        ),
        case(
            "drop to not {10.0.0.2, 2001:db8::/64}",
            vec![between(B, A), between6(B6, FAR6)],
            vec![between(FAR, B), between6(FAR6, B6)],
            vec![retyped(&between(B, A)), arp()],
        ),
        case(
            "drop from @office",
            vec![between(A, FAR), between6(A6, FAR6), between(Ipv4Addr::new(10, 0, 9, 2), B)],
            vec![between(FAR, A), between6(FAR6, A6), between(Ipv4Addr::new(10, 0, 0, 4), B)],
            vec![retyped(&between(A, FAR)), between6(disguised, B6), arp()],
        ),
        // 10.0.0.2 is in the other set as an element of its own, and lies in a prefix of this one.
        case(
            "drop to {@office, @six}",
            vec![
                between(FAR, B),
                between6(FAR6, B6),
                between6(FAR6, "2001:db8:9::1".parse().expect("an address")),
            ],
            vec![between(B, FAR), between6(B6, FAR6)],
            vec![retyped(&between(FAR, B)), arp()],
        ),
        case(
            "drop from not {@office, 203.0.113.0/24}",
            vec![between(next, A), between6(FAR6, A6)],
            vec![between(A, B), between(FAR, B), between6(A6, FAR6)],
            vec![retyped(&between(next, A)), arp()],
        ),
        case("drop from @nobody", vec![], vec![between(A, B), between6(A6, B6)], vec![arp()]),
    ]
}

fn protocols() -> Vec<Case> {
    let (tcp, udp) = (tcp(4000, 80, 2), udp(4000, 80));
    vec![
        case(
            "drop tcp",
            vec![v4(6, &tcp), v6(6, &tcp), later(6, b"x"), behind(vec![Extension::Options(60, 1)], 6, &tcp)],
            vec![v4(17, &udp), v6(58, &ping6(128, 0))],
            vec![v4(47, &tcp), v6(17, &tcp), retyped(&v4(6, &tcp)), arp()],
        ),
        case(
            "drop not tcp",
            vec![v4(17, &udp), v4(47, &tcp), v6(17, &udp), later(17, b"x")],
            vec![v4(6, &tcp), v6(6, &tcp), later(6, b"x")],
            vec![retyped(&v4(17, &udp)), arp()],
        ),
        case(
            "drop {tcp, gre}",
            vec![v4(6, &tcp), v4(47, b"gre"), v6(47, b"gre")],
            vec![v4(17, &udp), v4(50, b"esp")],
            vec![retyped(&v4(47, b"gre"))],
        ),
        case(
            "drop protocol 200-253",
            vec![v4(200, b"x"), v6(253, b"x")],
            vec![v4(199, b"x"), v6(254, b"x")],
            vec![retyped(&v4(200, b"x"))],
        ),
        case(
            "drop icmp",
            vec![v4(1, &ping(8, 0)), later(1, b"x")],
            vec![v6(58, &ping6(128, 0)), v4(17, &udp)],
            vec![v6(1, &ping(8, 0)), v4(58, &ping(8, 0)), retyped(&v4(1, &ping(8, 0)))],
        ),
        case(
            "drop icmpv6",
            vec![v6(58, &ping6(128, 0)), v6(58, &ping6(135, 0))],
            vec![v4(1, &ping(8, 0)), v6(17, &udp)],
            vec![v4(58, &ping6(128, 0)), v6(1, &ping6(128, 0)), retyped(&v6(58, &ping6(128, 0)))],
        ),
        case(
            "drop not icmp",
            vec![v6(58, &ping6(128, 0)), v4(17, &udp), v6(1, &ping(8, 0)), v4(58, &ping(8, 0))],
            vec![v4(1, &ping(8, 0))],
            vec![retyped(&v4(17, &udp)), v6(58, &ping6(135, 0))],
        ),
        case(
            "drop ip",
            vec![v4(17, &udp), v4(47, b"x")],
            vec![v6(17, &udp)],
            vec![retyped(&v4(17, &udp)), arp()],
        ),
        case("drop ipv6", vec![v6(17, &udp)], vec![v4(17, &udp)], vec![retyped(&v6(17, &udp)), arp()]),
    ]
}

fn ports() -> Vec<Case> {
    vec![
        case(
            "drop udp port 53",
            vec![v4(17, &udp(4000, 53)), v6(17, &udp(4000, 53))],
            vec![v4(17, &udp(53, 4000)), v6(17, &udp(4000, 54)), v4(6, &tcp(4000, 53, 2))],
            vec![v4(47, &udp(4000, 53)), later(17, &udp(4000, 53)), retyped(&v4(17, &udp(4000, 53)))],
        ),
        case(
            "drop {tcp, udp} sport 1000-1999",
            vec![v4(6, &tcp(1000, 80, 2)), v6(17, &udp(1999, 80))],
            vec![v4(6, &tcp(999, 1500, 2)), v6(17, &udp(2000, 1500))],
            vec![v4(132, &udp(1500, 80)), later(6, &tcp(1500, 80, 2)), v4(1, &ping(5, 220))],
        ),
        case(
            "drop tcp port not {22, 80}",
            vec![v4(6, &tcp(80, 23, 2)), v6(6, &tcp(22, 0, 2))],
            vec![v4(6, &tcp(23, 80, 2)), v6(6, &tcp(23, 22, 2))],
            vec![v4(17, &udp(80, 23)), later(6, &tcp(80, 23, 2)), v4(47, &tcp(80, 23, 2))],
        ),
        case(
            "drop protocol {17, 33, 132, 136} port > 1023",
            vec![
                v4(17, &udp(1, 1024)),
                v4(33, &udp(1, 65_535)),
                v6(132, &udp(1, 2000)),
                v6(136, &udp(1, 2000)),
            ],
            vec![v4(17, &udp(2000, 1023)), v4(33, &udp(2000, 0))],
            vec![v4(6, &tcp(1, 2000, 2)), v4(34, &udp(1, 2000)), later(132, &udp(1, 2000))],
        ),
        case(
            "drop tcp flags syn",
            vec![v4(6, &tcp(1, 2, 0x02)), v6(6, &tcp(1, 2, 0xc2))],
            vec![v4(6, &tcp(1, 2, 0x12)), v4(6, &tcp(1, 2, 0x00)), v6(6, &tcp(1, 2, 0x03))],
            vec![v4(17, &tcp(1, 2, 0x02)), v4(47, &tcp(1, 2, 0x02)), later(6, &tcp(1, 2, 0x02))],
        ),
        case(
            "drop tcp flags syn/syn,ack",
            vec![v4(6, &tcp(1, 2, 0x02)), v6(6, &tcp(1, 2, 0x2b))],
            vec![v4(6, &tcp(1, 2, 0x12)), v4(6, &tcp(1, 2, 0x01))],
            vec![v4(17, &tcp(1, 2, 0x02)), later(6, &tcp(1, 2, 0x02))],
        ),
        case(
            "drop tcp flags not {syn, ack/ack}",
            vec![v4(6, &tcp(1, 2, 0x01)), v6(6, &tcp(1, 2, 0x00)), v6(6, &tcp(1, 2, 0x06))],
            vec![v4(6, &tcp(1, 2, 0x02)), v4(6, &tcp(1, 2, 0x19))],
            vec![v4(17, &tcp(1, 2, 0x01)), later(6, &tcp(1, 2, 0x01))],
        ),
        case(
            "drop tcp flags not {none/ack, none/syn}",
            vec![v4(6, &tcp(1, 2, 0x12)), v6(6, &tcp(1, 2, 0x1b))],
            vec![v4(6, &tcp(1, 2, 0x02)), v4(6, &tcp(1, 2, 0x10)), v4(6, &tcp(1, 2, 0x00))],
            vec![v4(17, &tcp(1, 2, 0x12)), later(6, &tcp(1, 2, 0x12))],
        ),
        case(
            "drop tcp flags none",
            vec![v4(6, &tcp(1, 2, 0x00))],
            vec![v4(6, &tcp(1, 2, 0x10))],
            vec![v4(17, &tcp(1, 2, 0x00)), later(6, &tcp(1, 2, 0x00)), v4(1, &ping(0, 0))],
        ),
        // Where the protocol is one of several, what another has in the same place is no flag, type or port.
        case(
            "drop {tcp, udp} flags none",
            vec![v4(6, &tcp(1, 2, 0x00))],
            vec![v4(6, &tcp(1, 2, 0x01))],
            vec![v4(17, &tcp(1, 2, 0x00)), v6(17, &udp(0, 0))],
        ),
        case(
            "drop {icmp, gre} type 0",
            vec![v4(1, &ping(0, 0))],
            vec![v4(1, &ping(8, 0))],
            vec![v4(47, &ping(0, 0)), v6(47, &[0; 8])],
        ),
        case(
            "drop not tcp port {0, 53}",
            vec![v4(17, &udp(4000, 53)), v6(132, &udp(4000, 0))],
            vec![v4(17, &udp(53, 4000)), v4(6, &tcp(4000, 53, 2))],
            vec![v4(47, &udp(4000, 53)), v4(1, &ping(0, 0)), v6(50, &[0; 8])],
        ),
        case(
            "drop icmp type echo-request",
            vec![v4(1, &ping(8, 0)), v4(1, &ping(8, 9))],
            vec![v4(1, &ping(0, 8)), v6(58, &ping6(8, 0))],
            vec![v4(17, &[8, 0, 0, 53, 0, 8, 0, 0]), v6(1, &ping(8, 0)), later(1, &ping(8, 0))],
        ),
        case(
            "drop icmp type not {0, 8}",
            vec![v4(1, &ping(3, 8))],
            vec![v4(1, &ping(8, 3)), v4(1, &ping(0, 3))],
            vec![v4(17, &[3, 0, 0, 53, 0, 8, 0, 0]), v6(58, &ping6(3, 0)), later(1, &ping(3, 0))],
        ),
        case(
            "drop icmp type 3 code 4",
            vec![v4(1, &ping(3, 4))],
            vec![v4(1, &ping(3, 3)), v4(1, &ping(4, 4))],
            vec![v6(58, &ping6(3, 4)), v4(17, &[3, 4, 0, 53, 0, 8, 0, 0]), later(1, &ping(3, 4))],
        ),
        case(
            "drop icmp type 3 code not 4",
            vec![v4(1, &ping(3, 3))],
            vec![v4(1, &ping(3, 4)), v4(1, &ping(4, 3))],
            vec![v6(58, &ping6(3, 3)), v4(17, &[3, 3, 0, 53, 0, 8, 0, 0]), later(1, &ping(3, 3))],
        ),
        case(
            "drop icmpv6 type {echo-request, 135}",
            vec![v6(58, &ping6(128, 0)), v6(58, &ping6(135, 0))],
            vec![v6(58, &ping6(129, 0)), v4(1, &ping(128, 0))],
            vec![v4(58, &ping6(128, 0)), v6(17, &[128, 0, 0, 53, 0, 8, 0, 0])],
        ),
    ]
}

fn network() -> Vec<Case> {
    let long = |n| frames::udp(4000, 9, &vec![7; n]);
    let aged = |ttl| over_v4(&Ipv4 { ttl, ..plain(17) }, &udp(4000, 9));
    let aged6 = |hop_limit| over_v6(&Ipv6 { hop_limit, ..plain6(17) }, &udp(4000, 9));
    let class = |class: u8| with(between(A, B), 15, class);
    let class6 = |class: u8| with(with(between6(A6, B6), 14, 0x60 | class >> 4), 15, class << 4 | 7);
    let first = over_v4(&Ipv4 { fragment: 0x2000, ..plain(17) }, &udp(4000, 9));
    let first6 = behind(vec![Extension::Fragment(1)], 17, &udp(4000, 9));
    let later6 = behind(vec![Extension::Fragment(185 << 3)], 17, &udp(4000, 9));
    let atomic = behind(vec![Extension::Fragment(0)], 17, &udp(4000, 9));
    let whole = over_v4(&Ipv4 { fragment: 0x4000, ..plain(17) }, &udp(4000, 9));
    let optional = over_v4(&Ipv4 { options: vec![1; 4], ..plain(17) }, &udp(4000, 9));
    let extended = |number| behind(vec![Extension::Options(number, 0)], 17, &udp(4000, 9));
    vec![
        case(
            "drop length > 100",
            vec![v4(17, &long(73)), v6(17, &long(53))],
            vec![v4(17, &long(72)), v6(17, &long(52)), [v4(17, &long(4)), vec![0; 200]].concat()],
            vec![retyped(&v4(17, &long(200))), retyped(&v6(17, &long(200)))],
        ),
        case(
            "drop length not 0-100",
            vec![v4(17, &long(73)), v6(17, &long(53))],
            vec![v4(17, &long(72)), v6(17, &long(52))],
            vec![retyped(&v4(17, &long(200)))],
        ),
        case(
            "drop ttl < 5",
            vec![aged(4), aged6(4), aged(0)],
            vec![aged(5), aged6(5), aged(255)],
            vec![retyped(&aged(4)), retyped(&aged6(4))],
        ),
        case(
            "drop hop limit not 64",
            vec![aged(63), aged6(65)],
            vec![aged(64), aged6(64)],
            vec![retyped(&aged(63)), retyped(&aged6(65))],
        ),
        case(
            "drop dscp {ef, af11}",
            vec![class(46 << 2), class(46 << 2 | 3), class6(46 << 2), class6(10 << 2 | 1)],
            vec![class(0), class(47 << 2), class6(46), class6(11 << 2)],
            vec![retyped(&class(46 << 2)), retyped(&class6(46 << 2))],
        ),
        case(
            "drop dscp not 0",
            vec![class(4), class6(46 << 2)],
            vec![class(3), class6(3)],
            vec![retyped(&class(4)), retyped(&class6(4))],
        ),
        case(
            "drop fragment",
            vec![first.clone(), first6.clone(), later(17, b"x"), later6.clone()],
            vec![whole.clone(), atomic.clone(), between(A, B)],
            vec![retyped(&first), retyped(&later6)],
        ),
        case(
            "drop fragment first",
            vec![first.clone(), first6.clone()],
            vec![later(17, b"x"), later6.clone(), whole.clone(), atomic.clone()],
            vec![retyped(&first), retyped(&first6)],
        ),
        case(
            "drop fragment later",
            vec![later(17, b"x"), later6.clone(), over_v4(&Ipv4 { fragment: 0x2001, ..plain(17) }, b"x")],
            vec![first.clone(), first6.clone(), whole.clone(), atomic.clone()],
            vec![retyped(&later(17, b"x")), retyped(&later6)],
        ),
        case(
            "drop not fragment",
            vec![whole.clone(), atomic.clone(), between6(A6, B6)],
            vec![first.clone(), first6.clone(), later(17, b"x"), later6.clone()],
            vec![retyped(&whole), arp()],
        ),
        case(
            "drop not fragment later",
            vec![whole.clone(), first.clone(), first6.clone()],
            vec![later(17, b"x"), later6.clone()],
            vec![retyped(&first), arp()],
        ),
        case(
            "drop not fragment first",
            vec![whole.clone(), later(17, b"x"), later6.clone()],
            vec![first.clone(), first6.clone()],
            vec![retyped(&whole), arp()],
        ),
        case(
            "drop options",
            vec![
                optional.clone(),
                extended(0),
                extended(43),
                extended(60),
                behind(vec![Extension::Authentication(4)], 17, &udp(4000, 9)),
                behind(vec![Extension::Options(60, 0), Extension::Fragment(0)], 17, &udp(4000, 9)),
                behind(vec![Extension::Fragment(0), Extension::Options(60, 0)], 17, &udp(4000, 9)),
            ],
            vec![between(A, B), between6(A6, B6), first6.clone(), atomic.clone()],
            vec![retyped(&optional), retyped(&extended(60))],
        ),
        case(
            "drop not options",
            vec![between(A, B), between6(A6, B6), atomic.clone()],
            vec![optional.clone(), extended(60)],
            vec![retyped(&between(A, B)), arp()],
        ),
    ]
}

fn link() -> Vec<Case> {
    let (v4, v6) = (between(A, B), between6(A6, B6));
    let lldp = frames::ethernet(&[], 0x88cc, &[2; 46]);
    // Source and destination as `frames::ethernet` has them: 02:…:02 and 02:…:01.
    let other_source = with(v4.clone(), 11, 3);
    let other_front = with(v4.clone(), 7, 9);
    let interface = |frame: &Vec<u8>, interface| (frame.clone(), interface);
    vec![
        case(
            "drop vlan 100",
            vec![
                tagged(&v4, &[(0x8100, 100)]),
                tagged(&v6, &[(0x88a8, 0xe064), (0x8100, 7)]),
                tagged(&lldp, &[(0x9100, 0x1064)]),
            ],
            vec![v4.clone(), tagged(&v4, &[(0x8100, 101)]), tagged(&v6, &[(0x88a8, 7), (0x8100, 100)])],
            vec![frames::ethernet(&[], OTHER, &[0, 100, 0x08, 0, 0x45, 0]), tagged(&arp(), &[(0x8100, 100)])],
        ),
        case(
            "drop vlan not 100",
            vec![
                tagged(&v4, &[(0x8100, 101)]),
                tagged(&v6, &[(0x88a8, 7), (0x8100, 100)]),
                tagged(&lldp, &[(0x8100, 0)]),
            ],
            vec![v4.clone(), lldp.clone(), tagged(&v4, &[(0x8100, 100)])],
            vec![frames::ethernet(&[], OTHER, &[0, 101, 0x08, 0, 0x45, 0])],
        ),
        case(
            "drop smac 02:00:00:00:00:02",
            vec![v4.clone(), v6.clone(), lldp.clone()],
            vec![other_source.clone(), other_front.clone()],
            vec![with(with(v4.clone(), 5, 2), 11, 1), arp()],
        ),
        case(
            "drop smac not {02:00:00:00:00:02, 02:00:00:00:00:04}",
            vec![other_source, other_front],
            vec![v4.clone(), lldp.clone(), with(v6.clone(), 11, 4)],
            vec![with(v4.clone(), 5, 3)],
        ),
        case(
            "drop dmac 02:00:00:00:00:01",
            vec![v4.clone(), v6.clone(), lldp.clone()],
            vec![with(v4.clone(), 5, 3), with(v4.clone(), 0, 4)],
            vec![with(with(v4.clone(), 5, 2), 11, 1)],
        ),
        case(
            "drop dmac not 02:00:00:00:00:01",
            vec![with(v4.clone(), 5, 3), with(v6.clone(), 0, 4), with(lldp.clone(), 3, 1)],
            vec![v4.clone(), v6.clone()],
            vec![with(v4.clone(), 11, 3)],
        ),
        case(
            "drop ethertype 0x88cc",
            vec![lldp.clone(), tagged(&lldp, &[(0x8100, 5)]), tagged(&lldp, &[(0x88a8, 5), (0x8100, 6)])],
            vec![v4.clone(), arp(), retyped(&lldp)],
            vec![frames::ethernet(&[], OTHER, &[0x88, 0xcc, 0x88, 0xcc])],
        ),
        case(
            "drop ethertype not {0x88cc, ipv4}",
            vec![retyped(&lldp), v6.clone(), tagged(&v6, &[(0x8100, 5)])],
            vec![lldp.clone(), v4.clone(), tagged(&v4, &[(0x8100, 5)])],
            vec![arp()],
        ),
        Case {
            rule: "drop on eth1",
            hits: vec![interface(&v4, "eth1"), interface(&v6, "eth1"), interface(&lldp, "eth1")],
            misses: vec![interface(&v4, "eth0"), interface(&lldp, "eth0")],
            guards: vec![interface(&arp(), "eth1")],
        },
        Case {
            rule: "drop on not eth1",
            hits: vec![interface(&v4, "eth0"), interface(&lldp, "eth0")],
            misses: vec![interface(&v4, "eth1"), interface(&v6, "eth1")],
            guards: vec![interface(&arp(), "eth0")],
        },
    ]
}

/// What keeps a host reachable.
fn essential() -> Vec<Case> {
    let dhcp = v4(17, &udp(67, 68));
    let dhcpv6 = v6(17, &udp(547, 546));
    let neighbour = v6(58, &ping6(136, 0));
    let query = v6(58, &ping6(130, 0));
    // As they are sent: behind a router alert (RFC 3810 section 5).
    let alert = || vec![Extension::Options(0, 0)];
    let reports = [131, 132, 143].map(|kind| behind(alert(), 58, &ping6(kind, 0)));
    let all =
        || [&[arp(), dhcp.clone(), dhcpv6.clone(), neighbour.clone(), query.clone()][..], &reports].concat();
    vec![
        case(
            "drop",
            vec![
                between(A, B),
                between6(A6, B6),
                retyped(&arp()),
                v4(17, &udp(546, 547)),
                v6(17, &udp(67, 68)),
            ],
            all(),
            // What looks like it and is not.
            vec![],
        ),
        case(
            "drop not icmpv6",
            vec![between(A, B), v4(17, &udp(68, 9)), later(17, &udp(67, 68))],
            all(),
            vec![v6(58, &ping6(128, 0))],
        ),
        // Nobody named ICMPv6 or ARP.
        case(
            "drop protocol > 20",
            vec![v6(58, &ping6(128, 0)), v4(47, &[0; 40])],
            all(),
            vec![v4(6, &tcp(1, 2, 2)), v4(1, &ping(8, 0))],
        ),
        case(
            "drop protocol 17-58",
            vec![between(A, B), v6(58, &ping6(128, 0))],
            all(),
            vec![v4(6, &tcp(1, 2, 2))],
        ),
        case("drop ethertype > 0x0700", vec![between(A, B), lldp_like()], all(), vec![]),
        case("drop ethertype {0x0806, 0x0807}", vec![arp()], vec![between(A, B)], vec![neighbour.clone()]),
        case(
            "drop protocol {udp, 18, icmpv6}",
            [&reports[..], &[neighbour.clone(), query.clone(), between(A, B)]].concat(),
            vec![dhcp.clone(), dhcpv6.clone(), v4(6, &tcp(1, 2, 2))],
            vec![arp()],
        ),
        case(
            "drop options",
            vec![behind(alert(), 58, &ping6(128, 0)), behind(alert(), 17, &udp(4000, 9))],
            all(),
            vec![between(A, B)],
        ),
        // 1 over IPv6 is no ICMP, whatever stands beside it.
        case(
            "drop {icmp, igmp}",
            vec![v4(1, &ping(8, 0)), v4(2, &[0x16; 8]), v6(2, &[0x16; 8])],
            vec![v6(58, &ping6(128, 0)), between(A, B)],
            vec![v6(1, &ping(8, 0))],
        ),
        case(
            "drop protocol {57, icmpv6, 59}",
            vec![v6(58, &ping6(128, 0)), v4(57, &[0; 8])],
            vec![between(A, B)],
            vec![v4(58, &ping6(128, 0))],
        ),
        case("drop protocol 0-2", vec![v4(1, &ping(8, 0)), v6(1, &ping(8, 0))], vec![between(A, B)], vec![]),
        case("drop udp", vec![between(A, B), v4(17, &udp(68, 9))], all(), vec![v4(6, &tcp(67, 68, 2))]),
        case(
            "drop udp port {68, 546}",
            vec![dhcp.clone(), dhcpv6.clone()],
            vec![arp(), neighbour.clone(), v4(17, &udp(68, 67))],
            vec![v4(6, &tcp(67, 68, 2))],
        ),
        case("drop udp port not 53", vec![between(A, B)], all(), vec![v4(17, &udp(4000, 53))]),
        case("drop udp sport 67", vec![v4(17, &udp(67, 9))], all(), vec![]),
        case(
            "drop {udp, icmpv6}",
            vec![neighbour.clone(), query.clone(), between6(A6, B6)],
            vec![arp(), dhcp.clone(), dhcpv6.clone()],
            vec![],
        ),
        case("drop ethertype arp", vec![arp()], vec![dhcp.clone(), neighbour.clone()], vec![retyped(&arp())]),
        case("drop ethertype not ipv4", vec![between6(A6, B6), retyped(&arp())], all(), vec![between(A, B)]),
    ]
}

/// Every condition, plain and negated.
pub fn cases() -> Vec<Case> {
    [addresses(), protocols(), ports(), network(), link(), essential()].into_iter().flatten().collect()
}
