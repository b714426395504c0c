//! The stages of the data path, in the order a packet meets them.

use crate::{Action, Reason};

/// A stage and its bit in the program's read-only `STAGES`. The verifier deletes the code of stages whose bit is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Stage {
    Counter = 1,
    Capture = 2,
    Firewall = 4,
    Redirect = 8,
    /// Not on a packet's way, but behind its verdict.
    Events = 16,
}

/// Beside the stages' bits: the program is loaded with `BPF_F_XDP_HAS_FRAGS`, so a frame may be longer than its first
/// buffer.
pub const FRAGS: u32 = 1 << 31;

/// Bits of `STAGES` that no packet meets on its way: with nothing else on, every frame passes unread.
pub const BESIDE: u32 = FRAGS | Stage::Events.bit();

impl Stage {
    pub const ALL: [Self; 5] = [Self::Counter, Self::Capture, Self::Firewall, Self::Redirect, Self::Events];

    pub const fn bit(self) -> u32 {
        self as u32
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Capture => "capture",
            Self::Firewall => "firewall",
            Self::Redirect => "redirect",
            Self::Events => "events",
        }
    }
}

/// What a stage says of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The next stage decides.
    Next,
    Done(Action, Reason),
}
