//! The counters on the host: the maps of the kernel as vectors and trees.

use std::collections::BTreeMap;

use counter::{
    logic::{self, Env},
    rows::{self, Snapshot},
    shared::{Count, slot},
};
use wire::{Frame, parse};

pub struct Counters {
    slots: Vec<Count>,
    ethertypes: BTreeMap<u16, Count>,
    icmp_types: bool,
}

impl Counters {
    pub fn new(icmp_types: bool) -> Self {
        Self { slots: vec![Count::ZERO; slot::SLOTS as usize], ethertypes: BTreeMap::new(), icmp_types }
    }

    /// As the pipeline does it.
    pub fn count(&mut self, bytes: &[u8]) {
        let mut copy = bytes.to_vec();
        let frame = Frame::new(&mut copy);
        let length = bytes.len() as u64;
        match parse(&frame, length) {
            Ok(headers) => logic::process(&frame, &headers, length, self),
            Err(malformed) => logic::process_malformed(malformed, length, self),
        }
    }

    pub fn snapshot(&self) -> Snapshot {
        let slots = (0..).zip(&self.slots).map(|(slot, count)| (slot, vec![*count]));
        let ethertypes = self.ethertypes.iter().map(|(key, count)| (u32::from(*key), vec![*count]));
        rows::snapshot(0, slots, ethertypes)
    }
}

fn add(count: &mut Count, bytes: u64) {
    *count = Count { packets: count.packets + 1, bytes: count.bytes + bytes };
}

impl Env for Counters {
    fn count(&mut self, slot: u32, bytes: u64) {
        add(&mut self.slots[slot as usize], bytes);
    }

    fn count_ethertype(&mut self, ethertype: u16, bytes: u64) {
        add(self.ethertypes.entry(ethertype).or_insert(Count::ZERO), bytes);
    }

    fn wants_icmp_types(&self) -> bool {
        self.icmp_types
    }
}
