//! One step down a tree, in a word: which bits of the key choose among which slots.

use crate::{
    Five,
    walk::{Key, WORDS},
};

/// ```text
/// bit  63   62..48   47..33          32..27   26..0
/// step 0    mask     word of a key   shift    first slot of the children
///      0    mask     mask            shift    the same: by the five-tuple
///      63   62..32                            31..0
/// leaf 1    the least order in it             first cell
/// ```
///
/// In a tree that asks for nothing but the five-tuple all steps are of the second kind, in others none is. The upper mask is for
/// the second word of a [`Five`], the lower one for its first, and one of them is 0: to ask for both takes no branch, which
/// could not be foretold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slot(pub u64);

/// Bits that one step can look at.
#[cfg(not(target_arch = "bpf"))]
pub const MOST_BITS: u32 = 15;

const LEAF: u64 = 1 << 63;
const MASK: u64 = (1 << 15) - 1;
const CHILDREN: u64 = (1 << 27) - 1;

/// Slots that there can be.
#[cfg(not(target_arch = "bpf"))]
pub const MOST_SLOTS: usize = 1 << 27;

/// An order that no rule has: it stands behind them all.
pub const NOTHING: u32 = i32::MAX as u32;

impl Slot {
    /// A leaf without rules.
    pub const EMPTY: Self = Self::leaf(0, NOTHING);

    /// A step by the `bits` bits of `word` from bit `shift` up.
    pub const fn cut(word: u8, shift: u32, bits: u32, children: u32) -> Self {
        let mask = (1_u64 << bits) - 1;
        Self(mask << 48 | (word as u64) << 33 | (shift as u64) << 27 | children as u64)
    }

    /// A step of the first kind as one of the second. `None`: what it looks at is not in a five-tuple.
    #[cfg(not(target_arch = "bpf"))]
    pub fn by_five(self) -> Option<Self> {
        if self.is_leaf() {
            return Some(self);
        }
        let (mask, word, shift) = (self.0 >> 48, (self.0 >> 33 & MASK) as u8, (self.0 >> 27 & 63) as u32);
        let (which, at) = Five::place(word, shift + mask.count_ones())?;
        let masks = if which == 0 { mask << 33 } else { mask << 48 };
        Some(Self(masks | u64::from(at + shift) << 27 | self.0 & CHILDREN))
    }

    /// `least`: the order of the leaf's first rule.
    pub const fn leaf(cell: u32, least: u32) -> Self {
        Self(LEAF | (least as u64) << 32 | cell as u64)
    }

    #[inline(always)]
    pub const fn is_leaf(self) -> bool {
        (self.0 as i64) < 0
    }

    /// A leaf's first cell.
    #[inline(always)]
    pub const fn cell(self) -> u32 {
        self.0 as u32
    }

    /// Of a leaf.
    #[inline(always)]
    pub const fn least(self) -> u32 {
        (self.0 >> 32) as u32 & NOTHING
    }

    /// Where a step of the first kind leads.
    #[inline(always)]
    pub const fn next_by_key(self, key: &Key) -> u32 {
        let word = key[(self.0 >> 33) as usize & (WORDS - 1)];
        (self.0 & CHILDREN) as u32 + (word >> (self.0 >> 27 & 31) & (self.0 >> 48) as u32)
    }

    /// Where a step of the second kind leads.
    #[inline(always)]
    pub const fn next_by_five(self, five: Five) -> u32 {
        let shift = self.0 >> 27 & 63;
        let child = five.0 >> shift & self.0 >> 33 & MASK | five.1 >> shift & self.0 >> 48;
        (self.0 & CHILDREN) as u32 + child as u32
    }
}
