//! What was changed live, beside the configuration: elements of sets, and blocks. It is kept in a file, so that it survives
//! reload, restart and kill -9; a change is written there before it is made.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use policy::{Cidr, Set, Sets};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The file's name.
pub const FILE: &str = "edits.json";

/// All live edits.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Edits {
    pub sets: BTreeMap<String, SetEdit>,
    pub blocks: BTreeMap<Cidr, Block>,
    /// Prefixes whose change was begun: whoever finds some here makes them once more.
    pub pending: BTreeSet<Cidr>,
}

/// What is to be added to a set, and taken out of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SetEdit {
    pub added: BTreeSet<Cidr>,
    pub removed: BTreeSet<Cidr>,
}

/// A prefix that is dropped whatever the rules say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Block {
    /// Seconds since 1970.
    pub since: f64,
    /// When it ends; `None`: when it is unblocked.
    pub until: Option<f64>,
    pub why: Option<String>,
    pub slot: u32,
}

/// A block as the API and `blocks --json` show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BlockRow {
    pub prefix: String,
    /// Seconds since 1970.
    pub since: f64,
    /// `null`: until it is unblocked.
    pub until: Option<f64>,
    pub why: Option<String>,
}

/// A block's counter; those beyond share the last one.
pub const BLOCK_SLOTS: u32 = firewall::control::BLOCK_HITS;

impl Edits {
    /// The sets with their edits.
    pub fn apply(&self, sets: &mut Sets) {
        for (name, edit) in &self.sets {
            if let Some(set) = sets.get_mut(name) {
                edit.apply(set);
            }
        }
    }

    /// The blocks for people and programs.
    pub fn rows(&self) -> Vec<BlockRow> {
        let row = |(prefix, block): (&Cidr, &Block)| BlockRow {
            prefix: prefix.to_string(),
            since: block.since,
            until: block.until,
            why: block.why.clone(),
        };
        self.blocks.iter().map(row).collect()
    }

    /// Prefixes that are blocked, with their counters.
    pub fn block_list(&self) -> Vec<(Cidr, u32)> {
        self.blocks.iter().map(|(prefix, block)| (*prefix, block.slot)).collect()
    }

    /// A counter for another block: the lowest that is free.
    pub fn free_slot(&self) -> u32 {
        let used: BTreeSet<u32> = self.blocks.values().map(|block| block.slot).collect();
        (0..BLOCK_SLOTS - 1).find(|slot| !used.contains(slot)).unwrap_or(BLOCK_SLOTS - 1)
    }

    /// Blocks whose time is over.
    pub fn expired(&self, now: f64) -> Vec<Cidr> {
        let over = |block: &Block| block.until.is_some_and(|until| until <= now);
        self.blocks.iter().filter(|(_, block)| over(block)).map(|(prefix, _)| *prefix).collect()
    }

    /// When the next block ends.
    pub fn next_end(&self) -> Option<f64> {
        self.blocks.values().filter_map(|block| block.until).min_by(f64::total_cmp)
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(&Stored::from(self)).expect("plain data")
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let unreadable =
            |why: String| Error::Refused(format!("the file of live edits cannot be read: {why}"));
        let stored: Stored = serde_json::from_slice(bytes).map_err(|error| unreadable(error.to_string()))?;
        stored.parse().map_err(unreadable)
    }
}

impl SetEdit {
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }

    pub fn apply(&self, set: &mut Set) {
        let split = |prefixes: &BTreeSet<Cidr>| {
            let v4: Vec<_> =
                prefixes.iter().filter_map(|p| if let Cidr::V4(p) = p { Some(*p) } else { None }).collect();
            let v6: Vec<_> =
                prefixes.iter().filter_map(|p| if let Cidr::V6(p) = p { Some(*p) } else { None }).collect();
            (v4, v6)
        };
        let ((add4, add6), (remove4, remove6)) = (split(&self.added), split(&self.removed));
        if !add4.is_empty() || !remove4.is_empty() {
            change(&mut set.v4, &add4, &remove4);
        }
        if !add6.is_empty() || !remove6.is_empty() {
            change(&mut set.v6, &add6, &remove6);
        }
    }
}

/// Elements that are put into their places one by one. Each moves those behind it, a tenth of what a new list costs.
const FEW: usize = 8;

/// Makes a list of a set another. A list that somebody else has is copied, and theirs stays.
fn change<P: Copy + Ord>(list: &mut Arc<Vec<P>>, added: &[P], removed: &[P]) {
    if added.len() + removed.len() > FEW {
        *list = merge(list, added, removed).into();
        return;
    }
    let list = Arc::make_mut(list);
    for prefix in removed {
        if let Ok(at) = list.binary_search(prefix) {
            list.remove(at);
        }
    }
    for prefix in added {
        if let Err(at) = list.binary_search(prefix) {
            list.insert(at, *prefix);
        }
    }
}

