//! Names of numbers, as nft has them.

use crate::rule::{ast::Field, names};

/// src/proto.c of nftables.
const ICMP: &[(&str, u32)] = &[
    ("echo-reply", 0),
    ("destination-unreachable", 3),
    ("source-quench", 4),
    ("redirect", 5),
    ("echo-request", 8),
    ("router-advertisement", 9),
    ("router-solicitation", 10),
    ("time-exceeded", 11),
    ("parameter-problem", 12),
    ("timestamp-request", 13),
    ("timestamp-reply", 14),
    ("info-request", 15),
    ("info-reply", 16),
    ("address-mask-request", 17),
    ("address-mask-reply", 18),
];

const ICMPV6: &[(&str, u32)] = &[
    ("destination-unreachable", 1),
    ("packet-too-big", 2),
    ("time-exceeded", 3),
    ("parameter-problem", 4),
    ("echo-request", 128),
    ("echo-reply", 129),
    ("mld-listener-query", 130),
    ("mld-listener-report", 131),
    ("mld-listener-done", 132),
    ("mld-listener-reduction", 132),
    ("nd-router-solicit", 133),
    ("nd-router-advert", 134),
    ("nd-neighbor-solicit", 135),
    ("nd-neighbor-advert", 136),
    ("nd-redirect", 137),
    ("router-renumbering", 138),
    ("ind-neighbor-solicit", 141),
    ("ind-neighbor-advert", 142),
    ("mld2-listener-report", 143),
];

const ICMP_CODES: &[(&str, u32)] = &[
    ("net-unreachable", 0),
    ("host-unreachable", 1),
    ("prot-unreachable", 2),
    ("port-unreachable", 3),
    ("frag-needed", 4),
    ("net-prohibited", 9),
    ("host-prohibited", 10),
    ("admin-prohibited", 13),
];

const ICMPV6_CODES: &[(&str, u32)] = &[
    ("no-route", 0),
    ("admin-prohibited", 1),
    ("addr-unreachable", 3),
    ("port-unreachable", 4),
    ("policy-fail", 5),
    ("reject-route", 6),
];

/// The number of a name; `six` where IPv4 and IPv6 have their own.
pub fn number(field: Field, six: bool, name: &str) -> Option<u32> {
    match (field, six) {
        (Field::IcmpType, false) => names::number(ICMP, name),
        (Field::IcmpType, true) => names::number(ICMPV6, name),
        (Field::IcmpCode, false) => names::number(ICMP_CODES, name),
        (Field::IcmpCode, true) => names::number(ICMPV6_CODES, name),
        (Field::Protocol, _) => names::protocol(name),
        (Field::SourcePort | Field::DestinationPort, _) => names::number(names::SERVICES, name),
        (Field::Dscp, _) => names::number(names::DSCP_CLASSES, name),
        (Field::Ethertype, _) if name == "ip6" => Some(0x86dd),
        (Field::Ethertype, _) => names::ethertype(name),
        (Field::Version, _) => match name {
            "ipv4" => Some(4),
            "ipv6" => Some(6),
            _ => None,
        },
        _ => None,
    }
}
