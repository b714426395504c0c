use std::collections::HashSet;

use super::{
    ANY_PORT, Family, FiveTuple, first_match, host_bits,
    profile::{Ports, Wild},
    rules, statistics, trace,
};

/// Whether all of `inner`'s box lies in `outer`'s.
fn lies_in(inner: &FiveTuple, outer: &FiveTuple) -> bool {
    let prefix = |inner: (u32, u8), outer: (u32, u8)| inner.1 >= outer.1 && super::covers(outer, inner.0);
    let range = |inner: (u16, u16), outer: (u16, u16)| outer.0 <= inner.0 && inner.1 <= outer.1;
    prefix(inner.source, outer.source)
        && prefix(inner.destination, outer.destination)
        && range(inner.source_port, outer.source_port)
        && range(inner.destination_port, outer.destination_port)
        && (outer.protocol.is_none() || inner.protocol == outer.protocol)
}

#[test]
fn as_many_boxes_as_asked_for() {
    for family in Family::ALL {
        for count in [0, 1, 2, 10, 300, 20_000] {
            let rules = rules(family, count, 3);
            let boxes: HashSet<FiveTuple> =
                rules.iter().map(|rule| FiveTuple { drop: false, ..rule.clone() }).collect();
            assert_eq!((rules.len(), boxes.len()), (count, count), "{family:?}");
        }
    }
}

#[test]
fn one_seed_one_set() {
    for family in Family::ALL {
        let set = rules(family, 500, 1);
        assert_eq!(set, rules(family, 500, 1));
        assert_ne!(set, rules(family, 500, 2));
        assert_eq!(trace(&set, 700, 1), trace(&set, 700, 1));
        assert_ne!(trace(&set, 700, 1), trace(&set, 700, 2));
    }
}

/// A change of the generator changes every benchmark's input: it should be seen.
#[test]
fn sets_stay_what_they_are() {
    let first = Family::ALL.map(|family| rules(family, 100, 1)[50].text());
    let wanted = [
        "accept tcp from 178.68.123.192/26 to 187.148.121.128/25 port 443",
        "drop tcp to 180.130.209.103 port 110",
        "accept from 173.58.72.129 to 44.113.58.176",
    ];
    assert_eq!(first, wanted);
}

#[test]
fn rules_are_well_formed() {
    for family in Family::ALL {
        for rule in rules(family, 5000, 4) {
            for (bits, length) in [rule.source, rule.destination] {
                assert!(length <= 32 && bits & host_bits(length) == 0, "{rule:?}");
            }
            for ports in [rule.source_port, rule.destination_port] {
                assert!(ports.0 <= ports.1, "{rule:?}");
                assert!(ports == ANY_PORT || matches!(rule.protocol, Some(6 | 17)), "{rule:?}");
            }
        }
    }
}

#[test]
fn no_rule_lies_in_one_before_it() {
    for family in Family::ALL {
        let rules = rules(family, 1500, 5);
        let mut overlaps = 0;
        for (i, later) in rules.iter().enumerate() {
            for earlier in &rules[..i] {
                assert!(!lies_in(later, earlier), "{} hides {}", earlier.text(), later.text());
                overlaps += usize::from(lies_in(earlier, later));
            }
        }
        assert!(overlaps > 500, "{family:?}: only {overlaps} rules lie in others");
    }
}

/// Share of rules, per mille.
fn share(rules: &[FiveTuple], is: impl Fn(&FiveTuple) -> bool) -> u32 {
    (rules.iter().filter(|rule| is(rule)).count() * 1000 / rules.len()) as u32
}

fn near(what: &str, found: u32, wanted: u32, tolerance: u32) {
    assert!(found.abs_diff(wanted) <= tolerance, "{what}: {found} ‰ instead of {wanted} ‰");
}

/// Double ones are not made twice, so the shares of the most common boxes are a little lower than in the tables.
#[test]
fn shares_are_those_of_the_tables() {
    for family in Family::ALL {
        let profile = family.profile();
        let rules = rules(family, 10_000, 6);
        let services = |is: fn(&(Option<u8>, Ports, Ports)) -> bool| -> u32 {
            profile.services.iter().filter(|(service, _)| is(service)).map(|(_, weight)| weight).sum()
        };
        let wild = |one: Wild| -> u32 {
            let either = profile.wild.iter().filter(|(wild, _)| *wild == one || *wild == Wild::Both);
            either.map(|(_, weight)| weight).sum()
        };
        let name = |what: &str| format!("{family:?} {what}");
        let any_source = share(&rules, |rule| rule.source.1 == 0);
        near(&name("any source"), any_source, wild(Wild::Source), 35);
        let any_destination = share(&rules, |rule| rule.destination.1 == 0);
        near(&name("any destination"), any_destination, wild(Wild::Destination), 35);
        for (number, wanted) in [
            (None, services(|service| service.0.is_none())),
            (Some(1), services(|service| service.0 == Some(1))),
            (Some(6), services(|service| service.0 == Some(6))),
            (Some(17), services(|service| service.0 == Some(17))),
        ] {
            let found = share(&rules, |rule| rule.protocol == number);
            near(&name(&format!("protocol {number:?}")), found, wanted, 40);
        }
        let any_port = |ports: (u16, u16)| ports == ANY_PORT;
        let high = |ports: (u16, u16)| ports == (1024, u16::MAX);
        let exact = |ports: (u16, u16)| ports.0 == ports.1;
        for (what, found, wanted) in [
            (
                "any source port",
                share(&rules, |rule| any_port(rule.source_port)),
                services(|service| service.1 == Ports::Any),
            ),
            (
                "high source port",
                share(&rules, |rule| high(rule.source_port)),
                services(|service| service.1 == Ports::High),
            ),
            (
                "one source port",
                share(&rules, |rule| exact(rule.source_port)),
                services(|service| service.1 == Ports::Exact),
            ),
            (
                "any destination port",
                share(&rules, |rule| any_port(rule.destination_port)),
                services(|service| service.2 == Ports::Any),
            ),
            (
                "high destination port",
                share(&rules, |rule| high(rule.destination_port)),
                services(|service| service.2 == Ports::High),
            ),
            (
                "one destination port",
                share(&rules, |rule| exact(rule.destination_port)),
                services(|service| service.2 == Ports::Exact),
            ),
        ] {
            near(&name(what), found, wanted, 45);
        }
    }
}

