//! From rules to what the tables hold.

use std::sync::Arc;

use abi::Stage;
use policy::{
    Answer, Cidr, Contents, Cost, Counted, Passed, PrefixTable, Set, Slots, Stop, Subject, Tables, Valid,
    What, World,
};
use prefix::{PrefixV4, PrefixV6};

use crate::{
    config::{Entry, MOST_ENTRIES, Rules},
    list::Verdict,
    rule::model::passes_by,
    ruled,
    shared::Value,
    stops,
};

/// Counters of entries and rules, at least. Twice as many as there can be entries: those of the last generation rest while
/// this one begins.
pub const HITS: u32 = 2 * MOST_ENTRIES as u32;

/// Counters of blocks.
pub const BLOCK_HITS: u32 = 16_384;

const NODES_V4: &str = "FIREWALL_NODES_V4";
const NODES_V6: &str = "FIREWALL_NODES_V6";

impl Valid for Rules {
    fn tables(&self, world: &World<'_>, slots: &mut Slots) -> Tables {
        let mut tables = Tables::default();
        tables.everywhere.stages = Stage::Firewall.bit();
        tables
            .everywhere
            .global("FIREWALL_LISTS", u8::from(!self.entries.is_empty()))
            .global("FIREWALL_DEFAULT_DROP", u8::from(self.default == Verdict::Drop));
        if !self.entries.is_empty() {
            self.list_tables(world, slots, &mut tables);
        }
        if let Some(compiled) = &self.compiled {
            ruled::tables(self, compiled, world, slots, &mut tables);
        }
        if !tables.counted.is_empty() {
            // A size that few changes of the configuration change: counters go on where their map does.
            let most = tables.counted.iter().map(|counted| counted.slot).max().unwrap_or(0);
            let max_entries = (2 * (most + 1)).next_power_of_two().max(HITS);
            let hits = Contents::Carried { max_entries, zero: slots.take_fresh() };
            tables.maps.insert("FIREWALL_HITS", hits);
        }
        tables
    }

    fn answers(&self, world: &World<'_>, slots: &Slots, prefix: Cidr) -> Vec<Answer> {
        let mut answers = ruled::answers(self.compiled.as_deref(), world, prefix);
        if self.entries.is_empty() {
            return answers;
        }
        let has = |entry: &&Entry| match &entry.item.what {
            What::Prefix(own) => *own == prefix,
            What::Set(name) => world.sets.get(name).is_some_and(|set: &Set| set.contains(prefix)),
        };
        let entry = self.entries.iter().find(has);
        let value = entry.and_then(|entry| Some(value(entry.verdict, slots.get(&entry.text())?)));
        let table = if matches!(prefix, Cidr::V4(_)) { NODES_V4 } else { NODES_V6 };
        answers.push(Answer { table, value });
        answers
    }

    fn costs(&self) -> Vec<Cost> {
        let Some(compiled) = &self.compiled else { return Vec::new() };
        let shape = &compiled.forest.shape;
        let boxes: usize =
            compiled.lowered.lists.iter().map(|lists| lists.first.len() + lists.each.len()).sum();
        [
            ("rules", self.rules.len() as f64),
            ("rules: boxes", boxes as f64),
            ("rules: trees", f64::from(shape.trees)),
            ("rules: bytes of the trees", shape.bytes as f64),
            ("rules: milliseconds to compile", compiled.milliseconds),
            ("rules: steps of a packet, mean", shape.steps),
            ("rules: comparisons of a packet, mean", shape.cells),
        ]
        .map(|(name, value)| Cost { name, value })
        .to_vec()
    }

    fn passed(&self, world: &World<'_>, frame: &[u8], interface: &str, decides: Option<&str>) -> Vec<Passed> {
        // A list has decided.
        if decides.is_some_and(|text| self.rules.iter().all(|rule| rule.text != text)) {
            return Vec::new();
        }
        let before = self.rules.iter().take_while(|rule| decides.is_none_or(|text| rule.text != text));
        let passed = before.filter_map(|rule| {
            let why = passes_by(rule, world.sets, frame, interface)?;
            Some(Passed { rule: rule.text.clone(), at: rule.at, why })
        });
        passed.collect()
    }

    fn stops(&self, world: &World<'_>, frame: &[u8], interface: &str) -> Option<Stop> {
        stops::stops(self, world, frame, interface)
    }

    fn affected(&self, world: &World<'_>, prefix: Cidr) -> Vec<Cidr> {
        ruled::affected(self.compiled.as_deref(), world, prefix)
    }
}

