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

/// What a rule does, in the verdicts of the classifier.
pub mod deed {
    pub const ACCEPT: u8 = 0;
    pub const DROP: u8 = 1;
    pub const REJECT: u8 = 2;
    /// The parameter is the port's number in `RULE_PORTS`.
    pub const REDIRECT: u8 = 3;
    /// No rule's: the packet is not what it says it is.
    pub const MALFORMED: u8 = 4;
    // Those that let the packet go on.
    pub const COUNT: u8 = 8;
    /// The parameter: one packet in so many.
    pub const LOG: u8 = 9;
    /// The parameter is the limit's number in `RULE_LIMITS`.
    pub const LIMIT: u8 = 10;
    /// As [`LOG`], of a rule that decides as well and counts then.
    pub const LOG_TOO: u8 = 11;
    /// The parameter is the mark.
    pub const MARK: u8 = 12;
}

shared! {
    /// A rule's rate, as the generic cell rate algorithm has it (ITU-T I.371): a packet in `interval` nanoseconds, and so
    /// much early.
    pub struct Limit {
        pub interval: u64,
        pub tolerance: u64,
        /// The bits of the address, of one kind, that share a bucket.
        pub mask: [u32; 4],
        /// The first word of the address in the key, or [`WHOLE`].
        pub word: u32,
        /// What tells it from other limits: of IPv4 and IPv6, which it has a mask each for, the same. With [`WHOLE`] its
        /// bucket, counted behind those that addresses share.
        pub number: u32,
    }
}

/// All packets share one bucket, and it is nobody else's.
pub const WHOLE: u32 = u32::MAX;

/// Buckets that limits by address share: a power of two. Addresses whose hashes agree share one.
pub const BUCKETS: u32 = 1 << 20;

/// What becomes of fragments under rules.
pub mod fragments {
    /// Rules judge them all; later ones have no ports for a rule to match.
    pub const FIRST_ONLY: u8 = 0;
    /// Every fragment is dropped, the first too.
    pub const DROP: u8 = 1;
    /// Later fragments pass unjudged: nothing can be put together without the first.
    pub const PASS: u8 = 2;
}

shared! {
    /// The time, looked at once in a jiffy.
    pub struct RuleClock {
        pub jiffies: u64,
        /// `CLOCK_MONOTONIC`, nanoseconds.
        pub time: u64,
    }
}
