//! Changing a table while packets read it.
//!
//! A change is first written into free elements, then shown entry by entry, each with one 32-bit store. Every
//! address is answered through exactly one of those entries, so a reader sees the old answer or the new one.

use std::ops::Range;

use crate::address::Address;
use crate::arrays::{Arrays, Slot};
use crate::compile::{Exhausted, Sink, child, compile};
use crate::entry::{HIGH_LINE, NODE, Node, VALUE_MAX, index, is_value, kind};
use crate::interval::{Interval, flatten};
use crate::plan::{ROOT_BITS, ROOT_CHUNKS, root_chunk};
use crate::span::Prefix;
use crate::table::{Table, root_slot};

#[cfg(test)]
mod broken_off;
#[cfg(test)]
mod tests;

/// A node with no more prefixes than this below it is turned back into a line, which holds them in any position.
const SPARSE: usize = 2;

/// A change that was refused; the table is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateError {
    /// No free element is left: build a new, larger table, or try again after
    /// [`quiesce`](crate::Table::quiesce).
    Full,
    /// The value is 0 or above [`VALUE_MAX`].
    Value,
}

impl std::fmt::Display for UpdateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Full => write!(f, "the prefix table has no room left; build a larger one"),
            Self::Value => write!(f, "the value of a prefix must be between 1 and {VALUE_MAX}"),
        }
    }
}

impl std::error::Error for UpdateError {}

/// New entries, and the old ones whose elements they make unreachable.
#[derive(Default)]
struct Changes {
    stores: Vec<(Slot, u32)>,
    replaced: Vec<u32>,
    /// Pointers below those that live on.
    kept: Vec<u32>,
    /// What is right already is left as it is.
    only_wrong: bool,
}

/// The entry for a chunk, as it is.
struct Place<A> {
    /// More than one where the entry is repeated in the unused end of a line.
    slots: Vec<Slot>,
    entry: u32,
    chunk: Prefix<A>,
    /// The longest prefix not longer than the chunk that covers it, by the list as it will be: length, value.
    cover: (u8, u32),
}

