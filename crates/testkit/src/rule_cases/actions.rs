//! Actions.

use std::net::Ipv4Addr;

use abi::{Action, Reason};

use super::{
    A, A6, B, B6, FAR, FAR6, Story, arp, behind, between, between6, later, over_v4, ping, ping6, plain, tcp,
    udp, v4, v6,
};
use crate::frames::{self, Extension, Ipv4};

/// Every action.
pub fn stories() -> Vec<Story> {
    let pass = |frame: &[u8]| (frame.to_vec(), Action::Pass, Reason::Unclaimed);
    let drop = |frame: &[u8], reason| (frame.to_vec(), Action::Drop, reason);
    let tell = |frame: &[u8]| (frame.to_vec(), Action::Tx, Reason::RuleReject);
    let to_many = |frame: &[u8]| [&[0xff; 6], &frame[6..]].concat();
    let (web, dns) = (v4(6, &tcp(4000, 80, 2)), v4(17, &udp(4000, 53)));
    let (from_far, from_far6, ndp) = (between(FAR, B), between6(FAR6, B6), v6(58, &ping6(135, 0)));
    let story = |rules, frames, counts| Story {
        rules,
        default: "accept",
        fragments: "first-only",
        frames,
        counts,
        told: 0,
        marks: &[],
    };
    let lldp = frames::ethernet(&[], 0x88cc, &[2; 46]);
    let (first, second) =
        (over_v4(&Ipv4 { fragment: 0x2000, ..plain(17) }, &udp(4000, 53)), later(17, &udp(4000, 53)));
    vec![
        story(
            &["accept tcp port 80", "drop tcp", "drop from 203.0.113.0/24"],
            vec![
                pass(&web),
                drop(&v4(6, &tcp(80, 81, 2)), Reason::RuleDrop),
                pass(&dns),
                drop(&from_far, Reason::RuleDrop),
            ],
            &[("accept tcp port 80", 1), ("drop tcp", 1), ("drop from 203.0.113.0/24", 1)],
        ),
        Story {
            default: "drop",
            ..story(
                &["accept tcp port 80"],
                vec![pass(&web), drop(&dns, Reason::FirewallDefault), pass(&arp()), pass(&lldp), pass(&ndp)],
                &[("accept tcp port 80", 1)],
            )
        },
        story(
            &["redirect eth1 udp", "drop"],
            vec![
                (dns.clone(), Action::Redirect, Reason::RuleRedirect),
                drop(&web, Reason::RuleDrop),
                // DHCP is neither's.
                pass(&v4(17, &udp(68, 67))),
            ],
            &[("redirect eth1 udp", 1), ("drop", 1)],
        ),
        story(
            &["count all", "count web tcp port 80", "drop tcp", "count rest"],
            vec![drop(&web, Reason::RuleDrop), pass(&dns), pass(&arp()), pass(&ndp)],
            &[("count all", 4), ("count web tcp port 80", 1), ("drop tcp", 1), ("count rest", 3)],
        ),
        // A packet that is in both sets, and in the prefix, is one packet.
        story(
            &[
                "count near from {@office, @wide, 10.0.0.0/31}",
                "limit 1/h burst 2 from {@wide, @office} to not @nobody",
            ],
            vec![
                pass(&dns),
                pass(&dns),
                drop(&dns, Reason::RuleLimit),
                drop(&between(Ipv4Addr::new(10, 9, 9, 9), FAR), Reason::RuleLimit),
                pass(&from_far),
            ],
            &[
                ("count near from {@office, @wide, 10.0.0.0/31}", 4),
                ("limit 1/h burst 2 from {@wide, @office} to not @nobody", 2),
            ],
        ),
        Story {
            told: 4,
            ..story(
                &["log udp", "log 1/2 drop tcp"],
                vec![
                    pass(&dns),
                    drop(&web, Reason::RuleDrop),
                    drop(&web, Reason::RuleDrop),
                    drop(&web, Reason::RuleDrop),
                    pass(&arp()),
                    pass(&dns),
                ],
                &[("log udp", 2), ("log 1/2 drop tcp", 3)],
            )
        },
        // Its counter is of what it drops; the rest goes on.
        story(
            &["limit 1/h burst 2 udp", "count rest udp", "accept"],
            vec![
                pass(&dns),
                pass(&from_far6),
                drop(&dns, Reason::RuleLimit),
                drop(&from_far, Reason::RuleLimit),
                pass(&web),
                pass(&v4(17, &udp(67, 68))),
            ],
            &[("limit 1/h burst 2 udp", 2), ("count rest udp", 3), ("accept", 4)],
        ),
        story(
            &["limit 1/h per source"],
            vec![
                pass(&dns),
                pass(&from_far),
                drop(&dns, Reason::RuleLimit),
                drop(&web, Reason::RuleLimit),
                drop(&from_far, Reason::RuleLimit),
                pass(&between6(FAR6, B6)),
                // The same /64.
                drop(&between6("2001:dead::7".parse().expect("an address"), B6), Reason::RuleLimit),
                pass(&between6("2001:dead:0:1::7".parse().expect("an address"), B6)),
                pass(&lldp),
                drop(&lldp, Reason::RuleLimit),
                pass(&arp()),
            ],
            &[("limit 1/h per source", 5)],
        ),
        story(
            &["limit 1/h per destination/24/128"],
            vec![
                pass(&between(A, FAR)),
                drop(&between(B, Ipv4Addr::new(203, 0, 113, 200)), Reason::RuleLimit),
                pass(&between(A, Ipv4Addr::new(203, 0, 112, 9))),
                pass(&between6(A6, FAR6)),
                pass(&between6(A6, "2001:dead::7".parse().expect("an address"))),
                drop(&between6(B6, FAR6), Reason::RuleLimit),
            ],
            &[("limit 1/h per destination/24/128", 2)],
        ),
        // Who asked is told, but for what is to many or by nobody, is not in plain places, or answers something itself.
        story(
            &["reject tcp port 80", "reject udp", "reject {icmp, icmpv6} type not 135"],
            vec![
                tell(&web),
                tell(&v6(6, &tcp(4000, 80, 0x10))),
                drop(&v4(6, &tcp(4000, 80, 0x04)), Reason::RuleReject),
                drop(&v6(6, &tcp(4000, 80, 0x14)), Reason::RuleReject),
                // The rest of it is not there to be acknowledged.
                drop(&over_v4(&Ipv4 { fragment: 0x2000, ..plain(6) }, &tcp(4000, 80, 2)), Reason::RuleReject),
                tell(&dns),
                tell(&between6(A6, B6)),
                drop(&between(A, Ipv4Addr::BROADCAST), Reason::RuleReject),
                drop(&between(A, Ipv4Addr::new(224, 0, 0, 1)), Reason::RuleReject),
                drop(&between(Ipv4Addr::new(127, 0, 0, 1), B), Reason::RuleReject),
                drop(&between(Ipv4Addr::UNSPECIFIED, B), Reason::RuleReject),
                drop(&between6(A6, "ff02::1".parse().expect("an address")), Reason::RuleReject),
                drop(&between6("::1".parse().expect("an address"), B6), Reason::RuleReject),
                drop(&to_many(&dns), Reason::RuleReject),
                tell(&first),
                drop(&second, Reason::RuleReject),
                drop(&over_v4(&Ipv4 { options: vec![1; 4], ..plain(17) }, &udp(1, 2)), Reason::RuleReject),
                drop(&behind(vec![Extension::Fragment(0)], 17, &udp(1, 2)), Reason::RuleReject),
                tell(&v4(1, &ping(8, 0))),
                tell(&v6(58, &ping6(128, 0))),
                drop(&v4(1, &ping(3, 0)), Reason::RuleReject),
                drop(&v4(1, &ping(5, 0)), Reason::RuleReject),
                drop(&v6(58, &ping6(1, 0)), Reason::RuleReject),
                drop(&v6(58, &ping6(137, 0)), Reason::RuleReject),
                pass(&ndp),
                pass(&v4(6, &tcp(4000, 81, 2))),
            ],
            &[("reject tcp port 80", 5), ("reject udp", 13), ("reject {icmp, icmpv6} type not 135", 6)],
        ),
        // Of several the last one stands, and only of packets that come to the kernel.
        Story {
            marks: &[0x10, 0x20, 0x20, 7, 0x20],
            ..story(
                &[
                    "mark 0x10 tcp",
                    "accept tcp port 443",
                    "mark 0x20 {tcp, udp}",
                    "redirect eth1 udp port 9",
                    "drop tcp port 81",
                    "limit 1/h udp port 54",
                    "mark 7 ethertype arp",
                ],
                vec![
                    pass(&v4(6, &tcp(4000, 443, 2))),
                    pass(&web),
                    pass(&dns),
                    pass(&arp()),
                    pass(&v4(1, &ping(8, 0))),
                    pass(&lldp),
                    (v4(17, &udp(4000, 9)), Action::Redirect, Reason::RuleRedirect),
                    drop(&v4(6, &tcp(4000, 81, 2)), Reason::RuleDrop),
                    pass(&v4(17, &udp(4000, 54))),
                    drop(&v4(17, &udp(4000, 54)), Reason::RuleLimit),
                    // What was noted of those before is not the next one's.
                    pass(&v4(1, &ping(8, 0))),
                ],
                &[
                    ("mark 0x10 tcp", 3),
                    ("accept tcp port 443", 1),
                    ("mark 0x20 {tcp, udp}", 6),
                    ("redirect eth1 udp port 9", 1),
                    ("drop tcp port 81", 1),
                    ("limit 1/h udp port 54", 1),
                    ("mark 7 ethertype arp", 1),
                ],
            )
        },
        Story {
            default: "drop",
            marks: &[0xffff_ffff, 1],
            ..story(
                &["mark 1", "mark 0xffffffff tcp", "accept tcp"],
                vec![pass(&web), drop(&dns, Reason::FirewallDefault), pass(&ndp)],
                &[("mark 1", 3), ("mark 0xffffffff tcp", 1), ("accept tcp", 1)],
            )
        },
        // By default later fragments are judged, and have no ports.
        story(
            &["drop udp port 53", "count later fragment later"],
            vec![drop(&first, Reason::RuleDrop), pass(&second), drop(&dns, Reason::RuleDrop)],
            &[("drop udp port 53", 2), ("count later fragment later", 1)],
        ),
        Story {
            fragments: "drop",
            ..story(
                &["accept"],
                vec![drop(&first, Reason::Fragment), drop(&second, Reason::Fragment), pass(&dns)],
                &[("accept", 1)],
            )
        },
        Story {
            fragments: "pass",
            default: "drop",
            ..story(
                &["drop udp port 53"],
                vec![drop(&first, Reason::RuleDrop), pass(&second), drop(&web, Reason::FirewallDefault)],
                &[("drop udp port 53", 1)],
            )
        },
    ]
}
