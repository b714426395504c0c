//! The section `[firewall]`: what it comes to in the kernel, and what is said of mistakes.

use std::collections::BTreeMap;

use abi::Stage;
use firewall::{
    config::{Firewall, MOST_ENTRIES},
    control::{HITS, blocks},
    shared::Value,
};
use policy::{Answer, Cidr, Contents, PrefixTable, Slots, Subject, Tables};
use prefix::{TableV4, TableV6};
use proptest::{collection::vec, prelude::*, sample::Index, test_runner::TestRunner};
use testkit::sections::Scene;

fn scene() -> Scene {
    Scene::new(
        &["eth0"],
        &[("office", &["192.0.2.0/24", "2001:db8:1::/48"]), ("bad", &["198.51.100.0/24", "192.0.2.0/24"])],
    )
}

fn tables(scene: &Scene, text: &str, slots: &mut Slots) -> Tables {
    let (valid, problems) = scene.read(&Firewall, text);
    assert!(problems.iter().all(|problem| problem.starts_with("warning")), "{problems:?}");
    valid.expect("no errors").tables(&scene.world(), slots)
}

/// Prefixes of a table, with what becomes of them and the slot that counts them.
fn listed(tables: &Tables, map: &str) -> Vec<(String, bool, u32)> {
    let say = |prefix: Cidr, value: u32| (prefix.to_string(), Value(value).is_allow(), Value(value).slot());
    match &tables.maps[map] {
        Contents::Prefixes(PrefixTable::V4 { list, .. }) => {
            list.iter().map(|(prefix, value)| say(Cidr::V4(*prefix), *value)).collect()
        }
        Contents::Prefixes(PrefixTable::V6 { list, .. }) => {
            list.iter().map(|(prefix, value)| say(Cidr::V6(*prefix), *value)).collect()
        }
        other => panic!("{map} is {other:?}"),
    }
}

const EXAMPLE: &str = r#"
default = "drop"
allow = ["@office"]
drop = ["@bad", "198.51.100.7"]
"#;

#[test]
fn the_first_entry_with_a_prefix_decides_and_counts() {
    let scene = scene();
    let tables = tables(&scene, EXAMPLE, &mut Slots::default());
    let expected = [
        ("192.0.2.0/24".to_owned(), true, 0),
        ("198.51.100.0/24".into(), false, 1),
        ("198.51.100.7/32".into(), false, 2),
    ];
    assert_eq!(listed(&tables, "FIREWALL_NODES_V4"), expected);
    assert_eq!(listed(&tables, "FIREWALL_NODES_V6"), [("2001:db8:1::/48".to_owned(), true, 0)]);
    let hits = Contents::Carried { max_entries: HITS, zero: vec![0, 1, 2] };
    assert_eq!(tables.maps["FIREWALL_HITS"], hits);
    let globals: BTreeMap<&str, Vec<u8>> =
        [("FIREWALL_DEFAULT_DROP", vec![1]), ("FIREWALL_LISTS", vec![1])].into();
    assert_eq!((tables.everywhere.stages, tables.everywhere.globals), (Stage::Firewall.bit(), globals));
    let subjects: Vec<(u32, Subject)> =
        tables.counted.into_iter().map(|counted| (counted.slot, counted.subject)).collect();
    let set = |rule: &str, set: &str| Subject::Set { rule: rule.into(), set: set.into() };
    let expected = [
        (0, set("allow @office", "office")),
        (1, set("drop @bad", "bad")),
        (2, Subject::Rule("drop 198.51.100.7".into())),
    ];
    assert_eq!(subjects, expected);
}

#[test]
fn without_lists_there_are_no_tables() {
    let scene = scene();
    let tables = tables(&scene, "", &mut Slots::default());
    assert!(tables.maps.is_empty() && tables.counted.is_empty());
    assert_eq!(tables.everywhere.globals["FIREWALL_LISTS"], [0]);
    assert_eq!(tables.everywhere.globals["FIREWALL_DEFAULT_DROP"], [0]);
}

#[test]
fn a_rule_that_stays_keeps_its_counter() {
    let scene = scene();
    let mut slots = Slots::default();
    tables(&scene, EXAMPLE, &mut slots);
    slots.release_unwanted();
    let tables = tables(&scene, "drop = [\"203.0.113.0/24\", \"@bad\"]", &mut slots);
    let slots: Vec<(u32, &str)> =
        tables.counted.iter().map(|counted| (counted.slot, counted.subject.rule())).collect();
    assert_eq!(slots, [(3, "drop 203.0.113.0/24"), (1, "drop @bad")]);
    assert_eq!(tables.maps["FIREWALL_HITS"], Contents::Carried { max_entries: HITS, zero: vec![3] });
}

