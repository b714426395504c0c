//! Rules that stand twice, and rules that never apply.

use std::time::Duration;

use firewall::rule::{
    Place,
    ast::{Action, Rule},
    read, shadowed,
};
use policy::{Problems, Sources, Span, words::shown};
use proptest::{collection::vec, prelude::*, sample::select, test_runner::TestRunner};
use testkit::sections::Scene;

use crate::{language::scene, packet};

/// Rules of a file with a rule a line; those that are wrong are left out.
fn rules(scene: &Scene, texts: &[String]) -> (Vec<Rule>, Sources) {
    let mut sources = Sources::default();
    let source = sources.add("senko.toml", texts.join("\n"));
    let mut start = 0;
    let mut rules = Vec::new();
    for text in texts {
        let at = Span { source, start, end: start + text.len() };
        let place = Place { at, inner: Some(start) };
        rules.extend(read(text, place, &scene.world(), &mut Problems::default()));
        start += text.len() + 1;
    }
    (rules, sources)
}

/// What is said of each rule that never applies: its text, `twice` or `never`, and the text of the rule above.
fn found(scene: &Scene, rules: &[Rule], sources: &Sources) -> Vec<(String, &'static str, String)> {
    let mut problems = Problems::default();
    shadowed(rules, &scene.sets, &mut problems);
    let found = problems.iter().map(|problem| {
        assert_eq!(problem.severity.name(), "warning");
        let kind = if problem.message.contains("stands twice") { "twice" } else { "never" };
        let text = sources.text(problem.at.expect("a place"));
        let above = problem.also.as_ref().map_or("", |(at, _)| sources.text(*at));
        assert!(problem.message.contains(&shown(text)), "{problem:?}");
        (text.to_owned(), kind, above.to_owned())
    });
    found.collect()
}

