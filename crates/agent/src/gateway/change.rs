//! Live edits: one prefix in a set, one block. They are written into the tables that packets are reading.

use std::collections::BTreeSet;

use policy::Cidr;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Applied, Gateway, now, recorded_set};
use crate::{
    digest::ListDigest,
    edits::{Block, Edits, FILE},
    error::Error,
    executor::record_file,
    kernel::{Kernel as _, Table as _},
    record::{Record, RecordedSet},
};

/// How many prefixes a change was about, and whether it took a new generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SetChange {
    pub changed: usize,
    /// There was no room in the tables: a new generation was made.
    pub generation: Option<u64>,
}

/// To go back to when an edit cannot be made.
struct Before {
    edits: Edits,
    record: Option<Record>,
}

impl Gateway {
    /// Adds prefixes to a set and takes others out of it.
    pub fn edit_set(&mut self, name: &str, add: &[Cidr], remove: &[Cidr]) -> Result<SetChange, Error> {
        self.load()?;
        let live = self.live.as_mut().ok_or(Error::NoGateway)?;
        let Some(set) = live.config.sets.get_mut(name) else {
            let known: Vec<&str> = live.config.sets.keys().map(String::as_str).collect();
            return Err(Error::Refused(match known.is_empty() {
                true => format!("there is no set `{name}`: the configuration has none"),
                false => format!("there is no set `{name}`; there is {}", known.join(", ")),
            }));
        };
        if let Some(missing) = remove.iter().find(|prefix| !set.contains(**prefix)) {
            return Err(Error::Refused(format!("{missing} is not in set `{name}`; nothing was changed")));
        }
        let before = Before { edits: self.edits.clone(), record: self.record.clone() };
        let added: BTreeSet<Cidr> = add.iter().copied().filter(|prefix| !set.contains(*prefix)).collect();
        let removed: BTreeSet<Cidr> = remove.iter().copied().collect();
        if let Some(both) = added.intersection(&removed).next() {
            return Err(Error::Refused(format!("{both} is to be added and removed; nothing was changed")));
        }
        let edit = self.edits.sets.entry(name.into()).or_default();
        for prefix in &added {
            if !edit.removed.remove(prefix) {
                edit.added.insert(*prefix);
            }
        }
        for prefix in &removed {
            if !edit.added.remove(prefix) {
                edit.removed.insert(*prefix);
            }
        }
        if edit.is_empty() {
            self.edits.sets.remove(name);
        }
        let one = crate::edits::SetEdit { added: added.clone(), removed: removed.clone() };
        one.apply(set);
        if let Some(record) = &mut self.record {
            // By what changed: a digest of all elements takes a hundred times as long.
            let known = record.sets.get(name).and_then(|known| changed(known, &added, &removed));
            let recorded = known.unwrap_or_else(|| recorded_set(set));
            record.sets.insert(name.into(), recorded);
        }
        let mut all: BTreeSet<Cidr> = added.union(&removed).copied().collect();
        if let Some(live) = &self.live {
            let world = live.config.world(&[]);
            let affected = |prefix: &Cidr| {
                let of = |(_, valid): &(_, Box<dyn policy::Valid>)| valid.affected(&world, *prefix);
                live.config.sections.iter().flat_map(of).collect::<Vec<_>>()
            };
            let others: Vec<Cidr> = all.iter().flat_map(affected).collect();
            all.extend(others);
        }
        self.write_through(before, &all, &format!("set {name}"))
    }

    /// Blocks a prefix, or changes how long and why.
    pub fn block(
        &mut self,
        prefix: Cidr,
        until: Option<f64>,
        why: Option<String>,
    ) -> Result<SetChange, Error> {
        self.load()?;
        let before = self.before();
        let known = self.edits.blocks.get(&prefix);
        let is_new = known.is_none();
        let slot = known.map_or_else(|| self.edits.free_slot(), |block| block.slot);
        let since = known.map_or_else(now, |block| block.since);
        self.edits.blocks.insert(prefix, Block { since, until, why, slot });
        if !is_new {
            return match self.write_edits() {
                Ok(()) => Ok(SetChange { changed: 0, generation: None }),
                Err(error) => {
                    self.edits = before.edits;
                    Err(error)
                }
            };
        }
        let map = self.live.as_ref().and_then(|live| live.maps.get("BLOCK_HITS")).cloned();
        if let Some(map) = map.filter(|map| slot < map.spec().max_entries) {
            self.kernel.zero(&map, &[slot])?;
        }
        self.write_through(before, &BTreeSet::from([prefix]), "block")
    }

    /// Ends blocks. Those that are not there are named in the error, and nothing is changed.
    pub fn unblock(&mut self, prefixes: &[Cidr]) -> Result<SetChange, Error> {
        self.load()?;
        if let Some(missing) = prefixes.iter().find(|prefix| !self.edits.blocks.contains_key(prefix)) {
            return Err(Error::Refused(format!("{missing} is not blocked; nothing was changed")));
        }
        let all: BTreeSet<Cidr> = prefixes.iter().copied().collect();
        let before = self.before();
        self.edits.blocks.retain(|prefix, _| !all.contains(prefix));
        self.write_through(before, &all, "unblock")
    }