impl Rules {
    fn list_tables(&self, world: &World<'_>, slots: &mut Slots, tables: &mut Tables) {
        let mut v4: Vec<(&[PrefixV4], u32)> = Vec::new();
        let mut v6: Vec<(&[PrefixV6], u32)> = Vec::new();
        for rule in &self.entries {
            let slot = slots.take(&rule.text());
            let value = value(rule.verdict, slot);
            match &rule.item.what {
                What::Prefix(Cidr::V4(prefix)) => v4.push((std::slice::from_ref(prefix), value)),
                What::Prefix(Cidr::V6(prefix)) => v6.push((std::slice::from_ref(prefix), value)),
                What::Set(name) => {
                    if let Some(set) = world.sets.get(name) {
                        v4.push((&set.v4, value));
                        v6.push((&set.v6, value));
                    }
                }
            }
            let subject = subject(rule);
            tables.counted.push(Counted { map: "FIREWALL_HITS", slot, subject, at: Some(rule.item.at) });
        }
        let v4 = PrefixTable::V4 { lines: "FIREWALL_LINES_V4", list: merged(&v4) };
        let v6 = PrefixTable::V6 { lines: "FIREWALL_LINES_V6", list: merged(&v6) };
        tables.maps.extend([(NODES_V4, Contents::Prefixes(v4)), (NODES_V6, Contents::Prefixes(v6))]);
    }
}

/// The tables of sources that are blocked from outside the configuration, with the slots of their counters, which are
/// below [`BLOCK_HITS`]. The section's own tables, where there is one, are to be laid over them.
pub fn blocks(list: &[(Cidr, u32)]) -> Tables {
    let mut tables = Tables::default();
    tables.everywhere.stages = Stage::Firewall.bit();
    tables.everywhere.global("FIREWALL_BLOCKS", 1_u8).global("FIREWALL_LISTS", 0_u8);
    let mut v4: Vec<(&[PrefixV4], u32)> = Vec::new();
    let mut v6: Vec<(&[PrefixV6], u32)> = Vec::new();
    for (prefix, slot) in list {
        match prefix {
            Cidr::V4(prefix) => v4.push((std::slice::from_ref(prefix), Value::drop(*slot).0)),
            Cidr::V6(prefix) => v6.push((std::slice::from_ref(prefix), Value::drop(*slot).0)),
        }
    }
    let v4 = PrefixTable::V4 { lines: "BLOCK_LINES_V4", list: merged(&v4) };
    let v6 = PrefixTable::V6 { lines: "BLOCK_LINES_V6", list: merged(&v6) };
    tables.maps.extend([
        ("BLOCK_NODES_V4", Contents::Prefixes(v4)),
        ("BLOCK_NODES_V6", Contents::Prefixes(v6)),
        ("BLOCK_HITS", Contents::Carried { max_entries: BLOCK_HITS, zero: Vec::new() }),
    ]);
    tables
}

/// What the blocks' tables hold for exactly this prefix; `slot`: it is blocked, and that is its counter.
pub fn block_answer(prefix: Cidr, slot: Option<u32>) -> Answer {
    let table = if matches!(prefix, Cidr::V4(_)) { "BLOCK_NODES_V4" } else { "BLOCK_NODES_V6" };
    Answer { table, value: slot.map(|slot| Value::drop(slot).0) }
}

fn value(verdict: Verdict, slot: u32) -> u32 {
    match verdict {
        Verdict::Drop => Value::drop(slot).0,
        Verdict::Allow => Value::allow(slot).0,
    }
}

fn subject(rule: &Entry) -> Subject {
    let text = rule.text();
    match &rule.item.what {
        What::Prefix(_) => Subject::Rule(text),
        What::Set(set) => Subject::Set { rule: text, set: set.clone() },
    }
}

/// One list of all, sorted; a prefix that several have keeps the value of the first.
fn merged<P: Copy + Ord>(lists: &[(&[P], u32)]) -> Arc<[(P, u32)]> {
    let mut all = Vec::with_capacity(lists.iter().map(|(list, _)| list.len()).sum());
    for (list, value) in lists {
        all.extend(list.iter().map(|prefix| (*prefix, *value)));
    }
    // Stable, so that the first stays the first; and quick, since the lists are sorted.
    all.sort_by_key(|(prefix, _)| *prefix);
    all.dedup_by_key(|(prefix, _)| *prefix);
    all.into()
}
