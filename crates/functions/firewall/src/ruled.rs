//! From compiled rules to what the maps hold.

use std::{collections::BTreeSet, sync::Arc};

use abi::layout::bytes_of;
use classify::{Cell, Slot};
use policy::{Answer, Cidr, Contents, Counted, PrefixTable, Slots, Subject, Tables, What, World};
use prefix::{PrefixV4, PrefixV6};

use crate::{
    config::Rules,
    flow_table::{self, SEEDS},
    key::ask,
    rule::{
        ast::{Action, Field, Rule, Values},
        compile::Compiled,
        lower::Source,
    },
    shared::{BUCKETS, WHOLE},
};

const SETS_V4: &str = "RULE_SET_NODES_V4";
const SETS_V6: &str = "RULE_SET_NODES_V6";

/// The global that says which addresses share a limit's bucket. What it is must not be known outside, and must stay, or all
/// buckets would be others.
pub const BUCKET_SEED: &str = "RULE_BUCKET_SEED";

/// The global that says which marks before frames are the gateway's own.
pub const MARK_KEY: &str = "RULE_MARK_KEY";

/// Adds the rules' maps, globals and counters.
pub fn tables(
    section: &Rules,
    compiled: &Compiled,
    world: &World<'_>,
    slots: &mut Slots,
    tables: &mut Tables,
) {
    let Compiled { forest, lowered, .. } = compiled;
    let has_others = lowered.lists.iter().any(|list| !list.each.is_empty());
    let are_shared = lowered.limits.iter().any(|limit| limit.word != WHOLE);
    let shared = if are_shared { BUCKETS } else { 1 };
    tables
        .everywhere
        .global("FIREWALL_RULES", 1_u8)
        .global("FIREWALL_FRAGMENTS", section.fragments)
        .global("RULE_TREES", forest.shape.trees as u8)
        .global("RULE_STEPS", forest.arrays.bounds.steps)
        .global("RULE_LEAF", forest.arrays.bounds.cells)
        .global("RULE_LEAF_OF_EACH", forest.arrays.bounds.cells_of_each)
        .global("RULE_ROOTS", forest.arrays.roots().map(|slot| slot.0))
        .global("RULE_OTHERS", u8::from(has_others))
        .global("RULE_BY_FIVE", u8::from(forest.arrays.by_five))
        .global("RULE_LOGS", u8::from(section.rules.iter().any(|rule| rule.log.is_some())))
        .global("RULE_ASKED", lowered.asked)
        .global("RULE_SETS", lowered.looked_up)
        .global("RULE_BUCKET_MASK", shared - 1);
    if are_shared {
        // Whoever loads the program has a secret of the machine's to put there.
        tables.everywhere.global(BUCKET_SEED, 0_u64);
    }
    for (number, interface) in (0_u32..).zip(world.interfaces) {
        tables.on.entry(interface.name.clone()).or_default().global("RULE_INTERFACE", number);
    }
    let counters: Vec<u32> = section.rules.iter().map(|rule| slots.take(&rule.text)).collect();
    for (rule, slot) in section.rules.iter().zip(&counters) {
        let counted =
            Counted { map: "FIREWALL_HITS", slot: *slot, subject: subject(rule), at: Some(rule.at) };
        tables.counted.push(counted);
    }
    tables.maps.insert("RULE_SLOTS", slots_array(&forest.arrays.slots));
    tables.maps.insert("RULE_CELLS", cells_array(&forest.arrays.cells, &counters));
    if !lowered.limits.is_empty() {
        let entries = (0_u32..).zip(&lowered.limits);
        let entries = entries.map(|(key, limit)| (key.to_ne_bytes().to_vec(), bytes_of(limit).to_vec()));
        let max_entries = lowered.limits.len() as u32;
        tables.maps.insert("RULE_LIMITS", Contents::Entries { max_entries, entries: entries.collect() });
        tables.maps.insert(
            "RULE_BUCKETS",
            Contents::Carried { max_entries: shared + lowered.buckets, zero: Vec::new() },
        );
    }
    if lowered.asked & ask::ESTABLISHED != 0 {
        let buckets = flow_table::buckets(section.flows);
        tables.everywhere.watches_egress = true;
        tables.everywhere.global("FLOW_MASK", buckets - 1);
        tables.maps.insert("FLOWS", Contents::Carried { max_entries: buckets, zero: Vec::new() });
        tables.maps.insert("FLOW_SEEDS", Contents::Random { bytes: size_of::<[u64; SEEDS]>() });
    }
    if section.rules.iter().any(|rule| matches!(rule.action, Action::Mark(_))) {
        tables.everywhere.marks = true;
        // Whoever loads the programs has a key of the gateway's to put there.
        tables.everywhere.global("RULE_MARKS", 1_u8).global(MARK_KEY, abi::mark::KEY);
    }
    if !lowered.ports.is_empty() {
        let ports =
            (0_u32..).zip(&lowered.ports).map(|(key, name)| (key.to_ne_bytes().to_vec(), name.clone()));
        tables.maps.insert(
            "RULE_PORTS",
            Contents::Ports { max_entries: abi::interface::MAX, ports: ports.collect() },
        );
    }
    if lowered.looked_up != 0 {
        let (v4, v6) = set_lists(compiled, world);
        let v4 = PrefixTable::V4 { lines: "RULE_SET_LINES_V4", list: v4 };
        let v6 = PrefixTable::V6 { lines: "RULE_SET_LINES_V6", list: v6 };
        tables.maps.extend([(SETS_V4, Contents::Prefixes(v4)), (SETS_V6, Contents::Prefixes(v6))]);
    }
}