#[test]
fn mistakes_are_named() {
    let cases: &[(&str, &[&str])] = &[
        (
            "default = \"reject\"\ndrop = [\"10.0.0.1/8\", 7]",
            &[
                r#"error 1:11 `"reject"`: `default` wants "accept" or "drop", not "reject""#,
                r#"error 2:9 `"10.0.0.1/8"`: `10.0.0.1/8` has bits set behind its length: did you mean 10.0.0.0/8?"#,
                r#"error 2:23 `7`: `drop` wants an array of prefixes, addresses and "@set", not an integer"#,
            ],
        ),
        (
            "drop = [\"10.0.0.0/8\", \"@bad\", \"10.0.0.0/8\", \"@bad\"]",
            &[
                r#"warning 1:31 `"10.0.0.0/8"`: `10.0.0.0/8` stands twice in `drop` (first here: 1:9 `"10.0.0.0/8"`); remove one of the two"#,
                r#"warning 1:45 `"@bad"`: `@bad` stands twice in `drop` (first here: 1:23 `"@bad"`); remove one of the two"#,
            ],
        ),
        (
            "drop = [\"192.0.2.7\"]\nallow = [\"192.0.2.7/32\"]",
            &[
                r#"warning 1:9 `"192.0.2.7"`: `192.0.2.7` is allowed already, so nothing is dropped here (allowed here: 2:10 `"192.0.2.7/32"`); remove one of the two"#,
            ],
        ),
        (
            "default = \"drop\"",
            &[
                r#"warning 1:11 `"drop"`: this drops every IP packet: nothing is accepted; name those that shall come through in `allow` or in a rule, yourself among them"#,
            ],
        ),
    ];
    for (text, expected) in cases {
        let (valid, problems) = scene().read(&Firewall, text);
        assert_eq!(problems, *expected, "{text}");
        assert_eq!(valid.is_some(), expected.iter().all(|line| line.starts_with("warning")), "{text}");
    }
}

#[test]
fn there_can_be_so_many_rules_and_no_more() {
    let text = |count: usize| {
        let list: Vec<String> = (0..count).map(|i| format!("\"10.{}.{}.0/24\"", i >> 8, i & 255)).collect();
        format!("drop = [{}]", list.join(","))
    };
    let (valid, problems) = scene().read(&Firewall, &text(MOST_ENTRIES));
    assert_eq!(problems, Vec::<String>::new());
    // Even when every rule is exchanged, no slot is beyond the counters.
    let mut slots = Slots::of((0..MOST_ENTRIES as u32).map(|slot| (format!("old {slot}"), slot)));
    let tables = valid.expect("no errors").tables(&scene().world(), &mut slots);
    assert_eq!(tables.counted.iter().map(|counted| counted.slot).max(), Some(HITS - 1));
    let (valid, problems) = scene().read(&Firewall, &text(MOST_ENTRIES + 1));
    assert!(valid.is_none());
    assert_eq!(
        problems,
        [
            r#"error 1:133193 `"10.32.0.0/24"`: `allow` and `drop` have 8193 entries, more than 8192; put prefixes into a set, which counts as one: [sets] name = { file = "name.txt" }"#
        ]
    );
}

#[test]
fn a_live_edit_writes_what_a_new_generation_would() {
    let scene = scene();
    let (valid, _) = scene.read(&Firewall, EXAMPLE);
    let valid = valid.expect("no errors");
    let mut slots = Slots::default();
    let before = valid.tables(&scene.world(), &mut slots);
    // 192.0.2.0/24 leaves the office: the other set has it, too. 203.0.113.0/24 is in neither.
    let edited = Scene::new(&["eth0"], &[("office", &[]), ("bad", &["198.51.100.0/24", "192.0.2.0/24"])]);
    let after = valid.tables(&edited.world(), &mut slots.clone());
    assert_ne!(before.maps, after.maps);
    for (text, table, value) in [
        ("192.0.2.0/24", "FIREWALL_NODES_V4", Some(Value::drop(1).0)),
        ("2001:db8:1::/48", "FIREWALL_NODES_V6", None),
        ("203.0.113.0/24", "FIREWALL_NODES_V4", None),
        ("198.51.100.7", "FIREWALL_NODES_V4", Some(Value::drop(2).0)),
    ] {
        let prefix: Cidr = text.parse().expect("a prefix");
        let answers = valid.answers(&edited.world(), &slots, prefix);
        assert_eq!(answers, [Answer { table, value }], "{text}");
        let listed = listed(&after, table);
        let found = listed.iter().find(|(listed, ..)| *listed == prefix.to_string());
        assert_eq!(found.map(|(_, _, slot)| *slot), value.map(|value| Value(value).slot()), "{text}");
    }
}

#[test]
fn blocks_stand_below_the_section() {
    let scene = scene();
    let list = [("203.0.113.9", 4), ("2001:db8::/32", 5)]
        .map(|(text, slot)| (text.parse().expect("a prefix"), slot));
    let mut all = blocks(&list);
    assert_eq!(listed(&all, "BLOCK_NODES_V4"), [("203.0.113.9/32".to_owned(), false, 4)]);
    assert_eq!(listed(&all, "BLOCK_NODES_V6"), [("2001:db8::/32".to_owned(), false, 5)]);
    assert_eq!(all.everywhere.globals["FIREWALL_LISTS"], [0]);
    all.lay_over(tables(&scene, EXAMPLE, &mut Slots::default()));
    assert_eq!(all.everywhere.globals["FIREWALL_LISTS"], [1]);
    assert_eq!(all.everywhere.globals["FIREWALL_BLOCKS"], [1]);
    assert_eq!(all.maps.len(), 6);
}

