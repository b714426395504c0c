//! What is known of a generation beside its pins: one JSON file each, so that every command and a restarted daemon can say
//! what is live and why.

use std::{collections::BTreeMap, path::PathBuf};

use abi::Direction;
use policy::{Slots, Subject};
use serde::{Deserialize, Serialize};

use crate::{
    desired::{Desired, Program},
    error::Error,
};

/// The layout of pins and records. Another number is not read, never guessed at.
pub const LAYOUT: &str = "senko-gateway-1";

/// A generation, as it was applied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub generation: u64,
    /// The generation whose configuration was live before this one's: where a rollback leads.
    pub former: Option<u64>,
    /// Seconds since 1970.
    pub applied_at: f64,
    /// `apply`, `reload`, `rollback to 3`, …
    pub by: String,
    /// The configuration: main file, and all files that were read with the digests of their contents.
    pub main: PathBuf,
    pub files: Vec<(PathBuf, String)>,
    pub interfaces: Vec<RecordedInterface>,
    /// Digests of what the maps hold, live edits included.
    pub maps: BTreeMap<String, String>,
    /// Counter slots by function and name.
    pub slots: BTreeMap<String, BTreeMap<String, u32>>,
    pub counted: Vec<RecordedCounter>,
    pub sets: BTreeMap<String, RecordedSet>,
    /// What `plan` compares line by line: settings as they are written.
    pub lines: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedInterface {
    pub name: String,
    pub slot: u32,
    /// As configured.
    pub mode: String,
    /// What the program was told: a digest of its read-only globals.
    pub program: String,
    /// Bits of `abi::Stage`.
    pub stages: u32,
    /// What it sends is remembered.
    #[serde(default)]
    pub watches_egress: bool,
    /// It marks packets for the kernel.
    #[serde(default)]
    pub marks: bool,
    /// `None`: the interface was not there.
    #[serde(default)]
    pub attached: Option<RecordedAttachment>,
}

impl RecordedInterface {
    /// As `Knob::needs`.
    pub const fn needs(&self, direction: Direction) -> bool {
        match direction {
            Direction::Ingress => self.marks,
            Direction::Egress => self.watches_egress,
        }
    }
}

/// A set, edits included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedSet {
    pub elements: usize,
    pub digest: String,
}

/// How an interface took its program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedAttachment {
    pub ifindex: u32,
    /// `native`, `generic` or `offload`.
    pub mode: String,
    /// Why native was refused.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fallback: Option<String>,
    /// The program takes frames of several buffers.
    pub frags: bool,
}

/// A counter and what it counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedCounter {
    pub section: String,
    pub map: String,
    pub slot: u32,
    /// The rule as it is written.
    pub rule: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub set: Option<String>,
    pub file: PathBuf,
    pub line: usize,
}

impl RecordedCounter {
    pub fn subject(&self) -> Subject {
        match &self.set {
            Some(set) => Subject::Set { rule: self.rule.clone(), set: set.clone() },
            None => Subject::Rule(self.rule.clone()),
        }
    }
}

impl Record {
    /// What a generation comes to; files, lines and places are the caller's to add.
    pub fn of(desired: &Desired, generation: u64, applied_at: f64, by: &str) -> Self {
        let interface = |program: &Program| RecordedInterface {
            name: program.interface.clone(),
            slot: program.slot,
            mode: program.mode.name().into(),
            program: program.digest(),
            stages: program.knob.stages,
            watches_egress: program.knob.watches_egress,
            marks: program.knob.marks,
            attached: None,
        };
        let names = |slots: &Slots| slots.iter().map(|(name, slot)| (name.into(), slot)).collect();
        Self {
            generation,
            former: None,
            applied_at,
            by: by.into(),
            main: PathBuf::new(),
            files: Vec::new(),
            interfaces: desired.programs.iter().map(interface).collect(),
            maps: desired.digests.clone(),
            slots: desired.slots.iter().map(|(function, slots)| (function.clone(), names(slots))).collect(),
            counted: Vec::new(),
            sets: BTreeMap::new(),
            lines: Vec::new(),
        }
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("plain data")
    }

    pub fn from_bytes(generation: u64, bytes: &[u8]) -> Result<Self, Error> {
        serde_json::from_slice(bytes).map_err(|error| Error::Record { generation, why: error.to_string() })
    }

    /// Stays the generation that is live: only what the files say besides is new.
    pub fn keep_from(&mut self, live: Option<&Self>) {
        if let Some(live) = live {
            self.generation = live.generation;
            self.former = live.former;
            self.applied_at = live.applied_at;
            self.by.clone_from(&live.by);
            self.interfaces.clone_from(&live.interfaces);
        }
    }

    pub fn interface(&self, name: &str) -> Option<&RecordedInterface> {
        self.interfaces.iter().find(|interface| interface.name == name)
    }

    pub fn interface_mut(&mut self, name: &str) -> Option<&mut RecordedInterface> {
        self.interfaces.iter_mut().find(|interface| interface.name == name)
    }

    /// Whether an interface's program takes frames of several buffers.
    pub fn has_frags(&self, interface: &str) -> bool {
        self.interface(interface).and_then(|known| known.attached.as_ref()).is_some_and(|known| known.frags)
    }

    /// The slots of a function's counters, to be carried on.
    pub fn slots(&self) -> BTreeMap<String, Slots> {
        let slots = |names: &BTreeMap<String, u32>| Slots::of(names.clone());
        self.slots.iter().map(|(function, names)| (function.clone(), slots(names))).collect()
    }
}