/// A rule that names one set counts for it.
fn subject(rule: &Rule) -> Subject {
    let addresses =
        rule.matches.iter().filter(|condition| matches!(condition.field, Field::Source | Field::Destination));
    let mut sets = addresses.flat_map(|condition| match &condition.values {
        Values::Prefixes(items) => items.iter().collect(),
        _ => Vec::new(),
    });
    match (sets.next().map(|item| &item.what), sets.next()) {
        (Some(What::Set(set)), None) => Subject::Set { rule: rule.text.clone(), set: set.clone() },
        _ => Subject::Rule(rule.text.clone()),
    }
}

fn slots_array(slots: &[Slot]) -> Contents {
    let bytes: Vec<u8> = slots.iter().flat_map(|slot| slot.0.to_ne_bytes()).collect();
    Contents::Array { element: size_of::<u64>(), bytes: bytes.into() }
}

/// The cells with the slots of the rules' counters in place of the rules' numbers.
fn cells_array(cells: &[Cell], counters: &[u32]) -> Contents {
    let mut bytes = Vec::with_capacity(size_of_val(cells));
    for cell in cells {
        let counted = if cell.is_rule() && *cell != Cell::NOTHING {
            cell.with_slot(counters[cell.verdict().slot as usize])
        } else {
            *cell
        };
        bytes.extend_from_slice(bytes_of(&counted));
    }
    Contents::Array { element: size_of::<Cell>(), bytes: bytes.into() }
}

type ListV4 = Arc<[(PrefixV4, u32)]>;
type ListV6 = Arc<[(PrefixV6, u32)]>;

/// The prefixes of all sets that rules name, each with the bits of the sets that cover it.
fn set_lists(compiled: &Compiled, world: &World<'_>) -> (ListV4, ListV6) {
    let mut all: Vec<(Cidr, u32)> = Vec::new();
    for (number, source) in compiled.lowered.sets.iter().enumerate() {
        all.extend(source.prefixes(world.sets).map(|prefix| (prefix, 1 << number)));
    }
    // An outer prefix stands before those that lie in it.
    all.sort_unstable();
    let mut merged: Vec<(Cidr, u32)> = Vec::with_capacity(all.len());
    let mut around: Vec<(Cidr, u32)> = Vec::new();
    for (prefix, bits) in all {
        if let Some((last, known)) = merged.last_mut()
            && *last == prefix
        {
            *known |= bits;
            if let Some((_, known)) = around.last_mut() {
                *known |= bits;
            }
            continue;
        }
        while around.last().is_some_and(|(outer, _)| !outer.contains(prefix)) {
            around.pop();
        }
        let bits = bits | around.last().map_or(0, |(_, bits)| *bits);
        around.push((prefix, bits));
        merged.push((prefix, bits));
    }
    let v4 =
        merged.iter().filter_map(
            |(prefix, bits)| if let Cidr::V4(prefix) = prefix { Some((*prefix, *bits)) } else { None },
        );
    let v6 =
        merged.iter().filter_map(
            |(prefix, bits)| if let Cidr::V6(prefix) = prefix { Some((*prefix, *bits)) } else { None },
        );
    (v4.collect(), v6.collect())
}

/// What the tables of sets hold for exactly this prefix.
pub fn answers(compiled: Option<&Compiled>, world: &World<'_>, prefix: Cidr) -> Vec<Answer> {
    let Some(compiled) = compiled.filter(|compiled| compiled.lowered.looked_up != 0) else {
        return Vec::new();
    };
    let (mut bits, mut is_there) = (0, false);
    for (number, source) in compiled.lowered.sets.iter().enumerate() {
        let (covers, has) = match source {
            Source::Named(name) => {
                world.sets.get(name).map_or((false, false), |set| (set.covers(prefix), set.contains(prefix)))
            }
            Source::Listed(list) => (list.iter().any(|outer| outer.contains(prefix)), list.contains(&prefix)),
        };
        bits |= u32::from(covers) << number;
        is_there |= has;
    }
    let table = if matches!(prefix, Cidr::V4(_)) { SETS_V4 } else { SETS_V6 };
    vec![Answer { table, value: is_there.then_some(bits) }]
}

/// Prefixes in the tables of sets that lie in this one: their bits are its as well.
pub fn affected(compiled: Option<&Compiled>, world: &World<'_>, prefix: Cidr) -> Vec<Cidr> {
    let Some(compiled) = compiled.filter(|compiled| compiled.lowered.looked_up != 0) else {
        return Vec::new();
    };
    let mut inside = BTreeSet::new();
    for source in &compiled.lowered.sets {
        match source {
            Source::Listed(list) => inside.extend(list.iter().copied().filter(|own| prefix.contains(*own))),
            Source::Named(name) => {
                inside.extend(world.sets.get(name).into_iter().flat_map(|set| set.inside(prefix)));
            }
        }
    }
    inside.remove(&prefix);
    inside.into_iter().collect()
}
