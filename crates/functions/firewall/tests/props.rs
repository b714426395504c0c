//! The logic over the prefix tables against the model: verdict, reason, bytes, hits by prefix.

mod stage;

use std::{cell::RefCell, collections::BTreeMap, net::Ipv4Addr};

use abi::{Action, Reason, Step};
use firewall::{list::Verdict, model};
use proptest::{collection::vec, prelude::*, test_runner::TestRunner};
use testkit::{
    frames::{self, Extension, Ipv4, Ipv6},
    prefixes::{self, Lists, Switches, datagram},
    random::{self, ADDRESSES_V6},
};

use crate::stage::Stage;

#[test]
fn agrees_with_the_model() {
    let config = ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() };
    let seen: RefCell<BTreeMap<&str, u32>> = RefCell::default();
    let lists = (prefixes::rules(0..40), prefixes::blocks(0..5), prefixes::switches());
    let traffic = (lists, vec(prefixes::aimed(random::frame()), 50..200));
    let result = TestRunner::new(config).run(&traffic, |((rules, blocks, switches), frames)| {
        let lists = Lists::new(&rules).with(&blocks, switches);
        let orders = stage::orders(&lists);
        let mut stage = Stage::new(&lists);
        let (mut hits, mut block_hits) = (BTreeMap::new(), BTreeMap::new());
        let sources: Vec<_> =
            rules.into_iter().chain(blocks.into_iter().map(|block| (block, false))).collect();
        for frame in frames.iter().map(|frame| frame.frame(&sources)) {
            let judgement = model::judge(&frame, &orders);
            for (hits, rule) in [(&mut hits, judgement.hit), (&mut block_hits, judgement.block)] {
                if let Some(rule) = rule {
                    let hit: &mut (u64, u64) = hits.entry(rule.text.clone()).or_default();
                    *hit = (hit.0 + 1, hit.1 + frame.len() as u64);
                }
            }
            let kind = match (judgement.step, judgement.hit.map(|rule| rule.verdict)) {
                (Step::Done(_, Reason::Malformed), _) => "malformed",
                (Step::Done(_, Reason::FirewallDefault), _) => "dropped by default",
                (Step::Done(_, Reason::Blocked), _) => "blocked",
                (_, Some(Verdict::Drop)) => "dropped",
                (_, Some(Verdict::Allow)) => "allowed",
                _ if switches.default_drop => "spared",
                _ => "unclaimed",
            };
            *seen.borrow_mut().entry(kind).or_default() += 1;
            prop_assert_eq!(stage.judge(&frame), (judgement.step, frame));
        }
        prop_assert_eq!((stage.hits(), stage.block_hits()), (hits, block_hits));
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    // Every outcome must be met often, or the test says little.
    let seen = seen.into_inner();
    assert!(seen.len() == 7 && seen.values().all(|count| *count > 300), "{seen:?}");
}

const DROPPED: Step = Step::Done(Action::Drop, Reason::FirewallDrop);

/// The verdicts for addresses, under these lists.
fn verdicts<const N: usize>(drop: &[&str], allow: &[&str], sources: [&str; N]) -> [Step; N] {
    let own = |texts: &[&str]| texts.iter().map(|text| (*text).into()).collect();
    let mut stage = Stage::new(&Lists { drop: own(drop), allow: own(allow), ..Lists::default() });
    sources.map(|source| stage.judge(&datagram(source.parse().expect("an address"), 0, false)).0)
}

#[test]
fn the_longest_prefix_decides_whatever_the_order() {
    let sources = ["10.1.2.3", "10.1.2.4", "10.1.9.9", "10.9.9.9", "11.0.0.0"];
    let steps = verdicts(&["10.0.0.0/8", "10.1.2.0/24"], &["10.1.0.0/16", "10.1.2.3/32"], sources);
    assert_eq!(steps, [Step::Next, DROPPED, Step::Next, DROPPED, Step::Next]);
    let sources = ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "2001:db9::1"];
    let steps = verdicts(&["2001:db8::/32", "2001:db8::1"], &["2001:db8::/64"], sources);
    assert_eq!(steps, [DROPPED, Step::Next, DROPPED, Step::Next]);
}

/// `0.0.0.0/0` is all of IPv4 and nothing of IPv6, and the reverse.
#[test]
fn a_family_is_dropped_alone() {
    assert_eq!(verdicts(&["0.0.0.0/0"], &[], ["255.255.255.255", "::"]), [DROPPED, Step::Next]);
    assert_eq!(verdicts(&["::/0"], &[], ["0.0.0.0", "ffff::1"]), [Step::Next, DROPPED]);
    assert_eq!(verdicts(&["::/0"], &["::/1"], ["7fff::", "8000::"]), [Step::Next, DROPPED]);
}

