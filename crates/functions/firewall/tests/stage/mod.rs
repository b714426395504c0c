//! The stage on the host: its tables in memory, its counters a map.

#![allow(dead_code, reason = "every test file is a crate of its own and uses a part of this")]

use std::collections::BTreeMap;

use abi::{Action, Reason, Step};
use firewall::{
    cidr::Cidr,
    compile::Policy,
    list::{List, Verdict},
    logic::{self, Env},
    model::{self, Orders},
    shared::{Hit, Value},
};
use prefix::{TableV4, TableV6};
use testkit::prefixes::{Lists, Switches};
use wire::{Frame, parse};

/// What the model is told, of the lists and blocks that are switched on.
pub fn orders(lists: &Lists) -> Orders {
    let Switches { lists: has_lists, blocks, default_drop } = lists.switches;
    Orders {
        rules: if has_lists { model::rules(&lists.drop, &lists.allow) } else { Vec::new() },
        blocks: if blocks { model::blocks(&lists.block) } else { Vec::new() },
        drops_by_default: default_drop,
    }
}

pub struct Stage {
    lists: Counted,
    /// Tables take their time; most tests block nothing.
    blocks: Option<Counted>,
    switches: Switches,
}

/// Tables, and their hits by slot.
struct Counted {
    v4: TableV4,
    v6: TableV6,
    hits: BTreeMap<u32, Hit>,
}

impl Counted {
    fn new(lists: &[List]) -> Self {
        let policy = Policy::compile(lists, false).expect("each prefix once");
        assert_eq!(policy.slots as usize, lists.iter().map(|list| list.prefixes.len()).sum::<usize>());
        Self {
            v4: TableV4::in_memory(&policy.v4, 0).expect("a sound list"),
            v6: TableV6::in_memory(&policy.v6, 0).expect("a sound list"),
            hits: BTreeMap::new(),
        }
    }

    fn hit(&mut self, slot: u32, bytes: u64) {
        let hit = self.hits.entry(slot).or_insert(Hit { packets: 0, bytes: 0 });
        hit.packets += 1;
        hit.bytes += bytes;
    }

    /// Packets and bytes by prefix; nothing that is zero.
    fn by_prefix(&self) -> BTreeMap<String, (u64, u64)> {
        let v4 = self.v4.iter().map(|(prefix, value)| (Value(value).slot(), Cidr::V4(prefix)));
        let v6 = self.v6.iter().map(|(prefix, value)| (Value(value).slot(), Cidr::V6(prefix)));
        let prefixes: BTreeMap<u32, Cidr> = v4.chain(v6).collect();
        assert_eq!(prefixes.len(), self.v4.iter().count() + self.v6.iter().count(), "a slot each");
        self.hits.iter().map(|(slot, hit)| (prefixes[slot].to_string(), (hit.packets, hit.bytes))).collect()
    }
}

impl Stage {
    /// From the command line's words, as `senko firewall` does it.
    pub fn new(lists: &Lists) -> Self {
        let list = |name, verdict, words| List::from_args(name, verdict, words).expect("sound prefixes");
        let both =
            [list("--drop", Verdict::Drop, &lists.drop), list("--allow", Verdict::Allow, &lists.allow)];
        let blocks = list("block", Verdict::Drop, &lists.block);
        Self {
            lists: Counted::new(&both),
            blocks: (!lists.block.is_empty()).then(|| Counted::new(&[blocks])),
            switches: lists.switches,
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
        self.lists.by_prefix()
    }

    /// As `hits`, by block.
    pub fn block_hits(&self) -> BTreeMap<String, (u64, u64)> {
        self.blocks.as_ref().map(Counted::by_prefix).unwrap_or_default()
    }
}

impl Env for Stage {
    fn lookup_v4(&self, address: u32) -> u32 {
        self.lists.v4.lookup(address)
    }

    fn lookup_v6(&self, high: u64, low: u64) -> u32 {
        self.lists.v6.lookup(u128::from(high) << 64 | u128::from(low))
    }

    fn hit(&mut self, slot: u32, bytes: u64) {
        self.lists.hit(slot, bytes);
    }

    fn has_lists(&self) -> bool {
        self.switches.lists
    }

    fn drops_by_default(&self) -> bool {
        self.switches.default_drop
    }

    fn has_blocks(&self) -> bool {
        self.switches.blocks
    }

    fn block_v4(&self, address: u32) -> u32 {
        self.blocks.as_ref().map_or(0, |blocks| blocks.v4.lookup(address))
    }

    fn block_v6(&self, high: u64, low: u64) -> u32 {
        self.blocks.as_ref().map_or(0, |blocks| blocks.v6.lookup(u128::from(high) << 64 | u128::from(low)))
    }

    fn block_hit(&mut self, slot: u32, bytes: u64) {
        self.blocks.as_mut().expect("something was found in them").hit(slot, bytes);
    }
}
