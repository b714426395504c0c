//! The sampler's memory. The record itself is `abi::Event`.

use abi::shared;

shared! {
    /// When this CPU wrote its last record of an interface's drops, and what it dropped since.
    pub struct Clock {
        /// The jiffy in which the time was looked at last.
        pub jiffies: u64,
        /// Of the last record, `CLOCK_MONOTONIC` in nanoseconds.
        pub time: u64,
        pub drops: u64,
    }
}

/// At most one record in so many nanoseconds, of each interface on each CPU.
pub const INTERVAL: u64 = 10_000_000;

/// Bytes of the ring: 3 000 records, which 8 CPUs write in 4 seconds.
pub const RING_BYTES: u32 = 512 << 10;