    /// Ends the blocks whose time is over, and returns them.
    pub fn expire(&mut self) -> Result<Vec<Cidr>, Error> {
        let over = self.edits.expired(now());
        if !over.is_empty() {
            self.unblock(&over)?;
        }
        Ok(over)
    }

    pub(super) fn write_edits(&mut self) -> Result<(), Error> {
        self.kernel.write_file(FILE, &self.edits.to_bytes())
    }

    fn before(&self) -> Before {
        Before { edits: self.edits.clone(), record: self.record.clone() }
    }

    /// Writes edits into their file and the tables. When that fails, all is as it was before.
    fn write_through(
        &mut self,
        before: Before,
        prefixes: &BTreeSet<Cidr>,
        by: &str,
    ) -> Result<SetChange, Error> {
        self.edits.pending.clone_from(prefixes);
        let error = match self.write_edits() {
            Ok(()) => match self.write_tables(prefixes, by) {
                Ok(change) => return Ok(change),
                Err(error) => error,
            },
            Err(error) => {
                (self.edits, self.record, self.live) = (before.edits, before.record, None);
                self.load()?;
                return Err(error);
            }
        };
        (self.edits, self.record, self.live) = (before.edits, before.record, None);
        self.edits.pending.clone_from(prefixes);
        match self.write_edits().and_then(|()| self.finish_pending()) {
            Ok(()) => Err(error),
            Err(undo) => Err(Error::Undo { error: Box::new(error), undo: vec![undo.to_string()] }),
        }
    }

    /// Writes what the tables are to hold for these prefixes: first those that come, the longest first, then those that go,
    /// the shortest first. So every packet meets the old answer for its address or the new one.
    fn write_tables(&mut self, prefixes: &BTreeSet<Cidr>, by: &str) -> Result<SetChange, Error> {
        let changed = prefixes.len();
        let mut changes = Vec::new();
        for prefix in prefixes {
            changes.extend(self.answers(*prefix)?);
        }
        let length = |prefix: &Cidr| match prefix {
            Cidr::V4(prefix) => prefix.len(),
            Cidr::V6(prefix) => prefix.len(),
        };
        changes.sort_by_key(|(_, prefix, value)| match value {
            Some(_) => (0, u8::MAX - length(prefix)),
            None => (1, length(prefix)),
        });
        let mut fits = true;
        for (table, prefix, value) in changes {
            fits = fits && self.write_one(&table, prefix, value)?;
        }
        // The edits stay pending until what they are about is written: whoever comes after a kill makes them once more.
        if !fits {
            let Applied { generation, .. } = self.reapply(by)?;
            return Ok(SetChange { changed, generation: Some(generation) });
        }
        if let Some(record) = &self.record {
            self.kernel.write_file(&record_file(record.generation), &record.to_bytes())?;
        }
        self.edits.pending.clear();
        self.write_edits()?;
        Ok(SetChange { changed, generation: None })
    }

    /// What the tables are to hold for exactly this prefix.
    fn answers(&self, prefix: Cidr) -> Result<Vec<(String, Cidr, Option<u32>)>, Error> {
        let live = self.live.as_ref().ok_or(Error::NoGateway)?;
        let world = live.config.world(&[]);
        let mut answers = Vec::new();
        for (function, valid) in &live.config.sections {
            if let Some(slots) = live.slots.get(function.name()) {
                let own = valid.answers(&world, slots, prefix);
                answers.extend(own.into_iter().map(|answer| (answer.table.into(), prefix, answer.value)));
            }
        }
        let block =
            firewall::control::block_answer(prefix, self.edits.blocks.get(&prefix).map(|block| block.slot));
        answers.push((block.table.into(), prefix, block.value));
        Ok(answers)
    }

    /// `false`: the table is not there, or has no room.
    fn write_one(&mut self, name: &str, prefix: Cidr, value: Option<u32>) -> Result<bool, Error> {
        let live = self.live.as_mut().ok_or(Error::NoGateway)?;
        let is_live = |record: &Record| record.maps.contains_key(name);
        let Some(table) = live.tables.get_mut(name) else {
            return Ok(value.is_none() && !self.record.as_ref().is_some_and(is_live));
        };
        let before = table.get(prefix);
        if before == value {
            return Ok(true);
        }
        if !table.set(prefix, value)? {
            engine::wait_for_packets()?;
            table.quiesce();
            if !table.set(prefix, value)? {
                return Ok(false);
            }
        }
        let digest = self.record.as_mut().and_then(|record| record.maps.get_mut(name));
        if let Some(text) = digest
            && let Some(mut digest) = ListDigest::parse(text)
        {
            if let Some(value) = before {
                digest.remove(prefix, value);
            }
            if let Some(value) = value {
                digest.add(prefix, value);
            }
            *text = digest.text();
        }
        Ok(true)
    }
}

/// What a record says of a set that gains elements that it had not, and loses some that it had.
fn changed(known: &RecordedSet, added: &BTreeSet<Cidr>, removed: &BTreeSet<Cidr>) -> Option<RecordedSet> {
    let mut digest = ListDigest::parse(&known.digest)?;
    added.iter().for_each(|prefix| digest.add(*prefix, 0));
    removed.iter().for_each(|prefix| digest.remove(*prefix, 0));
    let elements = known.elements + added.len() - removed.len();
    Some(RecordedSet { elements, digest: digest.text() })
}
