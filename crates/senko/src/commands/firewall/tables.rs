//! The firewall's tables in the kernel's memory: built once, changed while packets read them.

use std::{collections::BTreeSet, sync::Arc};

use abi::Stage;
use engine::{Map, Mapped, PipelineBuilder};
use firewall::{
    cidr::Cidr,
    compile::{Counted, Policy},
    list::Verdict,
    rows::Row,
    shared::{Hit, Value},
};
use prefix::{LineV4, LineV6, Node, Sizes, TableV4, TableV6, UpdateError};

use crate::{failure::Failure, foreground::Running};

const NODES_V4: &str = "FIREWALL_NODES_V4";
const LINES_V4: &str = "FIREWALL_LINES_V4";
const NODES_V6: &str = "FIREWALL_NODES_V6";
const LINES_V6: &str = "FIREWALL_LINES_V6";
const HITS: &str = "FIREWALL_HITS";

/// Changes that fit before the tables must be built anew; about a megabyte.
const HEADROOM: u32 = 1024;

/// Counters kept for prefixes that are added later.
const SPARE_SLOTS: u32 = 65_536;

type V4 = TableV4<Mapped<Node>, Mapped<LineV4>>;
type V6 = TableV6<Mapped<Node>, Mapped<LineV6>>;

pub struct Tables {
    v4: V4,
    v6: V6,
    hits: Arc<Map>,
    builder: PipelineBuilder,
    lists: Vec<Counted>,
    /// The first slot that was never used.
    next_slot: u32,
    free_slots: BTreeSet<u32>,
}

impl Tables {
    /// Makes the maps and fills them. Nothing is attached yet.
    pub fn build(policy: Policy) -> Result<Self, Failure> {
        let slots = policy.slots + SPARE_SLOTS;
        let (v4, v6, hits, builder) =
            build(&policy.v4, &policy.v6, |builder| builder.map_entries(HITS, slots))?;
        let next_slot = policy.slots;
        Ok(Self { v4, v6, hits, builder, lists: policy.lists, next_slot, free_slots: BTreeSet::new() })
    }

    /// Loads programs that read these tables.
    pub fn builder(&self) -> &PipelineBuilder {
        &self.builder
    }

    /// Adds a prefix, in place where there is room, else by building larger tables and swapping the programs.
    pub fn add(&mut self, prefix: Cidr, verdict: Verdict, ports: &[Running]) -> Result<(), Failure> {
        let slot = self.take_slot()?;
        let value = match verdict {
            Verdict::Drop => Value::drop(slot),
            Verdict::Allow => Value::allow(slot),
        };
        self.change(ports, |tables| match prefix {
            Cidr::V4(prefix) => tables.v4.insert(prefix, value.0),
            Cidr::V6(prefix) => tables.v6.insert(prefix, value.0),
        })
        .map(drop)
        .inspect_err(|_| {
            self.free_slots.insert(slot);
        })
    }

    /// Takes a prefix out.
    pub fn remove(&mut self, prefix: Cidr, ports: &[Running]) -> Result<(), Failure> {
        let before = self.change(ports, |tables| match prefix {
            Cidr::V4(prefix) => tables.v4.remove(prefix),
            Cidr::V6(prefix) => tables.v6.remove(prefix),
        })?;
        if let Some(value) = before {
            let slot = Value(value).slot();
            match self.lists.iter_mut().find(|list| list.slots.contains(&slot)) {
                // A row of the list's counter says how many prefixes it counts for.
                Some(list) if list.shared => list.prefixes -= 1,
                // The slots of a list say which list a prefix is of, so they serve no other.
                Some(_) => {}
                None => {
                    self.free_slots.insert(slot);
                }
            }
        }
        Ok(())
    }

    /// What the tables say of exactly this prefix.
    pub fn verdict(&self, prefix: Cidr) -> Option<Verdict> {
        let value = match prefix {
            Cidr::V4(prefix) => self.v4.get(prefix),
            Cidr::V6(prefix) => self.v6.get(prefix),
        }?;
        Some(verdict(value))
    }

    fn change(
        &mut self,
        ports: &[Running],
        mut operation: impl FnMut(&mut Self) -> Result<Option<u32>, UpdateError>,
    ) -> Result<Option<u32>, Failure> {
        let refused = |error: UpdateError| Failure::failed(error.to_string(), None);
        match operation(self) {
            Err(UpdateError::Full) => {}
            other => return other.map_err(refused),
        }
        // What earlier changes replaced may be used again once no packet can still be reading it.
        engine::wait_for_packets()?;
        self.v4.quiesce();
        self.v6.quiesce();
        match operation(self) {
            Err(UpdateError::Full) => {}
            other => return other.map_err(refused),
        }
        self.rebuild(ports)?;
        operation(self).map_err(refused)
    }

