//! The firewall in the kernel: tables in maps that are mapped, filled and shared as `senko firewall` does it.

use std::{collections::BTreeMap, sync::Arc};

use abi::{Action, Reason, Stage};
use engine::{Map, Mapped, Pipeline, PipelineBuilder, wait_for_packets};
use firewall::{
    cidr::Cidr,
    compile::Policy,
    list::{List, Verdict},
    shared::{Hit, Value},
};
use prefix::{LineV4, LineV6, Node, Sizes, TableV4, TableV6, UpdateError};
use testkit::prefixes::Lists;

use super::judged;

/// Names of a family of maps.
struct Names {
    nodes_v4: &'static str,
    lines_v4: &'static str,
    nodes_v6: &'static str,
    lines_v6: &'static str,
    hits: &'static str,
}

const LISTS: Names = Names {
    nodes_v4: "FIREWALL_NODES_V4",
    lines_v4: "FIREWALL_LINES_V4",
    nodes_v6: "FIREWALL_NODES_V6",
    lines_v6: "FIREWALL_LINES_V6",
    hits: "FIREWALL_HITS",
};

const BLOCKS: Names = Names {
    nodes_v4: "BLOCK_NODES_V4",
    lines_v4: "BLOCK_LINES_V4",
    nodes_v6: "BLOCK_NODES_V6",
    lines_v6: "BLOCK_LINES_V6",
    hits: "BLOCK_HITS",
};

impl Names {
    fn all(&self) -> [&'static str; 5] {
        [self.nodes_v4, self.lines_v4, self.nodes_v6, self.lines_v6, self.hits]
    }
}

/// Tables in mapped memory, and their counters.
struct Counted {
    v4: TableV4<Mapped<Node>, Mapped<LineV4>>,
    v6: TableV6<Mapped<Node>, Mapped<LineV6>>,
    hits: Arc<Map>,
    slots: u32,
}

impl Counted {
    /// With `spare` counters, and room for as many changes; and `builder` with these maps.
    fn new(names: &Names, lists: &[List], spare: u32, builder: PipelineBuilder) -> (Self, PipelineBuilder) {
        let policy = Policy::compile(lists, false).expect("each prefix once");
        let v4 = Sizes::of(&policy.v4).expect("a sound list").with_headroom(spare);
        let v6 = Sizes::of(&policy.v6).expect("a sound list").with_headroom(spare);
        let slots = (policy.slots + spare).max(1);
        let maker = PipelineBuilder::new(&[Stage::Firewall])
            .map_entries(names.nodes_v4, v4.nodes)
            .map_entries(names.lines_v4, v4.lines.max(1))
            .map_entries(names.nodes_v6, v6.nodes)
            .map_entries(names.lines_v6, v6.lines.max(1))
            .map_entries(names.hits, slots)
            .load()
            .expect("the firewall loads");
        let map = |name| maker.map(name).expect("a map");
        let v4 = TableV4::build(
            &policy.v4,
            map(names.nodes_v4).mapped().expect("mapped"),
            map(names.lines_v4).mapped().expect("mapped"),
        );
        let v6 = TableV6::build(
            &policy.v6,
            map(names.nodes_v6).mapped().expect("mapped"),
            map(names.lines_v6).mapped().expect("mapped"),
        );
        let builder = names.all().into_iter().fold(builder, |builder, name| builder.share(name, map(name)));
        let counted =
            Self { v4: v4.expect("room"), v6: v6.expect("room"), hits: map(names.hits).clone(), slots };
        (counted, builder)
    }

    /// Packets and bytes by slot; nothing that is zero.
    fn hits(&self) -> BTreeMap<u32, (u64, u64)> {
        let mut hits = BTreeMap::new();
        self.hits
            .for_each_per_cpu(self.slots, |slot, per_cpu: &[Hit]| {
                let sum = |field: fn(&Hit) -> u64| per_cpu.iter().map(field).sum();
                let (packets, bytes): (u64, u64) = (sum(|hit| hit.packets), sum(|hit| hit.bytes));
                if packets != 0 {
                    hits.insert(slot, (packets, bytes));
                }
            })
            .expect("a per-CPU array");
        hits
    }