/// `>` is the rule above, `=` stands twice, `!` never applies, and the others may.
#[test]
fn what_never_applies_is_named() {
    for list in [
        &["> drop", "! accept from 10.0.0.0/8"][..],
        &["> drop tcp port 22", "= drop tcp port 22"],
        &["> drop port 22 tcp", "= drop tcp port ssh"],
        &["> drop from {10.0.0.1, 10.0.0.2}", "= drop from {10.0.0.2, 10.0.0.1/32}"],
        // Not the same, but the first decides.
        &["> log drop tcp port 22", "! drop tcp port 22"],
        &["> accept tcp port 22", "! drop tcp port 22"],
        &["> count ssh tcp port 22", "= count ssh tcp port 22"],
        &["count ssh tcp port 22", "count rsh tcp port 22"],
        &["> redirect eth1 tcp", "= redirect eth1 tcp"],
        &["> redirect eth1 tcp", "! redirect eth0 tcp"],
        // Only what decides hides what is below.
        &["limit 10/s", "drop tcp"],
        &["log", "drop tcp"],
        &["mark 1", "drop tcp"],
        &["count all", "drop tcp"],
        &["> reject tcp", "! count web tcp port 80"],
        &["> log 1/10 accept", "! limit 10/s"],
        // Prefixes.
        &["> drop from 10.0.0.0/8", "! accept from 10.1.0.0/16"],
        &["drop from 10.1.0.0/16", "accept from 10.0.0.0/8"],
        &["> drop from 10.0.0.0/8", "! accept from {10.1.0.0/16, 10.2.0.0/16}"],
        &["drop from 10.0.0.0/8", "accept from {10.1.0.0/16, 192.0.2.1}"],
        &["> drop from {192.0.2.0/24, 10.0.0.0/8}", "! accept to 10.0.0.1 from {10.1.0.0/16, 192.0.2.1}"],
        &["drop from 10.0.0.0/8", "accept to 10.1.0.0/16"],
        &["> drop from @office", "= drop from @office"],
        &["> drop from @office", "! accept from @office tcp"],
        &["> drop from @office", "! accept from 192.0.2.7"],
        &["> drop from 198.51.100.0/24", "! accept from @bad"],
        &["> drop from {192.0.0.0/16, 2001:db8::/32}", "! accept from @office"],
        &["drop from 192.0.0.0/16", "accept from @office"],
        &["drop from @office", "accept from 192.0.0.0/16"],
        &["drop from @nobody", "accept from @nothing"],
        &["> drop from not 10.0.0.0/8", "! accept from not {10.0.0.0/8, 192.0.2.0/24}"],
        &["> drop from not 10.0.0.0/8", "! accept from 192.0.2.1"],
        &["drop from not 10.0.0.0/8", "accept from {192.0.2.1, 10.0.0.1}"],
        &["drop from not 10.0.0.0/8", "accept from not 192.0.2.0/24"],
        &["> drop from not @office", "! accept from @bad"],
        // What IP implies.
        &["> drop ip", "! accept from 10.0.0.0/8"],
        &["> drop ip", "! accept icmp"],
        &["drop ip", "accept tcp"],
        &["> drop from 0.0.0.0/0", "! accept ip tcp"],
        &["> drop from 0.0.0.0/0", "! accept to 10.0.0.1"],
        &["> drop from {0.0.0.0/0, ::/0}", "! accept tcp"],
        &["> drop from ::/0", "! accept icmpv6"],
        &["> drop from {0.0.0.0/0, ::/0}", "! accept from not 10.0.0.0/8"],
        &["drop from 0.0.0.0/0", "accept tcp"],
        &["drop from 0.0.0.0/0", "accept on eth0"],
        &["> drop ethertype ipv4", "! accept ip tcp"],
        &["drop ethertype ipv4", "accept ethertype {ipv4, arp}"],
        &["drop from {0.0.0.0/0, ::/0}", "accept ethertype {ipv4, arp}"],
        &["> drop from 0.0.0.0/0", "! accept ethertype ipv4"],
        &["> drop ethertype not arp", "! accept tcp"],
        // Numbers.
        &["> drop tcp", "! accept tcp port 22"],
        &["> drop {tcp, udp}", "! accept udp port 53"],
        &["> drop protocol not tcp", "! accept udp port 53"],
        &["drop udp", "accept {tcp, udp} port 53"],
        &["> drop tcp port 1-1023", "! accept tcp port {22, 80-90}"],
        &["drop tcp port 1-1023", "accept tcp port {22, 1024}"],
        &["> drop tcp port not 22", "! accept tcp port 23-65535"],
        &["> drop tcp port not 22", "! accept tcp port not {22, 80}"],
        &["drop tcp port not 22", "accept tcp port not 80"],
        // A later fragment has no ports.
        &["drop tcp port 0-65535", "accept tcp"],
        &["drop tcp port 22", "accept tcp sport 22"],
        &["> drop length > 100", "! accept length 101-200 ttl < 5"],
        &["> drop icmp type {0, 8}", "! accept icmp type 8"],
        &["> drop fragment", "! accept fragment later"],
        &["> drop not fragment later", "! accept not fragment"],
        &["drop fragment later", "accept not fragment"],
        // Flags.
        &["> drop tcp flags syn/syn", "! accept tcp flags syn"],
        &["drop tcp flags syn", "accept tcp flags syn/syn"],
        &["> drop tcp flags not syn/syn", "! accept tcp flags {ack/syn+ack, none}"],
        // Words.
        &["> accept established", "! drop established tcp"],
        &["accept established", "drop not established"],
        &["> drop options", "! accept ip options"],
        &["> drop on {eth0, eth1}", "! accept on eth1"],
        &["> drop on not eth0", "! accept on eth1"],
        &["drop on not eth0", "accept on not eth1"],
        &["> drop smac {02:00:00:00:00:01, 02:00:00:00:00:02}", "! drop smac 02:00:00:00:00:02 vlan 5"],
        &["drop vlan 5", "drop vlan 6"],
        // The first of several is named, and one that is named itself names nobody.
        &["count a tcp", "> drop tcp", "! drop tcp port {1, 2}", "! accept tcp port 1"],
        &[
            "> drop from 10.0.0.0/8",
            "drop from 11.0.0.0/8",
            "! drop from 10.1.0.0/16",
            "! drop from 10.1.1.0/24",
        ],
        &["drop tcp port 1", "drop tcp port 2", "accept tcp port {1, 2}", "> drop tcp", "! drop tcp port 3"],
    ] {
        let scene = scene();
        let texts: Vec<String> =
            list.iter().map(|text| text.trim_start_matches(['>', '!', '=', ' ']).into()).collect();
        let (rules, sources) = rules(&scene, &texts);
        assert_eq!(rules.len(), list.len(), "{list:?}");
        let above = list.iter().find_map(|text| text.strip_prefix("> ")).unwrap_or_default();
        let expected: Vec<(String, &str, String)> = list
            .iter()
            .filter_map(|text| {
                let kind = if text.starts_with('!') { "never" } else { "twice" };
                let text = text.strip_prefix("! ").or_else(|| text.strip_prefix("= "))?;
                Some((text.to_owned(), kind, above.to_owned()))
            })
            .collect();
        assert_eq!(found(&scene, &rules, &sources), expected, "{list:?}");
    }
}