/// Blocks, lists and the default, each on and off.
#[test]
fn a_block_comes_before_the_lists_and_they_before_the_default() {
    let blocked = Step::Done(Action::Drop, Reason::Blocked);
    let default = Step::Done(Action::Drop, Reason::FirewallDefault);
    let own = |texts: &[&str]| texts.iter().map(|text| (*text).into()).collect();
    for switches in Switches::all() {
        for (drop, allow, block, sources) in [
            (
                ["10.0.0.0/8"],
                ["10.1.0.0/16"],
                ["10.1.2.0/24", "192.0.2.0/24"],
                ["10.1.2.3", "10.1.9.9", "10.9.9.9", "192.0.2.1", "198.51.100.1"],
            ),
            (
                ["2001:db8::/32"],
                ["2001:db8:1::/48"],
                ["2001:db8:1:2::/64", "2001:dead::1"],
                ["2001:db8:1:2::3", "2001:db8:1:9::9", "2001:db8:9::9", "2001:dead::1", "fd00::1"],
            ),
        ] {
            let lists = Lists { drop: own(&drop), allow: own(&allow), block: own(&block), switches };
            let mut stage = Stage::new(&lists);
            let otherwise = if switches.default_drop { default } else { Step::Next };
            let (allowed, dropped) =
                if switches.lists { (Step::Next, DROPPED) } else { (otherwise, otherwise) };
            let expected = if switches.blocks {
                [blocked, allowed, dropped, blocked, otherwise]
            } else {
                [allowed, allowed, dropped, otherwise, otherwise]
            };
            let steps =
                sources.map(|source| stage.judge(&datagram(source.parse().expect("an address"), 0, false)).0);
            assert_eq!(steps, expected, "{switches:?}");
        }
    }
}

/// The default spares what keeps a host reachable; a block and a list do not.
#[test]
fn the_default_locks_nobody_out() {
    let source = "fe80::9".parse().expect("an address");
    let v6 = |protocol, extensions, payload: Vec<u8>| {
        let ip = Ipv6 { source, destination: ADDRESSES_V6[0], protocol, hop_limit: 255, extensions };
        frames::ethernet(&[], frames::IPV6, &frames::ipv6(&ip, &payload))
    };
    let icmpv6 =
        |kind| v6(58, Vec::new(), frames::icmpv6(source, ADDRESSES_V6[0], kind, 0, [0; 4], &[0; 16]));
    let v4 = |protocol, fragment, payload: Vec<u8>| {
        let (source, destination) = (Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST);
        let ip = Ipv4 { source, destination, protocol, ttl: 64, fragment, options: Vec::new() };
        frames::ethernet(&[], frames::IPV4, &frames::ipv4(&ip, &payload))
    };
    let udp = |from, to| frames::udp(from, to, &[0; 300]);
    let spared = [
        icmpv6(130),
        icmpv6(131),
        icmpv6(132),
        icmpv6(143),
        icmpv6(133),
        icmpv6(135),
        icmpv6(137),
        v6(58, vec![Extension::Options(0, 0)], frames::icmpv6(source, source, 130, 0, [0; 4], &[0; 16])),
        v6(17, Vec::new(), udp(547, 546)),
        v6(17, Vec::new(), udp(546, 547)),
        v4(17, 0, udp(68, 67)),
        v4(17, 0x4000, udp(67, 68)),
        frames::ethernet(&[], frames::ARP, &[0; 46]),
    ];
    let not_spared = [
        icmpv6(128),
        icmpv6(129),
        icmpv6(138),
        icmpv6(142),
        icmpv6(144),
        v6(17, Vec::new(), udp(547, 53)),
        v6(17, Vec::new(), udp(67, 68)),
        v6(58, vec![Extension::Fragment(1)], frames::icmpv6(source, source, 135, 0, [0; 4], &[0; 16])),
        v4(17, 0, udp(67, 53)),
        v4(17, 0, udp(546, 547)),
        // The ports of a later fragment are somebody's data, and those of a first one do not bring the others through.
        v4(17, 1, udp(67, 68)),
        v4(17, 0x2000, udp(67, 68)),
        v4(6, 0, frames::tcp(67, 68, 2, &[])),
        // Port 68 with no room for a header.
        v4(17, 0, vec![0, 67, 0, 68]),
        // What announces IP and is none has no prefix either.
        frames::ethernet(&[(0x8100, 5)], frames::IPV4, &[0x45, 0, 0]),
        frames::ethernet(&[], frames::IPV6, &[0x45; 60]),
    ];
    let everything = || vec!["0.0.0.0/0".into(), "::/0".into()];
    let default_drop = Switches { default_drop: true, ..Switches::default() };
    let mut by_default = Stage::new(&Lists { switches: default_drop, ..Lists::default() });
    let mut by_list = Stage::new(&Lists { drop: everything(), switches: default_drop, ..Lists::default() });
    let mut by_block = Stage::new(&Lists { block: everything(), switches: default_drop, ..Lists::default() });
    for (at, frame) in spared.iter().enumerate() {
        assert_eq!(by_default.judge(frame).0, Step::Next, "{at}: {frame:02x?}");
    }
    for (at, frame) in not_spared.iter().enumerate() {
        let default = Step::Done(Action::Drop, Reason::FirewallDefault);
        assert_eq!(by_default.judge(frame).0, default, "{at}: {frame:02x?}");
    }
    for frame in &spared[..9] {
        assert_eq!(by_list.judge(frame).0, DROPPED);
        assert_eq!(by_block.judge(frame).0, Step::Done(Action::Drop, Reason::Blocked));
    }
}