impl<A, N, L> Table<A, N, L>
where
    A: Address,
    N: AsRef<[Node]> + AsMut<[Node]>,
    L: AsRef<[A::Line]> + AsMut<[A::Line]>,
{
    /// Adds `prefix` or gives it a new value; returns the value it had.
    pub fn insert(&mut self, prefix: Prefix<A>, value: u32) -> Result<Option<u32>, UpdateError> {
        if value == 0 || value > VALUE_MAX {
            return Err(UpdateError::Value);
        }
        let before = self.prefixes.insert(prefix, value);
        self.change(prefix, before)
    }

    /// Takes `prefix` out; returns the value it had, `None` when it is not in the table.
    pub fn remove(&mut self, prefix: Prefix<A>) -> Result<Option<u32>, UpdateError> {
        let Some(before) = self.prefixes.remove(&prefix) else { return Ok(None) };
        self.change(prefix, Some(before))
    }

    /// Brings the arrays in line with the list, which differs in `prefix`; puts the list back when they are full.
    fn change(&mut self, prefix: Prefix<A>, before: Option<u32>) -> Result<Option<u32>, UpdateError> {
        let mut changes = Changes::default();
        if let Err(Exhausted) = self.prepare(prefix, &mut changes) {
            self.arrays.give_back_taken();
            match before {
                Some(value) => self.prefixes.insert(prefix, value),
                None => self.prefixes.remove(&prefix),
            };
            return Err(UpdateError::Full);
        }
        for (slot, entry) in &changes.stores {
            self.arrays.publish::<A>(*slot, *entry);
        }
        self.finish(changes);
        Ok(before)
    }

    /// Settles who owns which element once all stores of `changes` are made.
    fn finish(&mut self, changes: Changes) {
        for entry in changes.replaced {
            self.arrays.retire::<A>(entry, &changes.kept);
        }
        self.arrays.keep_taken();
    }

    /// Makes the answers around `prefix` those of the list again, after a change of it that may have been broken off.
    /// `Full` leaves the table as it was: build a new one.
    pub fn refresh(&mut self, prefix: Prefix<A>) -> Result<(), UpdateError> {
        let mut changes = Changes { only_wrong: true, ..Changes::default() };
        if let Err(Exhausted) = self.prepare(prefix, &mut changes) {
            self.arrays.give_back_taken();
            return Err(UpdateError::Full);
        }
        for (slot, entry) in &changes.stores {
            self.arrays.publish::<A>(*slot, *entry);
        }
        self.finish(changes);
        Ok(())
    }

    /// Writes what must change inside `prefix` into free elements.
    fn prepare(&mut self, prefix: Prefix<A>, changes: &mut Changes) -> Result<(), Exhausted> {
        let first = prefix.addr().byte(0) << 8 | prefix.addr().byte(8);
        let last = prefix.last().byte(0) << 8 | prefix.last().byte(8);
        assert!(first <= last && last < ROOT_CHUNKS);
        for number in first..=last {
            let chunk = root_chunk(number);
            let slot = root_slot(number);
            let cover = self.cover(chunk.addr(), 0, ROOT_BITS).unwrap_or((0, 0));
            let entry = self.arrays.nodes()[number >> 8].0[number & 0xff];
            self.prepare_chunk(prefix, Place { slots: vec![slot], entry, chunk, cover }, changes)?;
        }
        Ok(())
    }

    fn prepare_chunk(
        &mut self,
        prefix: Prefix<A>,
        place: Place<A>,
        changes: &mut Changes,
    ) -> Result<(), Exhausted> {
        let Place { entry, chunk, cover, .. } = place;
        if prefix.len() < cover.0 {
            // A longer prefix hides the change from the whole chunk.
            return Ok(());
        }
        let inside = self.inner(chunk).take(SPARSE + 1).count();
        if kind(entry) == NODE && inside > SPARSE {
            return self.prepare_node(prefix, place, changes);
        }
        if kind(entry) == HIGH_LINE && prefix.len() > A::HIGH_DEPTH && inside > 0 {
            let unit = Prefix::sort_key(prefix.addr().first(A::HIGH_DEPTH), A::HIGH_DEPTH);
            let (slots, below) = self.arrays.find_in_high_lines(entry, chunk, unit.addr());
            if !is_value(below) {
                let cover = self.cover(unit.addr(), chunk.len(), A::HIGH_DEPTH).unwrap_or(cover);
                let place = Place { slots, entry: below, chunk: unit, cover };
                return self.prepare_chunk(prefix, place, changes);
            }
        }
        let mut intervals = Vec::new();
        flatten(&mut intervals, chunk, cover.1, self.inner(chunk));
        if changes.only_wrong && self.is_right(&place, &intervals) {
            return Ok(());
        }
        let mut rewrite = Rewrite { arrays: &mut self.arrays, entry, chunk, prefix, kept: &mut changes.kept };
        let new = compile(&mut rewrite, chunk, &intervals)?;
        let mut before = new;
        for slot in place.slots {
            let old = self.arrays.entry_at::<A>(slot);
            if old != new {
                changes.stores.push((slot, new));
            }
            if old != before && old != new {
                changes.replaced.push(old);
            }
            before = old;
        }
        Ok(())
    }

    /// Whether lookups in a chunk are answered by these ranges.
    fn is_right(&self, place: &Place<A>, intervals: &[Interval<A>]) -> bool {
        let mut answers = Vec::with_capacity(intervals.len());
        place.slots.iter().all(|slot| self.arrays.entry_at::<A>(*slot) == place.entry)
            && self.arrays.reader::<A>().answers(place.entry, place.chunk, &mut answers).is_ok()
            && answers == intervals
    }

    fn prepare_node(
        &mut self,
        prefix: Prefix<A>,
        place: Place<A>,
        changes: &mut Changes,
    ) -> Result<(), Exhausted> {
        let Place { entry, chunk, cover, .. } = place;
        let node = index(entry);
        let (first, last) = if prefix.len() <= chunk.len() {
            (0, 255)
        } else {
            (prefix.addr().byte(chunk.len()), prefix.last().byte(chunk.len()))
        };
        for byte in first..=last {
            let chunk = child(chunk, byte);
            let place = Place {
                slots: vec![Slot::Node { index: node, byte }],
                entry: self.arrays.nodes()[node as usize].0[byte],
                chunk,
                cover: self.cover(chunk.addr(), chunk.len() - 8, chunk.len()).unwrap_or(cover),
            };
            self.prepare_chunk(prefix, place, changes)?;
        }
        Ok(())
    }

    /// The longest prefix in the list that covers `addr`, of more than `shorter` and at most `longest` bits
    /// (from 0 on when `shorter` is 0).
    fn cover(&self, addr: A, shorter: u8, longest: u8) -> Option<(u8, u32)> {
        let least = if shorter == 0 { 0 } else { shorter + 1 };
        (least..=longest).rev().find_map(|len| {
            let prefix = Prefix::sort_key(addr.first(len), len);
            self.prefixes.get(&prefix).map(|value| (len, *value))
        })
    }

    /// The prefixes longer than `chunk` in it, sorted.
    fn inner(&self, chunk: Prefix<A>) -> impl Iterator<Item = (Prefix<A>, u32)> {
        let from = Prefix::sort_key(chunk.addr(), chunk.len() + 1);
        let to = Prefix::sort_key(chunk.last(), u8::MAX);
        self.prefixes.range(from..=to).map(|(prefix, value)| (*prefix, *value))
    }
}

/// The arrays while a chunk is compiled anew because of `prefix`: what `entry` led to for a /64 beside the prefix
/// stays as it is, however much there is in it.
struct Rewrite<'a, A, N, L> {
    arrays: &'a mut Arrays<N, L>,
    entry: u32,
    chunk: Prefix<A>,
    prefix: Prefix<A>,
    kept: &'a mut Vec<u32>,
}

impl<A, N, L> Sink<A> for Rewrite<'_, A, N, L>
where
    A: Address,
    N: AsRef<[Node]> + AsMut<[Node]>,
    L: AsRef<[A::Line]> + AsMut<[A::Line]>,
{
    fn new_node(&mut self) -> Result<u32, Exhausted> {
        Sink::<A>::new_node(self.arrays)
    }

    fn fill(&mut self, node: u32, bytes: Range<usize>, entry: u32) {
        Sink::<A>::fill(self.arrays, node, bytes, entry);
    }

    fn new_line(&mut self, line: A::Line) -> Result<u32, Exhausted> {
        Sink::<A>::new_line(self.arrays, line)
    }

    fn existing(&mut self, unit: Prefix<A>) -> Option<u32> {
        let beside = self.prefix.last() < unit.addr() || unit.last() < self.prefix.addr();
        if kind(self.entry) != HIGH_LINE || !beside {
            return None;
        }
        let (_, below) = self.arrays.find_in_high_lines::<A>(self.entry, self.chunk, unit.addr());
        if is_value(below) {
            return None;
        }
        self.kept.push(below);
        Some(below)
    }
}
