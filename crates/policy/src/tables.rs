//! What a valid configuration comes to in the kernel: stages, read-only globals, contents of maps. Plain data that two
//! generations can be compared by.

use std::{collections::BTreeMap, sync::Arc};

use abi::{Direction, Shared, layout::bytes_of};
use prefix::{PrefixV4, PrefixV6};

use crate::source::Span;

/// What one function wants of a generation.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    /// What is the same on every interface.
    pub everywhere: Knob,
    /// What is besides on some interfaces, by name.
    pub on: BTreeMap<String, Knob>,
    /// Contents of the maps that the stages read and write, by the map's name.
    pub maps: BTreeMap<&'static str, Contents>,
    /// What is counted for whom, for `stats`, `explain` and metrics.
    pub counted: Vec<Counted>,
}

impl Tables {
    /// Lays another function's tables over these: of two values of one global, and of two contents of one map, the other's
    /// stays.
    pub fn lay_over(&mut self, other: Self) {
        self.everywhere.lay_over(other.everywhere);
        for (interface, knob) in other.on {
            self.on.entry(interface).or_default().lay_over(knob);
        }
        self.maps.extend(other.maps);
        self.counted.extend(other.counted);
    }
}

/// Stages that are on, and read-only globals of the program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Knob {
    /// Bits of `abi::Stage`.
    pub stages: u32,
    pub globals: BTreeMap<&'static str, Vec<u8>>,
    /// What the interface sends is to be remembered.
    pub watches_egress: bool,
    /// The program marks packets for the kernel.
    pub marks: bool,
}

impl Knob {
    pub fn global<T: Shared>(&mut self, name: &'static str, value: T) -> &mut Self {
        self.globals.insert(name, bytes_of(&value).to_vec());
        self
    }

    /// Adds another knob's stages and globals; its values stay.
    pub fn lay_over(&mut self, other: Self) {
        self.stages |= other.stages;
        self.globals.extend(other.globals);
        self.watches_egress |= other.watches_egress;
        self.marks |= other.marks;
    }

    /// Whether the interface's program does its work with a classifier beside it.
    pub const fn needs(&self, direction: Direction) -> bool {
        match direction {
            Direction::Ingress => self.marks,
            Direction::Egress => self.watches_egress,
        }
    }
}

/// What a map holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contents {
    /// A prefix table; the map is its nodes.
    Prefixes(PrefixTable),
    /// Exactly these keys and values, written before a frame meets the map.
    Entries { max_entries: u32, entries: Vec<(Vec<u8>, Vec<u8>)> },
    /// A devmap: keys, and interfaces by name.
    Ports { max_entries: u32, ports: Vec<(Vec<u8>, String)> },
    /// A devmap hash whose keys are the interfaces' own indexes: interfaces by name.
    PortsByIndex { max_entries: u32, names: Vec<String> },
    /// All elements of an array, one after the other, in memory that user space writes: a multiple of 8 bytes each.
    Array { element: usize, bytes: Arc<[u8]> },
    /// Written by the data path, kept from generation to generation. `zero`: elements of a per-CPU array that begin anew
    /// in this generation.
    Carried { max_entries: u32, zero: Vec<u32> },
    /// One element of so many random bytes, drawn when the map is made and kept from generation to generation.
    Random { bytes: usize },
}

/// A longest-prefix-match table of crate `prefix` and the map that holds its lines. Sorted, without duplicates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrefixTable {
    V4 { lines: &'static str, list: Arc<[(PrefixV4, u32)]> },
    V6 { lines: &'static str, list: Arc<[(PrefixV6, u32)]> },
}

/// A counter and what it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// A per-CPU array of packets and bytes.
    pub map: &'static str,
    pub slot: u32,
    pub subject: Subject,
    /// Where it is written.
    pub at: Option<Span>,
}

/// What a counter stands for, as it is written in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A rule: `drop 198.51.100.7`.
    Rule(String),
    /// A set in a rule: `drop @blocklist` is set `blocklist`.
    Set { rule: String, set: String },
}

impl Subject {
    /// The rule's text.
    pub fn rule(&self) -> &str {
        match self {
            Self::Rule(rule) | Self::Set { rule, .. } => rule,
        }
    }
}
