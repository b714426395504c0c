//! One step down a tree, in a word: which bits of the key choose among which slots.

/// ```text
/// bit  63   62..48   47..40   39..32   31..0
/// step 0    mask     shift    word     first slot of the children
///      63   62..32                     31..0
/// leaf 1    the least order in it      first cell
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slot(pub u64);

/// Bits that one step can look at.
#[cfg(not(target_arch = "bpf"))]
pub const MOST_BITS: u32 = 15;

const LEAF: u64 = 1 << 63;

/// An order that no rule has: it stands behind them all.
pub const NOTHING: u32 = i32::MAX as u32;

impl Slot {
    /// A leaf without rules.
    pub const EMPTY: Self = Self::leaf(0, NOTHING);

    /// A step by the `bits` bits of `word` from bit `shift` up.
    pub const fn cut(word: u8, shift: u32, bits: u32, children: u32) -> Self {
        let mask = (1_u64 << bits) - 1;
        Self(mask << 48 | (shift as u64) << 40 | (word as u64) << 32 | children as u64)
    }

    /// `least`: the order of the leaf's first rule.
    pub const fn leaf(cell: u32, least: u32) -> Self {
        Self(LEAF | (least as u64) << 32 | cell as u64)
    }

    #[inline(always)]
    pub const fn is_leaf(self) -> bool {
        (self.0 as i64) < 0
    }

    /// The leaf's first cell, or the first of the children.
    #[inline(always)]
    pub const fn base(self) -> u32 {
        self.0 as u32
    }

    /// Of a leaf.
    #[inline(always)]
    pub const fn least(self) -> u32 {
        (self.0 >> 32) as u32 & NOTHING
    }

    #[inline(always)]
    pub const fn word(self) -> u8 {
        (self.0 >> 32) as u8
    }

    #[inline(always)]
    pub const fn shift(self) -> u32 {
        (self.0 >> 40) as u32 & 31
    }

    #[inline(always)]
    pub const fn mask(self) -> u32 {
        (self.0 >> 48) as u32
    }
}
