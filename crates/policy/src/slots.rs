//! Counter slots by stable names: a rule that stays keeps its counter from generation to generation.

use std::collections::{BTreeMap, BTreeSet};

/// Names and the slots they have in one map. A slot that became free is not given away before the next generation: the
/// programs of the last one still count in it while they are exchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Slots {
    taken: BTreeMap<String, u32>,
    /// The slots of `taken`.
    used: BTreeSet<u32>,
    resting: BTreeSet<u32>,
    /// Names asked for since the last [`Slots::release_unwanted`].
    wanted: BTreeSet<String>,
    fresh: Vec<u32>,
    /// All slots below are in use or rest.
    lowest: u32,
}

impl Slots {
    /// Those of the generation that is live.
    pub fn of(taken: impl IntoIterator<Item = (String, u32)>) -> Self {
        let taken: BTreeMap<String, u32> = taken.into_iter().collect();
        Self { used: taken.values().copied().collect(), taken, ..Self::default() }
    }

    /// The slot of a name: the one it has, or the lowest that is free.
    pub fn take(&mut self, name: &str) -> u32 {
        self.wanted.insert(name.into());
        if let Some(slot) = self.taken.get(name) {
            return *slot;
        }
        while self.used.contains(&self.lowest) || self.resting.contains(&self.lowest) {
            self.lowest += 1;
        }
        let slot = self.lowest;
        self.used.insert(slot);
        self.taken.insert(name.into(), slot);
        self.fresh.push(slot);
        slot
    }

    pub fn get(&self, name: &str) -> Option<u32> {
        self.taken.get(name).copied()
    }

    /// Lets go of the names that nobody asked for. Their slots rest for one generation.
    pub fn release_unwanted(&mut self) {
        self.resting.clear();
        self.lowest = 0;
        let wanted = std::mem::take(&mut self.wanted);
        self.taken.retain(|name, slot| {
            let keep = wanted.contains(name);
            if !keep {
                self.used.remove(slot);
                self.resting.insert(*slot);
            }
            keep
        });
    }

    /// Slots that were given to new names: their counters begin at zero.
    pub fn take_fresh(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.fresh)
    }

    /// Names and slots, for the record of a generation.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u32)> {
        self.taken.iter().map(|(name, slot)| (name.as_str(), *slot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_slots_and_freed_ones_rest() {
        let mut slots = Slots::of([("a".into(), 0), ("b".into(), 1)]);
        assert_eq!((slots.take("b"), slots.take("c")), (1, 2));
        assert_eq!(slots.take_fresh(), [2]);
        slots.release_unwanted();
        assert_eq!(slots.get("a"), None);
        // `a`'s slot 0 may still be counted in by programs that are being replaced.
        assert_eq!((slots.take("b"), slots.take("c"), slots.take("d")), (1, 2, 3));
        slots.release_unwanted();
        assert_eq!((slots.take("b"), slots.take("e")), (1, 0));
    }
}
