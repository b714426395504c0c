//! What the kernel hands over for each captured packet.

use abi::shared;

shared! {
    /// Stands before the packet's bytes in the ring.
    pub struct RecordHeader {
        /// `CLOCK_MONOTONIC`, nanoseconds.
        pub time: u64,
        /// Bytes on the wire.
        pub length: u32,
        /// Bytes of them that follow.
        pub captured: u32,
        /// Receive queue.
        pub queue: u32,
        /// `abi::Action`, what became of the frame.
        pub verdict: u32,
        /// `abi::Reason`, why.
        pub reason: u32,
        pub ifindex: u32,
    }
}

/// Data bytes that a record can hold. The verifier wants the size of a reservation as a constant, so there are a few.
pub const CLASSES: [u32; 5] = [96, 480, 2016, 16352, 65504];

/// Bytes of [`RecordHeader`].
pub const HEADER: u32 = 32;

/// The longest capture: the largest class.
pub const MAX_SNAPLEN: u32 = 65504;

/// Bytes of the ring buffer, unless the user wants others. Holds 30 ms of 64-byte packets at 2 Mpps.
pub const RING_BYTES: u32 = 8 << 20;

/// Which parts of the filter are set, bits of `CAPTURE_FILTER`.
pub mod filter {
    pub const PROTOCOL: u32 = 1;
    pub const PORT: u32 = 2;
    pub const HOST: u32 = 4;
    pub const SYN: u32 = 8;
    pub const IP_VERSION: u32 = 16;
    /// The protocol is ICMP: `icmp` means 1 over IPv4 and 58 over IPv6.
    pub const ICMP: u32 = 32;
    /// The frame's ethertype (of frames that are not IP).
    pub const ETHERTYPE: u32 = 64;
}
