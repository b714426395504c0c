//! Rules as boxes: a condition on some words of the key each.

use crate::{Key, Verdict};

/// Conditions that must all hold, at most one on a word, and what follows then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoxRule {
    pub conditions: Vec<Condition>,
    pub verdict: Verdict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Condition {
    pub word: u8,
    pub test: Test,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Test {
    /// From `low` to `high`, both included.
    Range { low: u32, high: u32 },
    /// Of the bits in `mask` exactly those in `value` are set.
    Bits { mask: u32, value: u32 },
}

impl Test {
    pub const fn holds(self, word: u32) -> bool {
        match self {
            Self::Range { low, high } => low <= word && word <= high,
            Self::Bits { mask, value } => word & mask == value,
        }
    }

    /// Values of the word for which it holds: the fewer, the more it tells.
    pub const fn size(self) -> u64 {
        match self {
            Self::Range { low, high } => high as u64 - low as u64 + 1,
            Self::Bits { mask, .. } => 1 << (32 - mask.count_ones()),
        }
    }
}

impl BoxRule {
    pub fn matches(&self, key: &Key) -> bool {
        self.conditions.iter().all(|condition| condition.test.holds(key[usize::from(condition.word)]))
    }

    pub(crate) fn test(&self, word: u8) -> Option<Test> {
        self.conditions.iter().find(|condition| condition.word == word).map(|condition| condition.test)
    }
}
