//! From the section to the maps, and from the maps to what was counted.

use std::collections::BTreeMap;

use abi::Stage;
use policy::{Contents, Counters, Series, Slots, Tables, Tally, Valid, World};

use crate::{
    config::Counting,
    rows::Subject,
    shared::{ETHERTYPES, slot},
};

/// The map grows by powers of two, so that most changes of the interfaces leave it as it is.
const LEAST_INTERFACES: u32 = 8;

impl Valid for Counting {
    fn tables(&self, world: &World<'_>, slots: &mut Slots) -> Tables {
        let mut tables = Tables::default();
        tables.everywhere.stages = Stage::Counter.bit();
        tables.everywhere.global("COUNTER_ICMP_TYPES", u8::from(self.icmp_types));
        let mut zero = Vec::new();
        for interface in world.interfaces {
            // Its place may have been another interface's.
            if slots.get(&interface.name).is_none() {
                zero.extend(elements(interface.slot));
            }
            slots.take(&interface.name);
        }
        let last = world.interfaces.iter().map(|interface| interface.slot).max().unwrap_or(0);
        let max_entries = (last + 1).next_power_of_two().max(LEAST_INTERFACES) * slot::SLOTS;
        tables.maps.extend([
            ("COUNTS", Contents::Carried { max_entries, zero }),
            ("ETHERTYPE_COUNTS", Contents::Carried { max_entries: ETHERTYPES, zero: Vec::new() }),
        ]);
        tables
    }

    fn series(&self, counters: &mut dyn Counters, interfaces: &[(u32, &str)]) -> Vec<Series> {
        let mut sums: BTreeMap<(&'static str, Labels), Tally> = BTreeMap::new();
        let ethertypes = counters.hash("ETHERTYPE_COUNTS");
        for (place, interface) in interfaces {
            let counts = counters.array("COUNTS", place * slot::SLOTS, slot::SLOTS);
            let counts = (0..).zip(counts).map(|(slot, tally)| (Subject::of_slot(slot), tally));
            let ours = ethertypes.iter().filter(|(key, _)| key >> 16 == *place);
            let ethertypes = ours.map(|(key, tally)| (Subject::Ethertype(*key as u16), *tally));
            for (subject, tally) in counts.chain(ethertypes).filter(|(_, tally)| tally.packets != 0) {
                for (name, labels) in self.labels(subject, interface) {
                    let sum = sums.entry((name, labels)).or_default();
                    sum.packets = sum.packets.wrapping_add(tally.packets);
                    sum.bytes = sum.bytes.wrapping_add(tally.bytes);
                }
            }
        }
        sums.into_iter().map(|((name, labels), tally)| Series { name, labels, tally }).collect()
    }
}

/// All frames of the interface with this slot that were whole, and all that were malformed.
pub fn seen(counters: &mut dyn Counters, interface: u32) -> (Tally, Tally) {
    let mut sums = (Tally::default(), Tally::default());
    let counts = counters.array("COUNTS", interface * slot::SLOTS, slot::SLOTS);
    let counts = (0..).zip(counts).map(|(slot, tally)| (Subject::of_slot(slot), tally));
    let ethertypes = counters.hash("ETHERTYPE_COUNTS").into_iter().filter(|(key, _)| key >> 16 == interface);
    let ethertypes = ethertypes.map(|(key, tally)| (Subject::Ethertype(key as u16), tally));
    // Those of ICMP types are in their protocols' already.
    for (subject, tally) in counts.chain(ethertypes).filter(|(subject, _)| subject.icmp_type().is_none()) {
        let sum = if subject.reason().is_some() { &mut sums.1 } else { &mut sums.0 };
        sum.packets = sum.packets.wrapping_add(tally.packets);
        sum.bytes = sum.bytes.wrapping_add(tally.bytes);
    }
    sums
}

type Labels = Vec<(&'static str, String)>;

/// The array's elements of an interface.
fn elements(place: u32) -> std::ops::Range<u32> {
    place * slot::SLOTS..(place + 1) * slot::SLOTS
}

impl Counting {
    /// The lines that a counter belongs to.
    fn labels(&self, subject: Subject, interface: &str) -> Vec<(&'static str, Labels)> {
        let place: Labels =
            if self.per_interface { vec![("interface", interface.into())] } else { Vec::new() };
        let with = |more: Labels| [place.clone(), more].concat();
        let version = || ("ip_version", subject.ip_version().map_or_else(String::new, |v| v.to_string()));
        if let Some(kind) = subject.icmp_type() {
            // Counted besides its protocol.
            return vec![("icmp_type", with(vec![version(), ("icmp_type", kind.to_string())]))];
        }
        let mut lines = Vec::new();
        if self.per_protocol {
            lines.push(("protocol", with(vec![version(), ("protocol", subject.protocol())])));
        } else {
            lines.push(("interface", place.clone()));
        }
        if let Some(reason) = subject.reason() {
            lines.push(("malformed", with(vec![("reason", reason.into())])));
        }
        lines
    }
}