#[test]
fn tables_add_up() {
    for family in Family::ALL {
        let profile = family.profile();
        for side in [&profile.source, &profile.destination] {
            assert_eq!(side.lengths.iter().map(|(_, weight)| weight).sum::<u32>(), 1000);
        }
        assert_eq!(profile.wild.iter().map(|(_, weight)| weight).sum::<u32>(), 1000);
        assert_eq!(profile.services.iter().map(|(_, weight)| weight).sum::<u32>(), 1000);
    }
}

#[test]
fn rules_share_values_and_prefixes_nest() {
    for family in Family::ALL {
        for count in [1000, 20_000] {
            let s = statistics(&rules(family, count, 7));
            let profile = family.profile();
            assert!(s.sources < count / 4 && s.destinations < count / 3 && s.pairs < count * 3 / 4, "{s:?}");
            assert!(s.source_ports + s.destination_ports < 230 && s.protocols <= 6, "{s:?}");
            for (nesting, limit) in [
                (&s.source_nesting, profile.source.nesting),
                (&s.destination_nesting, profile.destination.nesting),
            ] {
                let nested: usize = nesting.prefixes[1..].iter().sum();
                assert!(nested * 8 > nesting.prefixes[0], "{family:?} {count}: {nesting:?}");
                assert!((2..=limit as usize).contains(&nesting.most), "{family:?} {count}: {nesting:?}");
            }
        }
    }
}

#[test]
fn a_trace_hits_nearly_every_rule() {
    for family in Family::ALL {
        let count = 1000;
        let rules = rules(family, count, 8);
        let packets = trace(&rules, 10 * count, 8);
        assert_eq!(packets.len(), 10 * count);
        let (mut hit, mut own) = (vec![false; count], 0);
        for (i, packet) in packets.iter().enumerate() {
            assert!(rules[i % count].matches(packet), "{packet:?} is not in {}", rules[i % count].text());
            let first = first_match(&rules, packet).expect("at least its own rule matches");
            hit[first] = true;
            own += usize::from(first == i % count);
        }
        let hit = hit.iter().filter(|&&hit| hit).count();
        assert!(hit >= count * 95 / 100, "{family:?}: {hit} rules hit");
        assert!(own >= 8 * count, "{family:?}: {own} packets met their own rule first");
    }
}

#[test]
fn no_rules_no_packets() {
    assert_eq!(trace(&[], 5, 1), Vec::<[u32; 5]>::new());
    assert_eq!(first_match(&[], &[0; 5]), None);
}

#[test]
fn a_rule_matches_up_to_its_edges() {
    let rule = FiveTuple {
        source: (0x0a00_0000, 8),
        destination: (0xc000_0201, 32),
        source_port: (1024, u16::MAX),
        destination_port: (80, 80),
        protocol: Some(6),
        drop: true,
    };
    let inside = [0x0aff_ffff, 0xc000_0201, 1024, 80, 6];
    assert!(rule.matches(&inside));
    for (field, value) in
        [(0, 0x0b00_0000), (0, 0x09ff_ffff), (1, 0xc000_0202), (2, 1023), (3, 79), (3, 81), (4, 17)]
    {
        let mut outside = inside;
        outside[field] = value;
        assert!(!rule.matches(&outside), "{outside:?}");
    }
}

#[test]
fn text_is_senkos() {
    let all = FiveTuple {
        source: (0, 0),
        destination: (0, 0),
        source_port: ANY_PORT,
        destination_port: ANY_PORT,
        protocol: None,
        drop: false,
    };
    assert_eq!(all.text(), "accept");
    let web = FiveTuple {
        source: (0x0a00_0000, 8),
        destination: (0xc000_0201, 32),
        source_port: (1024, u16::MAX),
        destination_port: (80, 80),
        protocol: Some(6),
        drop: true,
    };
    assert_eq!(web.text(), "drop tcp from 10.0.0.0/8 sport 1024-65535 to 192.0.2.1 port 80");
    let names = [1, 17, 47].map(|number| FiveTuple { protocol: Some(number), ..all.clone() }.text());
    assert_eq!(names, ["accept icmp", "accept udp", "accept protocol 47"]);
}
