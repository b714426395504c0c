//! What the path to a node has settled of the key.

use crate::{Test, walk::WORDS};

/// Known bits of each word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known([Bits; WORDS]);

/// Bits in `mask` have the values in `value`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bits {
    pub mask: u32,
    pub value: u32,
}

impl Known {
    pub const NOTHING: Self = Self([Bits { mask: 0, value: 0 }; WORDS]);

    pub fn of(&self, word: u8) -> Bits {
        self.0[usize::from(word)]
    }

    /// With the bits of `mask` in a word being those of `value`.
    pub fn with(&self, word: u8, mask: u32, value: u32) -> Self {
        let mut known = self.clone();
        let bits = &mut known.0[usize::from(word)];
        bits.mask |= mask;
        bits.value = bits.value & !mask | value & mask;
        known
    }
}

impl Bits {
    pub const fn lowest(self) -> u32 {
        self.value
    }

    pub const fn highest(self) -> u32 {
        self.value | !self.mask
    }

    /// Whether every value with these bits passes.
    pub const fn implies(self, test: Test) -> bool {
        match test {
            Test::Range { low, high } => low <= self.lowest() && self.highest() <= high,
            Test::Bits { mask, value } => mask & !self.mask == 0 && self.value & mask == value,
        }
    }
}
