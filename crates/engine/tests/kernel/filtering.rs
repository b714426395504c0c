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

pub struct Filtering {
    /// Loads programs that read these tables.
    pub builder: PipelineBuilder,
    pipeline: Pipeline,
    v4: TableV4<Mapped<Node>, Mapped<LineV4>>,
    v6: TableV6<Mapped<Node>, Mapped<LineV6>>,
    hits: Arc<Map>,
    slots: u32,
}

impl Filtering {
    /// From the command line's words; with `spare` counters, and room for as many changes.
    pub fn new(lists: &Lists, spare: u32) -> Self {
        let drop = List::from_args("--drop", Verdict::Drop, &lists.drop).expect("sound prefixes");
        let allow = List::from_args("--allow", Verdict::Allow, &lists.allow).expect("sound prefixes");
        let policy = Policy::compile(&[drop, allow], false).expect("each prefix once");
        let v4 = Sizes::of(&policy.v4).expect("a sound list").with_headroom(spare);
        let v6 = Sizes::of(&policy.v6).expect("a sound list").with_headroom(spare);
        let slots = (policy.slots + spare).max(1);
        let maker = PipelineBuilder::new(&[Stage::Firewall])
            .map_entries("FIREWALL_NODES_V4", v4.nodes)
            .map_entries("FIREWALL_LINES_V4", v4.lines.max(1))
            .map_entries("FIREWALL_NODES_V6", v6.nodes)
            .map_entries("FIREWALL_LINES_V6", v6.lines.max(1))
            .map_entries("FIREWALL_HITS", slots)
            .load()
            .expect("the firewall loads");
        let map = |name| maker.map(name).expect("a map");
        let v4 = TableV4::build(
            &policy.v4,
            map("FIREWALL_NODES_V4").mapped().expect("mapped"),
            map("FIREWALL_LINES_V4").mapped().expect("mapped"),
        );
        let v6 = TableV6::build(
            &policy.v6,
            map("FIREWALL_NODES_V6").mapped().expect("mapped"),
            map("FIREWALL_LINES_V6").mapped().expect("mapped"),
        );
        let names = [
            "FIREWALL_NODES_V4",
            "FIREWALL_LINES_V4",
            "FIREWALL_NODES_V6",
            "FIREWALL_LINES_V6",
            "FIREWALL_HITS",
        ];
        let builder = PipelineBuilder::new(&[Stage::Firewall]);
        let builder = names.into_iter().fold(builder, |builder, name| builder.share(name, map(name)));
        Self {
            builder: builder.clone(),
            pipeline: builder.load().expect("the firewall loads on shared maps"),
            v4: v4.expect("room"),
            v6: v6.expect("room"),
            hits: map("FIREWALL_HITS").clone(),
            slots,
        }
    }

    /// Verdict, reason and bytes for a frame.
    pub fn judge(&self, frame: &[u8]) -> (Action, Reason, Vec<u8>) {
        judged(&self.pipeline, || self.pipeline.program().test_run(frame, 1).expect("test run"))
    }

    /// Packets and bytes by slot; nothing that is zero.
    pub fn hits(&self) -> BTreeMap<u32, (u64, u64)> {
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

    /// Adds a prefix while the program is loaded; the value it had.
    pub fn insert(&mut self, prefix: &str, value: Value) -> Option<u32> {
        self.change(|filtering| match prefix.parse().expect("a sound prefix") {
            Cidr::V4(prefix) => filtering.v4.insert(prefix, value.0),
            Cidr::V6(prefix) => filtering.v6.insert(prefix, value.0),
        })
    }

    /// Takes a prefix out while the program is loaded; the value it had.
    pub fn remove(&mut self, prefix: &str) -> Option<u32> {
        self.change(|filtering| match prefix.parse().expect("a sound prefix") {
            Cidr::V4(prefix) => filtering.v4.remove(prefix),
            Cidr::V6(prefix) => filtering.v6.remove(prefix),
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
