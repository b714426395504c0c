//! Random rules, as the syntax tree has them: sound ones.

use firewall::rule::ast::{Action, Field, Flags, Limit, LimitKey, Match, Rule, Values};
use policy::{Cidr, Item, Sources, Span, What, Written};
use prefix::{PrefixV4, PrefixV6};
use proptest::{collection::vec, option, prelude::*, sample::select};

fn nowhere() -> Span {
    Span { source: Sources::default().add("nowhere", String::new()), start: 0, end: 0 }
}

fn written(text: &str) -> Written {
    Written { text: text.into(), at: nowhere() }
}

pub fn action() -> impl Strategy<Value = Action> {
    let key = prop_oneof![
        Just(LimitKey::Rule),
        (0..=32_u8, 0..=128_u8).prop_map(|(v4, v6)| LimitKey::Source { v4, v6 }),
        (0..=32_u8, 0..=128_u8).prop_map(|(v4, v6)| LimitKey::Destination { v4, v6 }),
        Just(LimitKey::Source { v4: 32, v6: 64 }),
    ];
    let unit = select(vec![1000_u32, 60_000, 3_600_000]);
    let limit = (1..=u32::MAX, unit, 1..=u32::MAX, any::<bool>(), key).prop_map(
        |(packets, per_milliseconds, burst, is_default, key)| {
            let second = (u64::from(packets) * 1000 / u64::from(per_milliseconds)).max(1) as u32;
            let burst = if is_default { second } else { burst };
            Action::Limit(Limit { packets, per_milliseconds, burst, key })
        },
    );
    prop_oneof![
        Just(Action::Accept),
        Just(Action::Drop),
        Just(Action::Reject),
        Just(Action::Log),
        "[a-z0-9_.-]{1,8}x".prop_map(Action::Count),
        (1..=u32::MAX).prop_map(Action::Mark),
        select(vec!["eth0", "eth1", "br-lan", "tcp"]).prop_map(|name| Action::Redirect(written(name))),
        limit,
    ]
}

/// Sorted, without overlaps and neighbours, and not everything.
fn ranges(most: u32) -> impl Strategy<Value = Values> {
    vec((0..=most - 22, 0..=20_u32), 1..4).prop_map(move |mut starts| {
        starts.sort_unstable();
        let mut ranges: Vec<std::ops::RangeInclusive<u32>> = Vec::new();
        for (start, length) in starts {
            if ranges.last().is_none_or(|last| start > last.end() + 1) {
                // The last number is there at times.
                let end = if start + 22 == most { most } else { start + length };
                ranges.push(start..=end);
            }
        }
        Values::Ranges(ranges)
    })
}

fn numbers(list: &[u32]) -> Values {
    Values::Ranges(list.iter().map(|number| *number..=*number).collect())
}

/// Prefixes of one family, and a set that has both.
fn prefixes(six: bool) -> impl Strategy<Value = Values> {
    let prefix = (any::<u128>(), 1..=128_u8).prop_map(move |(bits, length)| {
        if six {
            Cidr::V6(PrefixV6::truncated(bits, length).expect("a length"))
        } else {
            Cidr::V4(PrefixV4::truncated(bits as u32, length.min(32)).expect("a length"))
        }
    });
    let what = prop_oneof![3 => prefix.prop_map(What::Prefix), 1 => Just(What::Set("office".into()))];
    vec(what, 1..4).prop_map(|mut list| {
        list.sort();
        list.dedup();
        let item = |what| Item { what, text: String::new(), at: nowhere() };
        Values::Prefixes(list.into_iter().map(item).collect())
    })
}

fn flags() -> impl Strategy<Value = Values> {
    let flags = (1..=u8::MAX, any::<u8>()).prop_map(|(mask, value)| (mask, value & mask));
    vec(flags, 1..4).prop_map(|mut list| {
        list.sort_unstable();
        list.dedup();
        Values::Flags(list.into_iter().map(|(mask, value)| Flags { mask, value }).collect())
    })
}

