//! Headers that hide others.

use super::{Edge, behind, later, over_v4, plain, tagged, tcp, udp, v4, v6};
use crate::frames::{self, Extension, Ipv4};

/// Headers in front of a UDP header, and headers that are not whole: `drop udp dport 53` finds what there is.
pub fn edges() -> Vec<Edge> {
    let dns = udp(4000, 53);
    let plain_v4 = v4(17, &dns);
    let edge = |name, frame| Edge { name, frame, is_dropped: true, is_malformed: false };
    let innocent = |name, frame| Edge { is_dropped: false, ..edge(name, frame) };
    let cut = |name, frame| Edge { is_malformed: true, ..edge(name, frame) };
    let ext = |number| behind(vec![Extension::Options(number, 0)], 17, &dns);
    let fragment = |field| behind(vec![Extension::Fragment(field)], 17, &dns);
    let all = [
        Extension::Options(0, 1),
        Extension::Options(60, 0),
        Extension::Options(43, 2),
        Extension::Fragment(0),
        Extension::Authentication(4),
        Extension::Options(60, 3),
        Extension::Options(135, 0),
    ];
    vec![
        edge("plain", plain_v4.clone()),
        edge("padded", frames::padded(plain_v4.clone())),
        edge("IP options", over_v4(&Ipv4 { options: vec![1; 40], ..plain(17) }, &dns)),
        edge("first fragment", over_v4(&Ipv4 { fragment: 0x2000, ..plain(17) }, &dns)),
        edge("v6 plain", v6(17, &dns)),
        edge("802.1Q", tagged(&plain_v4, &[(0x8100, 5)])),
        edge("802.1Q, v6", tagged(&v6(17, &dns), &[(0x8100, 5)])),
        edge("QinQ", tagged(&plain_v4, &[(0x88a8, 5), (0x8100, 6)])),
        edge("QinQ, v6", tagged(&v6(17, &dns), &[(0x9100, 5), (0x8100, 6)])),
        edge("v6 hop-by-hop", ext(0)),
        edge("v6 destination options", ext(60)),
        edge("v6 routing", ext(43)),
        edge("v6 AH", behind(vec![Extension::Authentication(4)], 17, &dns)),
        edge("v6 mobility", ext(135)),
        edge("v6 HIP", ext(139)),
        edge("v6 shim6", ext(140)),
        edge("v6 first fragment", fragment(1)),
        edge("v6 atomic fragment", fragment(0)),
        edge("v6 seven in a row", behind(all.to_vec(), 17, &dns)),
        cut("v6 eight in a row", behind([&all[..], &[Extension::Options(60, 0)]].concat(), 17, &dns)),
        cut("truncated UDP header", v4(17, &dns[..7])),
        cut("truncated UDP header, v6", v6(17, &dns[..4])),
        cut("no UDP header", v4(17, &[])),
        cut("truncated behind options", behind(vec![Extension::Options(60, 0)], 17, &dns[..6])),
        innocent("later fragment", later(17, &dns)),
        innocent("later fragment, more to come", over_v4(&Ipv4 { fragment: 0x20b9, ..plain(17) }, &dns)),
        innocent("v6 later fragment", fragment(185 << 3)),
        innocent("v6 later fragment, more to come", fragment(185 << 3 | 1)),
        innocent("short later fragment", later(17, &dns[..4])),
        innocent("other port", v4(17, &udp(53, 54))),
        innocent("TCP", v4(6, &tcp(4000, 53, 2))),
        innocent("GRE", v4(47, &dns)),
    ]
}
