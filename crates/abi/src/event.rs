//! A sampled drop: what the data path tells of one frame, and of how many more it stands for.

use crate::shared;

shared! {
    /// A record of the ring `EVENTS`. Addresses are words in host order, IPv4's in the last; what a frame has not is 0.
    pub struct Event {
        /// `CLOCK_MONOTONIC`, nanoseconds.
        pub time: u64,
        /// Frames that this CPU dropped on this interface since its last record, this one included.
        pub drops: u64,
        pub source: [u32; 4],
        pub destination: [u32; 4],
        pub ifindex: u32,
        /// The interface's slot.
        pub interface: u32,
        /// Bytes on the wire.
        pub length: u32,
        pub source_port: u16,
        pub destination_port: u16,
        /// After VLAN tags.
        pub ethertype: u16,
        /// [`Reason`](crate::Reason).
        pub reason: u8,
        /// [`Action`](crate::Action).
        pub action: u8,
        /// 4, 6, or 0: not IP.
        pub ip_version: u8,
        /// The upper-layer protocol of an IP packet.
        pub protocol: u8,
        /// TCP's.
        pub tcp_flags: u8,
        /// ICMP's and ICMPv6's.
        pub icmp_type: u8,
    }
}

const _: () = assert!(size_of::<Event>() == 72);