/// `list` with what is added and without what is removed. All are sorted.
fn merge<P: Copy + Ord>(list: &[P], added: &[P], removed: &[P]) -> Vec<P> {
    let mut merged = Vec::with_capacity(list.len() + added.len());
    let mut added = added.iter().copied().peekable();
    for prefix in list {
        while let Some(earlier) = added.next_if(|next| next < prefix) {
            merged.push(earlier);
        }
        added.next_if(|next| next == prefix);
        if removed.binary_search(prefix).is_err() {
            merged.push(*prefix);
        }
    }
    merged.extend(added);
    merged
}

/// The file's form: prefixes as they are written.
#[derive(Serialize, Deserialize)]
struct Stored {
    sets: BTreeMap<String, StoredSet>,
    blocks: BTreeMap<String, Block>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pending: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct StoredSet {
    added: Vec<String>,
    removed: Vec<String>,
}

impl From<&Edits> for Stored {
    fn from(edits: &Edits) -> Self {
        let texts = |prefixes: &BTreeSet<Cidr>| prefixes.iter().map(ToString::to_string).collect();
        let set = |edit: &SetEdit| StoredSet { added: texts(&edit.added), removed: texts(&edit.removed) };
        Self {
            sets: edits.sets.iter().map(|(name, edit)| (name.clone(), set(edit))).collect(),
            blocks: edits.blocks.iter().map(|(prefix, block)| (prefix.to_string(), block.clone())).collect(),
            pending: texts(&edits.pending),
        }
    }
}

impl Stored {
    fn parse(self) -> Result<Edits, String> {
        let prefix = |text: &String| text.parse::<Cidr>().map_err(|error| error.to_string());
        let prefixes =
            |texts: &[String]| texts.iter().map(prefix).collect::<Result<BTreeSet<Cidr>, String>>();
        let mut edits = Edits { pending: prefixes(&self.pending)?, ..Edits::default() };
        for (name, set) in self.sets {
            let edit = SetEdit { added: prefixes(&set.added)?, removed: prefixes(&set.removed)? };
            edits.sets.insert(name, edit);
        }
        for (text, block) in self.blocks {
            edits.blocks.insert(prefix(&text)?, block);
        }
        Ok(edits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Cidr {
        text.parse().expect("a prefix")
    }

    #[test]
    fn edits_survive_their_file() {
        let mut edits = Edits::default();
        let edit = edits.sets.entry("office".into()).or_default();
        edit.added.extend([prefix("192.0.2.9"), prefix("2001:db8::/48")]);
        edit.removed.insert(prefix("192.0.2.0/24"));
        let block = Block { since: 1.5, until: Some(601.5), why: Some("scans".into()), slot: 0 };
        edits.blocks.insert(prefix("198.51.100.7"), block);
        edits.pending.insert(prefix("198.51.100.7"));
        assert_eq!(Edits::from_bytes(&edits.to_bytes()).expect("its own"), edits);
        assert!(Edits::from_bytes(b"{\"sets\":{},\"blocks\":{\"300.0.0.1\":{}}}").is_err());
    }

    #[test]
    fn merged_lists_are_sorted_and_whole() {
        assert_eq!(merge(&[2, 4, 6], &[1, 4, 5, 9], &[2, 7]), [1, 4, 5, 6, 9]);
        assert_eq!(merge(&[], &[3], &[]), [3]);
        assert_eq!(merge(&[1, 2], &[], &[1, 2]), Vec::<i32>::new());
    }

    #[test]
    fn few_elements_and_many_make_the_same_list() {
        let mut state = 0x2545_f491_u32;
        let mut next = |below: u32| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state % below
        };
        for _ in 0..500 {
            let mut draw = |count: u32| -> BTreeSet<u32> { (0..next(count)).map(|_| next(40)).collect() };
            let list: Vec<u32> = draw(40).into_iter().collect();
            let (added, removed) = (draw(6), draw(4));
            let added: Vec<u32> = added.difference(&removed).copied().collect();
            let removed: Vec<u32> = removed.into_iter().collect();
            let theirs = Arc::new(list.clone());
            let mut ours = Arc::clone(&theirs);
            change(&mut ours, &added, &removed);
            assert_eq!(*ours, merge(&list, &added, &removed), "{list:?} + {added:?} - {removed:?}");
            assert_eq!(*theirs, list, "who else has it keeps it");
        }
    }

    #[test]
    fn blocks_end_in_time() {
        let mut edits = Edits::default();
        let block = |until| Block { since: 0.0, until, why: None, slot: 0 };
        edits.blocks.insert(prefix("10.0.0.1"), block(Some(5.0)));
        edits.blocks.insert(prefix("10.0.0.2"), block(None));
        edits.blocks.insert(prefix("10.0.0.3"), block(Some(9.0)));
        assert_eq!(edits.next_end(), Some(5.0));
        assert_eq!(edits.expired(4.9), []);
        assert_eq!(edits.expired(5.0), [prefix("10.0.0.1")]);
        assert_eq!(edits.free_slot(), 1);
    }
}