    fn insert(&mut self, prefix: &str, value: Value) -> Option<u32> {
        self.change(|tables| match prefix.parse().expect("a sound prefix") {
            Cidr::V4(prefix) => tables.v4.insert(prefix, value.0),
            Cidr::V6(prefix) => tables.v6.insert(prefix, value.0),
        })
    }

    fn remove(&mut self, prefix: &str) -> Option<u32> {
        self.change(|tables| match prefix.parse().expect("a sound prefix") {
            Cidr::V4(prefix) => tables.v4.remove(prefix),
            Cidr::V6(prefix) => tables.v6.remove(prefix),
        })
    }

    fn change(
        &mut self,
        mut operation: impl FnMut(&mut Self) -> Result<Option<u32>, UpdateError>,
    ) -> Option<u32> {
        if let Ok(before) = operation(self) {
            return before;
        }
        wait_for_packets().expect("membarrier");
        self.v4.quiesce();
        self.v6.quiesce();
        operation(self).expect("room for the changes that were announced")
    }
}

pub struct Filtering {
    /// Loads programs that read these tables.
    pub builder: PipelineBuilder,
    pipeline: Pipeline,
    lists: Counted,
    blocks: Counted,
}

impl Filtering {
    /// From the command line's words; with `spare` counters, and room for as many changes.
    pub fn new(lists: &Lists, spare: u32) -> Self {
        let list = |name, verdict, words| List::from_args(name, verdict, words).expect("sound prefixes");
        let both =
            [list("--drop", Verdict::Drop, &lists.drop), list("--allow", Verdict::Allow, &lists.allow)];
        let blocked = [list("block", Verdict::Drop, &lists.block)];
        let builder = PipelineBuilder::new(&[Stage::Firewall])
            .global("FIREWALL_LISTS", u8::from(lists.switches.lists))
            .global("FIREWALL_BLOCKS", u8::from(lists.switches.blocks))
            .global("FIREWALL_DEFAULT_DROP", u8::from(lists.switches.default_drop));
        let (lists, builder) = Counted::new(&LISTS, &both, spare, builder);
        let (blocks, builder) = Counted::new(&BLOCKS, &blocked, spare, builder);
        let pipeline = builder.load().expect("the firewall loads on shared maps");
        Self { builder, pipeline, lists, blocks }
    }

    /// 1: a function of its own looks sources up.
    pub fn with_source_apart(mut self, apart: u8) -> Self {
        self.builder = self.builder.global("FIREWALL_SOURCE_APART", apart);
        self.pipeline = self.builder.load().expect("the firewall loads on shared maps");
        self
    }

    /// Verdict, reason and bytes for a frame.
    pub fn judge(&self, frame: &[u8]) -> (Action, Reason, Vec<u8>) {
        judged(&self.pipeline, || self.pipeline.program().test_run(frame, 1).expect("test run"))
    }

    /// Packets and bytes by slot of the lists; nothing that is zero.
    pub fn hits(&self) -> BTreeMap<u32, (u64, u64)> {
        self.lists.hits()
    }

    /// As `hits`, of the blocks.
    pub fn block_hits(&self) -> BTreeMap<u32, (u64, u64)> {
        self.blocks.hits()
    }

    /// Adds a prefix to the lists while the program is loaded; the value it had.
    pub fn insert(&mut self, prefix: &str, value: Value) -> Option<u32> {
        self.lists.insert(prefix, value)
    }

    /// Takes a prefix out of the lists while the program is loaded; the value it had.
    pub fn remove(&mut self, prefix: &str) -> Option<u32> {
        self.lists.remove(prefix)
    }

    /// As `insert`, of the blocks.
    pub fn block(&mut self, prefix: &str, slot: u32) -> Option<u32> {
        self.blocks.insert(prefix, Value::drop(slot))
    }

    /// As `remove`, of the blocks.
    pub fn unblock(&mut self, prefix: &str) -> Option<u32> {
        self.blocks.remove(prefix)
    }
}
