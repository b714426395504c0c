//! A sampled drop: one frame, and how many more it stands for.

use crate::shared;

shared! {
    /// A record of the ring `EVENTS`. The frame is read on the host: to parse it once more in the kernel would be half of
    /// the program, for the verifier too.
    pub struct Event {
        /// `CLOCK_MONOTONIC`, nanoseconds.
        pub time: u64,
        /// Frames that this CPU dropped on this interface since its last record of drops, this one included; 0: a rule wanted
        /// this one to be told of, whatever became of it.
        pub drops: u64,
        pub ifindex: u32,
        /// The interface's slot.
        pub interface: u32,
        /// Bytes on the wire.
        pub length: u32,
        /// Bytes of `frame` that are the frame's; the others mean nothing.
        pub captured: u16,
        /// [`Reason`](crate::Reason).
        pub reason: u8,
        /// [`Action`](crate::Action).
        pub action: u8,
        /// The frame's beginning, as XDP saw it.
        pub frame: [u8; SNAPLEN],
    }
}

/// Room for two VLAN tags, an IPv6 header, 40 bytes of extension headers and TCP's.
pub const SNAPLEN: usize = 128;

impl Event {
    /// The frame's bytes that the record has.
    pub fn bytes(&self) -> &[u8] {
        &self.frame[..SNAPLEN.min(self.captured.into())]
    }
}
