//! What a configuration, the live edits and the blocks come to in the kernel: all maps and programs of a generation.
//! Pure.

use std::collections::BTreeMap;

use abi::{Stage, stage::FRAGS};
use engine::{Globals, Mode};
use events::shared::RING_BYTES;
use policy::{Contents, Counted, Interface, Knob, Slots, Tables, Valid, World};
use sha2::{Digest as _, Sha256};

use crate::digest;

/// What is to be live.
#[derive(Debug, Clone)]
pub struct Desired {
    pub programs: Vec<Program>,
    pub maps: BTreeMap<String, Contents>,
    /// Equal for maps with equal contents. A million prefixes take some milliseconds, so it is done once.
    pub digests: BTreeMap<String, String>,
    /// Counters, with the section that they are of.
    pub counted: Vec<(String, Counted)>,
    /// Counter slots by function; the interfaces' are under [`INTERFACES`].
    pub slots: BTreeMap<String, Slots>,
}

impl Desired {
    /// Gives a global that programs have another value.
    pub fn set_everywhere(&mut self, global: &str, value: u64) {
        for bytes in self.programs.iter_mut().filter_map(|program| program.knob.globals.get_mut(global)) {
            *bytes = value.to_ne_bytes().to_vec();
        }
    }
}

/// The program of one interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    pub interface: String,
    pub mode: Mode,
    pub slot: u32,
    pub knob: Knob,
}

impl Program {
    /// The read-only globals it is loaded with.
    pub fn globals(&self, frags: bool) -> Globals {
        let mut globals = Globals::default();
        for (name, bytes) in &self.knob.globals {
            globals.set_bytes(name, bytes.clone());
        }
        globals.set("STAGES", self.knob.stages | if frags { FRAGS } else { 0 });
        globals.set("INTERFACE", self.slot);
        globals
    }

    /// Equal for programs that are told the same.
    pub fn digest(&self) -> String {
        let mut sha = Sha256::new();
        sha.update(self.knob.stages.to_le_bytes());
        sha.update(self.slot.to_le_bytes());
        for (name, bytes) in &self.knob.globals {
            sha.update(name);
            sha.update([0]);
            sha.update(bytes);
        }
        digest::hex(&sha.finalize())
    }
}

/// Whose slots the interfaces have.
pub const INTERFACES: &str = "interface";
/// Interfaces a gateway can have: the data path's counters have so many places.
pub const MOST_INTERFACES: u32 = 64;

/// Whose map every program counts its reasons in.
const REASONS: &str = "REASONS";
/// The ring of sampled drops, and when each interface wrote to it.
pub const EVENTS: &str = "EVENTS";
const EVENT_CLOCK: &str = "EVENT_CLOCK";

/// A section that was read, by its name.
pub type Section<'a> = (&'a str, &'a dyn Valid);

/// Gives every interface the slot that it has, or a new one.
pub fn interface_slots(interfaces: &mut [Interface], slots: &mut BTreeMap<String, Slots>) {
    let slots = slots.entry(INTERFACES.into()).or_default();
    for interface in interfaces {
        interface.slot = slots.take(&interface.name);
    }
}

/// Joins what the functions want. `extra` is what the gateway itself adds: the blocks.
pub fn compile(
    sections: &[Section<'_>],
    world: &World<'_>,
    extra: Tables,
    mut slots: BTreeMap<String, Slots>,
) -> Desired {
    let mut everywhere = Knob::default();
    let mut on: BTreeMap<String, Knob> = BTreeMap::new();
    let mut maps: BTreeMap<String, Contents> = BTreeMap::new();
    let mut counted = Vec::new();
    let mut join = |section: &str, tables: Tables| {
        merge(&mut everywhere, &tables.everywhere);
        for (interface, knob) in &tables.on {
            merge(on.entry(interface.clone()).or_default(), knob);
        }
        maps.extend(tables.maps.into_iter().map(|(name, contents)| (name.into(), contents)));
        counted.extend(tables.counted.into_iter().map(|counted| (section.into(), counted)));
    };
    // The gateway's own first: what a section says of the same global stands.
    join("blocks", extra);
    for (name, valid) in sections {
        let own = slots.entry((*name).into()).or_default();
        let tables = valid.tables(world, own);
        own.release_unwanted();
        join(name, tables);
    }
    slots.entry(INTERFACES.into()).or_default().release_unwanted();
    let programs: Vec<Program> = world
        .interfaces
        .iter()
        .map(|interface| {
            let mut knob = everywhere.clone();
            if let Some(own) = on.get(&interface.name) {
                merge(&mut knob, own);
            }
            if knob.stages & Stage::Firewall.bit() != 0 {
                // What is dropped can be told of.
                knob.stages |= Stage::Events.bit();
            }
            Program {
                interface: interface.name.clone(),
                mode: mode(&interface.mode),
                slot: interface.slot,
                knob,
            }
        })
        .collect();
    if programs.iter().any(|program| program.knob.stages != 0) {
        let max_entries = MOST_INTERFACES * abi::reason::STRIDE;
        maps.insert(REASONS.into(), Contents::Carried { max_entries, zero: Vec::new() });
    }
    if programs.iter().any(|program| program.knob.stages & Stage::Events.bit() != 0) {
        for (name, max_entries) in [(EVENTS, RING_BYTES), (EVENT_CLOCK, MOST_INTERFACES)] {
            maps.insert(name.into(), Contents::Carried { max_entries, zero: Vec::new() });
        }
    }
    let digests = maps.iter().map(|(name, contents)| (name.clone(), digest::of(contents))).collect();
    Desired { programs, maps, digests, counted, slots }
}

fn merge(into: &mut Knob, from: &Knob) {
    into.stages |= from.stages;
    into.globals.extend(from.globals.iter().map(|(name, bytes)| (*name, bytes.clone())));
    into.watches_egress |= from.watches_egress;
    into.marks |= from.marks;
}

/// The configuration's reader has checked the word.
fn mode(word: &str) -> Mode {
    match word {
        "native" => Mode::Native,
        "generic" => Mode::Generic,
        "offload" => Mode::Offload,
        _ => Mode::Auto,
    }
}
