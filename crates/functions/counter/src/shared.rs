//! The counters' layout.

use abi::shared;

shared! {
    /// One counter. Per CPU: a reader sums them.
    pub struct Count {
        pub packets: u64,
        pub bytes: u64,
    }
}

impl Count {
    pub const ZERO: Self = Self { packets: 0, bytes: 0 };
}

/// Slots of the counter array: 256 a family, so that a protocol number is its own index. Interfaces follow each other in
/// the array, by their own slot.
pub mod slot {
    /// IPv4, by protocol.
    pub const IPV4: u32 = 0;
    /// IPv6, by upper-layer protocol.
    pub const IPV6: u32 = 256;
    /// ICMP over IPv4, by type; counted besides the protocol, when types are wanted.
    pub const ICMP: u32 = 512;
    /// ICMPv6, by type.
    pub const ICMPV6: u32 = 768;
    /// Malformed frames, by `wire::Malformed`.
    pub const MALFORMED: u32 = 1024;
    /// Frames whose ethertype found no room in the hash.
    pub const OTHER_ETHERTYPE: u32 = 1040;
    /// Of one interface.
    pub const SLOTS: u32 = 1041;

    /// The array's first element of an interface.
    #[inline(always)]
    pub const fn first(interface: u32) -> u32 {
        interface * SLOTS
    }

    /// The array's elements of an interface.
    pub const fn range(interface: u32) -> core::ops::Range<u32> {
        first(interface)..first(interface + 1)
    }
}

/// Keys of the hash of ethertypes: the interface's slot in the upper half, the type in the lower.
pub mod ethertype {
    #[inline(always)]
    pub const fn key(interface: u32, ethertype: u16) -> u32 {
        interface << 16 | ethertype as u32
    }

    /// The interface's slot, and the type.
    pub const fn of(key: u32) -> (u32, u16) {
        (key >> 16, key as u16)
    }
}

/// Different ethertypes (of frames that are not IP) that can be told apart, all interfaces together.
pub const ETHERTYPES: u32 = 1024;