    /// New tables with new head-room; the programs that read them replace those that run, one atomic step each.
    fn rebuild(&mut self, ports: &[Running]) -> Result<(), Failure> {
        let (v4, v6): (Vec<_>, Vec<_>) = (self.v4.iter().collect(), self.v6.iter().collect());
        let hits = self.hits.clone();
        let (v4, v6, _, builder) = build(&v4, &v6, |builder| builder.share(HITS, &hits))?;
        for port in ports {
            let builder = if port.pipeline.has_frags() { builder.clone().frags() } else { builder.clone() };
            port.attachment.replace(builder.load()?.program())?;
        }
        (self.v4, self.v6, self.builder) = (v4, v6, builder);
        Ok(())
    }

    fn take_slot(&mut self) -> Result<u32, Failure> {
        let slot = match self.free_slots.pop_first() {
            Some(slot) => {
                self.hits.set_per_cpu(&slot, &Hit { packets: 0, bytes: 0 })?;
                slot
            }
            None if self.next_slot < self.hits.spec().max_entries => {
                self.next_slot += 1;
                self.next_slot - 1
            }
            None => {
                return Err(Failure::failed(
                    format!("{SPARE_SLOTS} prefixes were added: no counter is left for another"),
                    Some("put the prefixes into a file and start again with --drop-file"),
                ));
            }
        };
        Ok(slot)
    }

    /// A row for each list with one counter, and for each prefix that has its own.
    pub fn rows(&self, time: f64) -> Result<Vec<Row>, Failure> {
        let mut hits = Vec::with_capacity(self.next_slot as usize);
        self.hits.for_each_per_cpu(self.next_slot, |_, per_cpu: &[Hit]| {
            let sum = |field: fn(&Hit) -> u64| per_cpu.iter().map(field).sum();
            hits.push(Hit { packets: sum(|hit| hit.packets), bytes: sum(|hit| hit.bytes) });
        })?;
        let hit = |slot: u32| hits.get(slot as usize).copied().unwrap_or(Hit { packets: 0, bytes: 0 });
        let mut rows: Vec<Row> = Vec::new();
        let mut shared = Vec::new();
        for list in self.lists.iter().filter(|list| list.shared) {
            let Hit { packets, bytes } = hit(list.slots.start);
            shared.push(list.slots.start);
            rows.push(Row {
                time,
                list: list.name.clone(),
                prefix: None,
                action: list.verdict,
                prefixes: list.prefixes,
                packets,
                bytes,
            });
        }
        let v4 = self.v4.iter().map(|(prefix, value)| (Cidr::V4(prefix), Value(value)));
        let v6 = self.v6.iter().map(|(prefix, value)| (Cidr::V6(prefix), Value(value)));
        for (prefix, value) in v4.chain(v6).filter(|(_, value)| !shared.contains(&value.slot())) {
            let slot = value.slot();
            let Hit { packets, bytes } = hit(slot);
            let list = self.lists.iter().find(|list| list.slots.contains(&slot));
            rows.push(Row {
                time,
                list: list.map_or("added", |list| &list.name).into(),
                prefix: Some(prefix.to_string()),
                action: verdict(value.0),
                prefixes: 1,
                packets,
                bytes,
            });
        }
        Ok(rows)
    }
}

fn verdict(value: u32) -> Verdict {
    if Value(value).is_allow() { Verdict::Allow } else { Verdict::Drop }
}

/// Makes maps of the right sizes, fills them, and returns a builder whose programs share them.
#[allow(clippy::type_complexity, reason = "the four parts of `Tables`, taken apart at once")]
fn build(
    v4: &[(prefix::PrefixV4, u32)],
    v6: &[(prefix::PrefixV6, u32)],
    hits: impl FnOnce(PipelineBuilder) -> PipelineBuilder,
) -> Result<(V4, V6, Arc<Map>, PipelineBuilder), Failure> {
    let wrong = |error: prefix::ListError| Failure::failed(error.to_string(), None);
    let sizes_v4 = Sizes::of(v4).map_err(wrong)?.with_headroom(HEADROOM);
    let sizes_v6 = Sizes::of(v6).map_err(wrong)?.with_headroom(HEADROOM);
    let first = PipelineBuilder::new(&[Stage::Firewall])
        .map_entries(NODES_V4, sizes_v4.nodes)
        .map_entries(LINES_V4, sizes_v4.lines)
        .map_entries(NODES_V6, sizes_v6.nodes)
        .map_entries(LINES_V6, sizes_v6.lines);
    let pipeline = hits(first).load()?;
    let map = |name| pipeline.map(name);
    let failed = |error: prefix::BuildError| Failure::failed(error.to_string(), None);
    let table_v4 = TableV4::build(v4, map(NODES_V4)?.mapped()?, map(LINES_V4)?.mapped()?).map_err(failed)?;
    let table_v6 = TableV6::build(v6, map(NODES_V6)?.mapped()?, map(LINES_V6)?.mapped()?).map_err(failed)?;
    let mut builder = PipelineBuilder::new(&[Stage::Firewall]);
    for name in [NODES_V4, LINES_V4, NODES_V6, LINES_V6, HITS] {
        builder = builder.share(name, map(name)?);
    }
    Ok((table_v4, table_v6, map(HITS)?.clone(), builder))
}
