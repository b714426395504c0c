//! What a prefix's value in the tables says, and the hit counters.

use abi::shared;

shared! {
    /// Frames whose source a prefix (or a prefix of a long list) matched. Per CPU: a reader sums them.
    pub struct Hit {
        pub packets: u64,
        pub bytes: u64,
    }
}

/// A table's value: which counter, and what to do.
///
/// ```text
/// bit 30       29..0
/// 1: allow     counter slot + 1
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value(pub u32);

const ALLOW: u32 = 1 << 30;

/// Counter slots there can be.
pub const MAX_SLOTS: u32 = ALLOW - 1;

impl Value {
    #[inline(always)]
    pub const fn drop(slot: u32) -> Self {
        Self(slot + 1)
    }

    #[inline(always)]
    pub const fn allow(slot: u32) -> Self {
        Self(ALLOW | (slot + 1))
    }

    #[inline(always)]
    pub const fn slot(self) -> u32 {
        (self.0 & (ALLOW - 1)).wrapping_sub(1)
    }

    #[inline(always)]
    pub const fn is_allow(self) -> bool {
        self.0 & ALLOW != 0
    }
}