#[test]
fn both_places_and_a_way_out_are_named() {
    let scene = scene();
    let texts = ["drop tcp", "accept tcp port 22", "drop tcp port 23", "drop tcp"].map(str::to_owned);
    let (rules, sources) = rules(&scene, &texts);
    let mut problems = Problems::default();
    shadowed(&rules, &scene.sets, &mut problems);
    let lines: Vec<String> =
        problems.iter().map(|problem| crate::language::line_of(problem, &sources)).collect();
    assert_eq!(
        lines,
        [
            "warning `accept tcp port 22`: `accept tcp port 22` never applies: `drop tcp` decides all its packets before (decides before: `drop tcp`); write it above that rule, or remove it",
            "warning `drop tcp port 23`: `drop tcp port 23` never applies: `drop tcp` decides all its packets before (decides before: `drop tcp`); remove it: the rule above does the same",
            "warning `drop tcp`: `drop tcp` stands twice (first here: `drop tcp`); remove one of the two",
        ]
    );
}

#[test]
fn not_every_rule_below_a_wall_is_named() {
    let scene = scene();
    let texts: Vec<String> =
        (0..1000).map(|i| if i == 0 { "drop".into() } else { format!("accept tcp port {i}") }).collect();
    let (rules, sources) = rules(&scene, &texts);
    let mut problems = Problems::default();
    shadowed(&rules, &scene.sets, &mut problems);
    let lines: Vec<String> =
        problems.iter().map(|problem| crate::language::line_of(problem, &sources)).collect();
    assert_eq!(lines.len(), 101);
    assert_eq!(
        lines[100],
        "warning `accept tcp port 101`: 899 more rules never apply or stand twice, beginning with this one; mend those that were named, and check again"
    );
}

/// Rules of few words, so that many of them meet.
fn texts() -> impl Strategy<Value = Vec<String>> {
    let conditions: [(&str, &[&str]); 17] = [
        (
            "from",
            &[
                "10.0.0.0/8",
                "10.1.0.0/16",
                "10.1.2.3",
                "0.0.0.0/0",
                "{0.0.0.0/0, ::/0}",
                "@office",
                "@bad",
                "not 10.1.0.0/16",
                "not @bad",
                "2001:db8::/32",
                "{10.0.0.0/8, 2001:db8::/32}",
                "192.0.2.1",
                "not {10.0.0.0/8, ::/0}",
            ],
        ),
        ("to", &["10.0.0.0/8", "10.1.2.3", "@office", "::/0", "not 0.0.0.0/0"]),
        ("protocol", &["tcp", "udp", "{tcp, udp}", "not tcp", "icmp", "icmpv6", "1-20"]),
        ("", &["tcp", "udp", "not {tcp, icmp}"]),
        ("", &["ip", "ipv6", "not ip"]),
        ("port", &["22", "{22, 80}", "1-1023", "not 22", "80"]),
        ("sport", &["53", "not 53"]),
        ("flags", &["syn", "syn/syn", "not syn/syn,ack", "none"]),
        ("type", &["8", "{0, 8}"]),
        ("ttl", &["< 5", "64", "not 64"]),
        ("", &["fragment", "fragment first", "fragment later", "not fragment", "not fragment later"]),
        ("vlan", &["5", "{5, 6}", "not 5"]),
        ("smac", &["02:00:00:00:00:01", "not 02:00:00:00:00:01", "{02:00:00:00:00:01, 02:00:00:00:00:02}"]),
        ("ethertype", &["ipv4", "ipv6", "arp", "{ipv4, arp}", "not arp", "not ipv4"]),
        ("on", &["eth0", "not eth0", "{eth0, eth1}"]),
        ("", &["options", "not options"]),
        ("", &["established", "not established"]),
    ];
    let one = conditions.map(|(word, values)| {
        let values: Vec<String> = values.iter().map(|value| format!("{word} {value}")).collect();
        let values: Vec<String> = values.iter().map(|text| text.trim().to_owned()).collect();
        prop::option::weighted(0.12, select(values)).boxed()
    });
    let action = select(vec!["accept", "drop", "count x", "limit 1/s", "log 1/5 drop", "redirect eth1"]);
    let rule = (action, one.to_vec()).prop_map(|(action, conditions)| {
        let words: Vec<String> = conditions.into_iter().flatten().collect();
        format!("{action} {}", words.join(" ")).trim().to_owned()
    });
    vec(rule, 2..60)
}

