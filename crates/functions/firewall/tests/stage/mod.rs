//! The stage on the host: its tables in memory, its counters a map.

#![allow(dead_code, reason = "every test file is a crate of its own and uses a part of this")]

use std::collections::BTreeMap;

use abi::{Action, Reason, Step};
use firewall::{
    cidr::Cidr,
    compile::Policy,
    list::{List, Verdict},
    logic::{self, Env},
    shared::{Hit, Value},
};
use prefix::{TableV4, TableV6};
use testkit::prefixes::Lists;
use wire::{Frame, parse};

pub struct Stage {
    v4: TableV4,
    v6: TableV6,
    hits: BTreeMap<u32, Hit>,
}

impl Stage {
    /// From the command line's words, as `senko firewall` does it.
    pub fn new(lists: &Lists) -> Self {
        let drop = List::from_args("--drop", Verdict::Drop, &lists.drop).expect("sound prefixes");
        let allow = List::from_args("--allow", Verdict::Allow, &lists.allow).expect("sound prefixes");
        let policy = Policy::compile(&[drop, allow], false).expect("each prefix once");
        assert_eq!(policy.slots as usize, lists.drop.len() + lists.allow.len());
        Self {
            v4: TableV4::in_memory(&policy.v4, 0).expect("a sound list"),
            v6: TableV6::in_memory(&policy.v6, 0).expect("a sound list"),
            hits: BTreeMap::new(),
        }
    }

    /// What becomes of a frame, and its bytes afterwards, in the place that the pipeline gives the stage.
    pub fn judge(&mut self, bytes: &[u8]) -> (Step, Vec<u8>) {
        let mut copy = bytes.to_vec();
        let frame = Frame::new(&mut copy);
        let length = bytes.len() as u64;
        let step = match parse(&frame, length) {
            Ok(headers) => logic::process(&frame, &headers, length, self),
            Err(_) => match logic::process_malformed(&frame, length, self) {
                Step::Next => Step::Done(Action::Pass, Reason::Malformed),
                done => done,
            },
        };
        (step, copy)
    }

    /// Packets and bytes by prefix, as the rows of `senko firewall` name it; nothing that is zero.
    pub fn hits(&self) -> BTreeMap<String, (u64, u64)> {
        let v4 = self.v4.iter().map(|(prefix, value)| (Value(value).slot(), Cidr::V4(prefix)));
        let v6 = self.v6.iter().map(|(prefix, value)| (Value(value).slot(), Cidr::V6(prefix)));
        let prefixes: BTreeMap<u32, Cidr> = v4.chain(v6).collect();
        assert_eq!(prefixes.len(), self.v4.iter().count() + self.v6.iter().count(), "a slot each");
        self.hits.iter().map(|(slot, hit)| (prefixes[slot].to_string(), (hit.packets, hit.bytes))).collect()
    }
}

impl Env for Stage {
    fn lookup_v4(&self, address: u32) -> u32 {
        self.v4.lookup(address)
    }

    fn lookup_v6(&self, high: u64, low: u64) -> u32 {
        self.v6.lookup(u128::from(high) << 64 | u128::from(low))
    }

    fn hit(&mut self, slot: u32, bytes: u64) {
        let hit = self.hits.entry(slot).or_insert(Hit { packets: 0, bytes: 0 });
        hit.packets += 1;
        hit.bytes += bytes;
    }
}
