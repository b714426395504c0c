//! What a leaf consists of: conditions that the path to it has not settled, and verdicts.

use abi::shared;

shared! {
    /// ```text
    /// condition  (key[word] & mask) - low <= span, wrapping   meta: 31: 0, 15..8: cells to the next rule, 7..0: word
    /// verdict    low: order, span: slot, mask: parameter      meta: 31: 1, 15..0: the rule's action
    /// ```
    #[derive(Hash)]
    pub struct Cell {
        pub low: u32,
        pub span: u32,
        pub mask: u32,
        pub meta: u32,
    }
}

const VERDICT: u32 = 1 << 31;

/// The order of what ends a leaf in which nothing matches.
pub const NOTHING: u32 = u32::MAX;

/// What a rule comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Verdict {
    /// Its place in the list: of two that match the lower decides. Below [`NOTHING`].
    pub order: u32,
    /// Its counter's.
    pub slot: u32,
    pub parameter: u32,
    /// Means something to the caller.
    pub action: u16,
}

impl Cell {
    pub const END: Self = Self { low: NOTHING, span: 0, mask: 0, meta: VERDICT };

    /// `skip`: cells from this one to the next rule's first.
    pub const fn condition(word: u8, mask: u32, low: u32, span: u32, skip: u8) -> Self {
        Self { low, span, mask, meta: (skip as u32) << 8 | word as u32 }
    }

    pub const fn verdict(verdict: Verdict) -> Self {
        Self {
            low: verdict.order,
            span: verdict.slot,
            mask: verdict.parameter,
            meta: VERDICT | verdict.action as u32,
        }
    }

    #[inline(always)]
    pub const fn is_verdict(&self) -> bool {
        self.meta & VERDICT != 0
    }

    /// Of a cell that is a verdict.
    #[inline(always)]
    pub const fn as_verdict(&self) -> Verdict {
        Verdict { order: self.low, slot: self.span, parameter: self.mask, action: self.meta as u16 }
    }

    /// Of a cell that is a condition.
    #[inline(always)]
    pub const fn holds(&self, value: u32) -> bool {
        (value & self.mask).wrapping_sub(self.low) <= self.span
    }

    #[inline(always)]
    pub const fn word(&self) -> usize {
        (self.meta & 0xff) as usize
    }

    #[inline(always)]
    pub const fn skip(&self) -> u32 {
        self.meta >> 8 & 0xff
    }
}