/// A rule is named exactly when it is for one of the rules above, alone, and the first of them is named with it. No packet
/// contradicts.
#[test]
fn the_index_finds_what_a_look_at_all_pairs_finds_and_packets_agree() {
    let scene = scene();
    let config = ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() };
    let (mut named, mut hits) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let result = TestRunner::new(config).run(&(texts(), vec(packet::packet(), 200)), |(texts, packets)| {
        let (rules, sources) = rules(&scene, &texts);
        let all = found(&scene, &rules, &sources);
        // Equal texts make spans the only way to tell rules apart.
        let mut problems = Problems::default();
        shadowed(&rules, &scene.sets, &mut problems);
        let at = |span: Span| rules.iter().position(|rule| rule.at == span).expect("a rule");
        let pairs: Vec<(usize, usize)> = problems
            .iter()
            .map(|problem| (at(problem.at.expect("a place")), at(problem.also.as_ref().expect("another").0)))
            .collect();
        let mut expected = Vec::new();
        let mut gone = vec![false; rules.len()];
        for below in 0..rules.len() {
            let pair = |above: usize| {
                let found = found(&scene, &[rules[above].clone(), rules[below].clone()], &sources);
                found.first().map(|(_, kind, _)| *kind)
            };
            let is_final =
                |rule: &Rule| matches!(rule.action, Action::Accept | Action::Drop | Action::Redirect(_));
            let decides =
                (0..below).find(|above| !gone[*above] && is_final(&rules[*above]) && pair(*above).is_some());
            let twice = || (0..below).find(|above| !gone[*above] && pair(*above) == Some("twice"));
            if let Some(above) = decides.or_else(twice) {
                gone[below] = true;
                expected.push((below, above));
            }
        }
        prop_assert_eq!(&pairs, &expected, "{:?}", all);
        named.set(named.get() + pairs.len());
        for (below, above) in pairs {
            for packet in packets.iter().filter(|packet| packet.matches(&rules[below], &scene.sets)) {
                hits.set(hits.get() + 1);
                prop_assert!(
                    packet.matches(&rules[above], &scene.sets),
                    "{} | {} | {packet:?}",
                    rules[above].text,
                    rules[below].text
                );
            }
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    assert!(*named.get_mut() > 100 && *hits.get_mut() > 100, "{named:?} {hits:?}");
}

/// Rule lists of the shape that grows: many prefixes, a service each.
fn acl(count: u32) -> Vec<String> {
    let mut state = 1_u64;
    let mut below = move |end: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) % end
    };
    (0..count)
        .map(|_| {
            let (length, action) =
                ([16, 24, 24, 32][below(4) as usize], ["accept", "drop"][below(2) as usize]);
            let mut address = |length: u32| {
                let bits = (10 << 24 | below(1 << 24) as u32) >> (32 - length) << (32 - length);
                format!("{}/{length}", std::net::Ipv4Addr::from_bits(bits))
            };
            let (from, to) = (address(length), address(24));
            let protocol = ["tcp", "udp"][below(2) as usize];
            match below(4) {
                0 => format!("{action} from {from} to {to}"),
                1 => format!("{action} {protocol} from {from} to {to} port {}-65535", below(60_000)),
                _ => format!("{action} {protocol} from {from} to {to} port {}", below(1024)),
            }
        })
        .collect()
}

/// The time that this thread has been running, whatever else the machine does.
fn on_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("schedstat");
    let nanoseconds = stat.split(' ').next().and_then(|text| text.parse().ok());
    Duration::from_nanos(nanoseconds.expect("a number"))
}

#[test]
fn many_rules_take_no_time() {
    let scene = scene();
    let wide = |i: u32| format!("drop udp port {}-{}", i % 30_000, 30_001 + i % 9_973);
    let lists: [(&str, Vec<String>); 5] = [
        ("like an access list", acl(100_000)),
        (
            "one source each",
            (0..20_000_u32)
                .map(|i| format!("drop from 10.{}.{}.{}", i >> 16, i >> 8 & 255, i & 255))
                .collect(),
        ),
        ("one port each", (0..20_000_u32).map(|i| format!("drop tcp to 203.0.113.1 port {i}")).collect()),
        (
            "one MAC each",
            (0..20_000_u32)
                .map(|i| format!("drop smac 02:00:00:{:02x}:{:02x}:{:02x}", i >> 16, i >> 8 & 255, i & 255))
                .collect(),
        ),
        // Alike in all that is looked up: not searched to the end, and not slow.
        ("ranges that overlap", (0..20_000).map(wide).collect()),
    ];
    for (name, texts) in lists {
        let before = on_cpu();
        let (rules, _) = rules(&scene, &texts);
        let read = on_cpu() - before;
        assert_eq!(rules.len(), texts.len(), "{name}");
        let before = on_cpu();
        shadowed(&rules, &scene.sets, &mut Problems::default());
        let searched = on_cpu() - before;
        println!("{name}: read in {read:?}, searched in {searched:?}");
        // Of 100 000, 300 ms when optimised; here it is to be seen when the time grows with the square.
        assert!(searched < Duration::from_secs(10), "{name}: {searched:?}");
    }
}
