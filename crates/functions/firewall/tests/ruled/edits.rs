//! A live edit of a set that rules name: what is written for it, and for the prefixes in it, is what the tables would be if
//! they were made anew.

use std::collections::{BTreeMap, BTreeSet};

use firewall::config::Firewall;
use policy::{Cidr, Contents, PrefixTable, Slots, Tables};
use proptest::{collection::vec, prelude::*, test_runner::TestRunner};
use testkit::{
    rules::{INTERFACES, section},
    sections::Scene,
};

type Lists = BTreeMap<Cidr, u32>;

/// The prefixes of both tables with the bits of the sets that they are in.
fn lists(tables: &Tables) -> Lists {
    let mut lists = Lists::new();
    for contents in tables.maps.values() {
        match contents {
            Contents::Prefixes(PrefixTable::V4 { list, .. }) => {
                lists.extend(list.iter().map(|(prefix, bits)| (Cidr::V4(*prefix), *bits)));
            }
            Contents::Prefixes(PrefixTable::V6 { list, .. }) => {
                lists.extend(list.iter().map(|(prefix, bits)| (Cidr::V6(*prefix), *bits)));
            }
            _ => {}
        }
    }
    lists
}

/// Sixteen neighbours of each family, with lengths that nest.
fn prefix() -> impl Strategy<Value = String> {
    (any::<bool>(), 0_u32..16, 0_u32..5).prop_map(|(six, bits, length)| {
        let kept = bits >> (4 - length) << (4 - length);
        if six {
            format!("2001:db8::{kept:x}/{}", 124 + length)
        } else {
            format!("10.0.0.{kept}/{}", 28 + length)
        }
    })
}

#[test]
fn an_edit_writes_what_a_new_generation_would() {
    let names = ["a", "b", "c"];
    let long: Vec<String> = (0..14).map(|n| format!("10.0.0.{n}")).chain(["10.0.0.0/29".into()]).collect();
    let rules = [
        "drop from @a".to_owned(),
        "accept from {@b, 10.0.0.3} to not @c".into(),
        format!("drop to {{{}}}", long.join(", ")),
        "count six from not {2001:db8::4/126, @a}".into(),
    ];
    let section = section(&rules, "first-only", "accept");
    let story = (vec(vec(prefix(), 0..8), 3), vec((0..3_usize, any::<bool>(), prefix()), 1..12));
    let config = ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() };
    let result = TestRunner::new(config).run(&story, |(sets, edits)| {
        let mut sets: Vec<BTreeSet<String>> = sets.into_iter().map(|set| set.into_iter().collect()).collect();
        let scene = |sets: &[BTreeSet<String>]| {
            let sets: Vec<Vec<&str>> =
                sets.iter().map(|set| set.iter().map(String::as_str).collect()).collect();
            let sets: Vec<(&str, &[&str])> = names.into_iter().zip(sets.iter().map(Vec::as_slice)).collect();
            Scene::new(&INTERFACES, &sets)
        };
        let first = scene(&sets);
        let (valid, problems) = first.read(&Firewall, &section);
        let valid = valid.unwrap_or_else(|| panic!("{problems:?}"));
        let mut slots = Slots::default();
        let mut live = lists(&valid.tables(&first.world(), &mut slots));
        for (set, adds, text) in edits {
            let is_change = if adds { sets[set].insert(text.clone()) } else { sets[set].remove(&text) };
            if !is_change {
                continue;
            }
            let prefix: Cidr = text.parse().expect("a prefix");
            let edited = scene(&sets);
            let others = valid.affected(&edited.world(), prefix);
            for prefix in [vec![prefix], others].concat() {
                for answer in valid.answers(&edited.world(), &slots, prefix) {
                    match answer.value {
                        Some(bits) => live.insert(prefix, bits),
                        None => live.remove(&prefix),
                    };
                }
            }
            let anew = lists(&valid.tables(&edited.world(), &mut slots.clone()));
            prop_assert_eq!(&live, &anew, "@{} {} {}: {:?}", names[set], adds, text, sets);
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}