/// Any lists and sets against the sentence of the manual: the longest prefix decides, and of those that are the same the
/// first in the order of the lists.
#[test]
fn the_tables_say_what_the_lists_say() {
    let prefix = (any::<bool>(), 0_u32..16, 0_u8..5).prop_map(|(six, bits, length)| {
        // Sixteen neighbours with lengths that nest, so that many meet.
        let kept = bits >> (4 - length) << (4 - length);
        if six {
            format!("2001:db8::{kept:x}/{}", 124 + length)
        } else {
            format!("10.0.0.{kept}/{}", 28 + length)
        }
    });
    let lists = (
        vec(vec(prefix.clone(), 0..6), 3),
        vec((any::<bool>(), prop_oneof![any::<Index>().prop_map(Err), prefix.prop_map(Ok),]), 0..10),
    );
    let config = ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() };
    let result = TestRunner::new(config).run(&lists, |(sets, rules)| {
        let names = ["a", "b", "c"];
        let texts: Vec<Vec<&str>> = sets.iter().map(|set| set.iter().map(String::as_str).collect()).collect();
        let unique: Vec<Vec<&str>> = texts
            .iter()
            .map(|set| {
                let mut set = set.clone();
                set.sort_unstable();
                set.dedup();
                set
            })
            .collect();
        let sets: Vec<(&str, &[&str])> = names.into_iter().zip(unique.iter().map(Vec::as_slice)).collect();
        let scene = Scene::new(&["eth0"], &sets);
        // Entries in the order that decides: `allow` first.
        let mut entries: Vec<(bool, String, Vec<&str>)> = Vec::new();
        for allow in [true, false] {
            for (_, what) in rules.iter().filter(|(is_allow, _)| *is_allow == allow) {
                entries.push(match what {
                    Ok(prefix) => (allow, prefix.clone(), vec![prefix]),
                    Err(index) => {
                        let (name, list) = *index.get(&sets);
                        (allow, format!("@{name}"), list.to_vec())
                    }
                });
            }
        }
        let quoted = |allow: bool| {
            let texts =
                entries.iter().filter(|entry| entry.0 == allow).map(|entry| format!("\"{}\"", entry.1));
            texts.collect::<Vec<String>>().join(",")
        };
        let text = format!("allow = [{}]\ndrop = [{}]", quoted(true), quoted(false));
        let tables = tables(&scene, &text, &mut Slots::default());
        let Some(Contents::Prefixes(PrefixTable::V4 { list, .. })) = tables.maps.get("FIREWALL_NODES_V4")
        else {
            prop_assert!(entries.is_empty());
            return Ok(());
        };
        let v4 = TableV4::in_memory(list, 0).expect("a sound list");
        let Contents::Prefixes(PrefixTable::V6 { list, .. }) = &tables.maps["FIREWALL_NODES_V6"] else {
            panic!("both families have a table")
        };
        let v6 = TableV6::in_memory(list, 0).expect("a sound list");
        let counted: BTreeMap<u32, &str> =
            tables.counted.iter().map(|counted| (counted.slot, counted.subject.rule())).collect();
        for address in 0_u32..20 {
            for six in [false, true] {
                let covering = entries.iter().flat_map(|(allow, text, list)| {
                    list.iter().filter_map(move |prefix| {
                        let (start, length) = prefix.split_once('/').expect("a length");
                        let wide = start.contains(':');
                        let length: u32 =
                            length.parse::<u32>().expect("a number") - if wide { 124 } else { 28 };
                        let digits = start.rsplit(if wide { ':' } else { '.' }).next().expect("an address");
                        let radix = if wide { 16 } else { 10 };
                        let start = if digits.is_empty() {
                            0
                        } else {
                            u32::from_str_radix(digits, radix).expect("digits")
                        };
                        let covers = wide == six && start >> (4 - length) == address >> (4 - length);
                        covers.then_some((length, *allow, text))
                    })
                });
                // The first of the longest ones.
                let best = covering.reduce(|best, next| if next.0 > best.0 { next } else { best });
                let value = if six {
                    v6.lookup((0x2001_0db8_u128 << 96) + u128::from(address))
                } else {
                    v4.lookup((10 << 24) + address)
                };
                let said =
                    (value != 0).then(|| (Value(value).is_allow(), counted[&Value(value).slot()].to_owned()));
                let expected = best.map(|(_, allow, text)| {
                    (allow, format!("{} {text}", if allow { "allow" } else { "drop" }))
                });
                prop_assert_eq!(said, expected, "{} {}", address, text);
            }
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}