/// Conditions that can hold together, in any order.
fn matches() -> impl Strategy<Value = Vec<(Field, bool, Values)>> {
    let one = |field: Field, values: BoxedStrategy<Values>| {
        option::weighted(0.3, (any::<bool>(), values))
            .prop_map(move |some| some.map(|(not, values)| (field, not, values)))
    };
    let port = |field| one(field, ranges(65_535).boxed());
    let ports = || (port(Field::SourcePort), port(Field::DestinationPort)).prop_map(|(a, b)| vec![a, b]);
    let protocol = |list: &'static [u32]| Just(Some((Field::Protocol, false, numbers(list))));
    let kind = || one(Field::IcmpType, ranges(255).boxed());
    // Both ICMPs alone tie a rule to a family.
    let upper = prop_oneof![
        Just((None, vec![])),
        (protocol(&[6]), (ports(), one(Field::TcpFlags, flags().boxed()))).prop_map(
            |(p, (mut ports, flags))| {
                ports.push(flags.map(|(field, _, values)| (field, false, values)));
                (p, ports)
            }
        ),
        (protocol(&[6, 17]), ports()),
        (protocol(&[17, 33, 132, 136]), ports()),
        (protocol(&[1]), (kind(), any::<u8>())).prop_map(|(p, (kind, code))| {
            let code = Some((Field::IcmpCode, false, numbers(&[code.into()])));
            let one_type = (Field::IcmpType, false, numbers(&[3]));
            (p, if kind.is_some() { vec![kind] } else { vec![Some(one_type), code] })
        }),
        (protocol(&[58]), kind().prop_map(|kind| vec![kind])),
        (protocol(&[1, 58]), kind().prop_map(|kind| vec![kind])),
        (any::<bool>(), ranges(255)).prop_map(|(not, ranges)| (Some((Field::Protocol, not, ranges)), vec![])),
    ];
    let six = any::<bool>();
    (upper, six).prop_flat_map(move |((protocol, upper), six)| {
        let family = match protocol {
            Some((_, false, Values::Ranges(ref ranges))) if ranges[..] == [1..=1] => false,
            Some((_, false, Values::Ranges(ref ranges))) if ranges[..] == [58..=58] => true,
            _ => six,
        };
        let version = numbers(&[if family { 6 } else { 4 }]);
        let has_ports = upper.iter().flatten().next().is_some();
        let fragment = if has_ports { vec![1..=2, 1..=1] } else { vec![1..=2, 1..=1, 2..=2] };
        let macs = vec(any::<[u8; 6]>(), 1..3).prop_map(|mut macs| {
            macs.dedup();
            Values::Macs(macs)
        });
        let names = select(vec![vec!["eth0"], vec!["tcp", "br-lan"], vec!["eth1", "eth0"]]);
        let names =
            names.prop_map(|names| Values::Interfaces(names.into_iter().map(written).collect::<Vec<_>>()));
        let rest = (
            (
                one(Field::Source, prefixes(family).boxed()),
                one(Field::Destination, prefixes(family).boxed()),
                option::weighted(0.2, Just((Field::Version, false, version))),
                one(Field::Length, ranges(65_575).boxed()),
                one(Field::Ttl, ranges(255).boxed()),
                one(Field::Dscp, ranges(63).boxed()),
            ),
            (
                one(Field::Fragment, select(fragment).prop_map(|range| Values::Ranges(vec![range])).boxed())
                    .prop_map(move |some| {
                        some.map(|(field, not, values)| (field, not && !has_ports, values))
                    }),
                one(Field::Vlan, ranges(4095).boxed()),
                one(Field::SourceMac, macs.clone().boxed()),
                one(Field::DestinationMac, macs.boxed()),
                one(Field::Interface, names.boxed()),
                one(Field::Options, Just(Values::Present).boxed()),
                one(Field::Established, Just(Values::Present).boxed()),
            ),
        );
        rest.prop_map(move |((a, b, c, d, e, f), (g, h, i, j, k, l, m))| {
            let all = [protocol.clone(), a, b, c, d, e, f, g, h, i, j, k, l, m];
            all.into_iter().chain(upper.clone()).flatten().collect::<Vec<_>>()
        })
        .prop_shuffle()
    })
}

/// A rule that says what it is, and nothing else.
pub fn rule() -> impl Strategy<Value = Rule> {
    let log = option::weighted(0.3, prop_oneof![Just(1), 1..=u32::MAX]);
    (action(), log, matches()).prop_map(|(action, log, matches)| {
        let log = if action == Action::Log { log.or(Some(1)) } else { log };
        let at = nowhere();
        let matches = matches
            .into_iter()
            .map(|(field, negated, values)| Match { field, negated, values, at })
            .collect();
        let mut rule = Rule { action, log, matches, text: String::new(), at };
        rule.text = rule.to_string();
        rule
    })
}
