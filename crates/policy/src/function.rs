//! A network function, as the gateway sees it.

use std::net::IpAddr;

use crate::{
    cidr::Cidr, field::Field, problem::Problems, section::Section, set::Sets, slots::Slots, source::Span,
    tables::Tables,
};

/// A function that can stand in `senko.toml` with a section of its own.
pub trait Function: Sync {
    /// The section's name.
    fn name(&self) -> &'static str;

    /// One sentence for the schema and the manual.
    fn about(&self) -> &'static str;

    /// What may stand in the section. The reader, the schema and the manual are made of it.
    fn fields(&self) -> &'static [Field];

    /// Reads the section, and says everything that is wrong with it. `None` when it cannot be used. Keys that are not
    /// declared were complained of already.
    fn read(
        &self,
        section: &Section<'_>,
        world: &World<'_>,
        problems: &mut Problems,
    ) -> Option<Box<dyn Valid>>;
}

/// A section that was read and found sound.
pub trait Valid: Send + Sync {
    /// What it comes to in the kernel. `slots` are those of the function's counters.
    fn tables(&self, world: &World<'_>, slots: &mut Slots) -> Tables;

    /// What the function's prefix tables hold for exactly this prefix, with the sets as they are: what a live edit of a
    /// set writes. Every table that a set of `world` can reach is named.
    fn answers(&self, _world: &World<'_>, _slots: &Slots, _prefix: Cidr) -> Vec<Answer> {
        Vec::new()
    }

    /// What the section costs packets and memory, beyond its maps; for `check`.
    fn costs(&self) -> Vec<Cost> {
        Vec::new()
    }

    /// Other prefixes whose values in the function's tables change when a set gains or loses this one.
    fn affected(&self, _world: &World<'_>, _prefix: Cidr) -> Vec<Cidr> {
        Vec::new()
    }

    /// The rules of an ordered list that did not decide a packet, in their order, up to the one with this text or to the end;
    /// for `explain`.
    fn passed(
        &self,
        _world: &World<'_>,
        _frame: &[u8],
        _interface: &str,
        _decides: Option<&str>,
    ) -> Vec<Passed> {
        Vec::new()
    }

    /// What keeps a frame that comes in by an interface from the host, while no limit is used up; `None`: nothing of this
    /// section does.
    fn stops(&self, _world: &World<'_>, _frame: &[u8], _interface: &str) -> Option<Stop> {
        None
    }

    /// What the function's own maps have counted, for `stats` and metrics: `interfaces` are (slot, name). Counters of rules
    /// are not among it; they are in [`Tables::counted`].
    fn series(&self, _counters: &mut dyn Counters, _interfaces: &[(u32, &str)]) -> Vec<Series> {
        Vec::new()
    }
}

/// A figure of what a section costs.
#[derive(Debug, Clone, PartialEq)]
pub struct Cost {
    /// `rules: steps of a packet`.
    pub name: &'static str,
    pub value: f64,
}

/// A rule that did not decide a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    pub rule: String,
    pub at: Span,
    /// `port 80 does not hold`.
    pub why: String,
}

/// What keeps a packet from the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// `drop tcp port 22`, as it is written.
    pub what: String,
    pub at: Option<Span>,
    /// Not any more once this host has sent a packet of the same flow.
    pub until_sent: bool,
}

/// The value of one prefix in one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The map with the table's nodes.
    pub table: &'static str,
    /// `None`: the prefix is not in it.
    pub value: Option<u32>,
}

/// What the sections of functions can refer to.
#[derive(Debug, Clone, Copy)]
pub struct World<'a> {
    pub interfaces: &'a [Interface],
    pub sets: &'a Sets,
    /// The addresses of this host; unknown, and empty, while the file is read.
    pub addresses: &'a [IpAddr],
}

/// `[[interface]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    pub name: String,
    /// `auto`, `native`, `generic` or `offload`.
    pub mode: String,
    /// Its place in maps that count or forward by interface, the program's global `INTERFACE`. The reader numbers
    /// interfaces as they are written; the gateway keeps the numbers that are live.
    pub slot: u32,
    /// The name where it is written.
    pub at: Span,
}

/// A counter's value, summed over CPUs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub packets: u64,
    pub bytes: u64,
}

/// The live counters, for functions that do no I/O.
pub trait Counters {
    /// Elements `from..from + count` of a per-CPU array of packets and bytes.
    fn array(&mut self, map: &str, from: u32, count: u32) -> Vec<Tally>;
    /// A per-CPU hash with keys of four bytes.
    fn hash(&mut self, map: &str) -> Vec<(u32, Tally)>;
}

/// One line of what was counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// What the labels tell apart: `protocol`. Metrics are `senko_protocol_packets_total` and `senko_protocol_bytes_total`.
    pub name: &'static str,
    pub labels: Vec<(&'static str, String)>,
    pub tally: Tally,
}
