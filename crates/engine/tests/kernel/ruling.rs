//! The firewall's rules in the kernel: maps filled from a section's tables, as the gateway does it.

use std::{collections::BTreeMap, sync::Arc};

use abi::{Action, Marked, Reason, Stage, layout::from_bytes};
use engine::{Map, Pipeline, PipelineBuilder};
use firewall::{key::ask, reject::answered, shared::Hit};
use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};
use policy::{Contents, PrefixTable, Tables};
use prefix::{LineV4, LineV6, Node, Sizes, TableV4, TableV6};

use super::judged;

/// Maps that tell of a frame, which all programs share.
const OWN: [&str; 3] = ["FIREWALL_HITS", "RULE_TOLD", "REJECT_DUE"];

/// Where redirected frames would go: the only interface that is there in every namespace.
const LOOPBACK: u32 = 1;

pub struct Ruling {
    /// By interface, on shared maps; those that are not here have the first one's.
    pipelines: BTreeMap<String, Pipeline>,
    first: String,
    hits: Arc<Map>,
    told: Arc<Map>,
    /// When the next answer to what is rejected is due.
    due: Arc<Map>,
    /// Rules by the slots of their counters.
    names: BTreeMap<u32, String>,
}

impl Ruling {
    /// # Panics
    /// When the kernel refuses something.
    pub fn new(tables: &Tables) -> Self {
        Self::with_slots(tables, 0)
    }

    /// With at least so many slots of compiled rules.
    ///
    /// # Panics
    /// When the kernel refuses something.
    pub fn with_slots(tables: &Tables, slots: u32) -> Self {
        // What one packet in so many does is counted on each CPU.
        let mut cpu = CpuSet::new();
        cpu.set(0).expect("there is a first one");
        sched_setaffinity(Pid::from_raw(0), &cpu).expect("we may");
        let builder = globals(PipelineBuilder::new(&[Stage::Firewall]), &tables.everywhere.globals);
        let mut interfaces = tables.on.iter();
        let (first, knob) = interfaces.next().expect("an interface");
        let maker = globals(sized(builder.clone(), tables, slots), &knob.globals).load();
        let maker = maker.unwrap_or_else(|error| panic!("{error:?}"));
        for (name, contents) in &tables.maps {
            fill(&maker, name, contents);
        }
        let [hits, told, due] = OWN.map(|name| maker.map(name).expect("a map").clone());
        let shared = OWN.into_iter().chain(shared_maps(tables));
        let builder =
            shared.fold(builder, |builder, name| builder.share(name, maker.map(name).expect("a map")));
        let mut pipelines = BTreeMap::from([(first.clone(), maker)]);
        // A program takes a while to verify; on most lists it would be the same one again.
        let asked: u32 = from_bytes(&tables.everywhere.globals["RULE_ASKED"]).expect("a number");
        for (interface, knob) in interfaces.filter(|_| asked & ask::INTERFACE != 0) {
            let pipeline = globals(builder.clone(), &knob.globals).load();
            pipelines
                .insert(interface.clone(), pipeline.unwrap_or_else(|error| panic!("{interface}: {error}")));
        }
        let names = tables.counted.iter().map(|counted| (counted.slot, counted.subject.rule().to_owned()));
        Self { pipelines, first: first.clone(), hits, told, due, names: names.collect() }
    }

    /// Verdict, reason, whether a rule wants the frame to be told of, and the mark that the kernel is handed. No byte is changed but by an
    /// answer, for which it is always time.
    pub fn judge(&self, frame: &[u8], interface: &str) -> (Action, Reason, bool, Option<u32>) {
        let pipeline = self.pipelines.get(interface).unwrap_or(&self.pipelines[&self.first]);
        let mut metadata = Vec::new();
        self.due.set_per_cpu(&0_u32, &0_u64).expect("an element");
        let (action, reason, bytes) = judged(pipeline, || {
            let run = pipeline.program().test_run_on(frame, 0, 1).expect("test run");
            metadata.clone_from(&run.metadata);
            run
        });
        if reason != Reason::RuleReject {
            assert_eq!(bytes, frame, "no byte is changed");
        } else if action == Action::Tx {
            assert_eq!(Some(bytes), answered(frame), "kernel and host answer the same");
        }
        let mark = (!metadata.is_empty()).then(|| {
            let Marked { key, mark } = from_bytes(&metadata).expect("nothing but a mark");
            assert_eq!(u64::from(key), abi::mark::KEY);
            mark
        });
        let told: Vec<u64> = self.told.get_per_cpu(&0_u32).expect("an element");
        let is_told = told.iter().any(|told| *told != 0);
        if is_told {
            self.told.set_per_cpu(&0_u32, &0_u64).expect("an element");
        }
        (action, reason, is_told, mark)
    }

    /// Verdict, reason and metadata of a frame that comes behind metadata; `None`: the kernel makes no such frame.
    pub fn judge_behind(&self, metadata: &[u8], frame: &[u8]) -> Option<(Action, Reason, Vec<u8>)> {
        let pipeline = &self.pipelines[&self.first];
        let run = pipeline.program().test_run_behind(metadata, frame).ok()?;
        let after = run.metadata.clone();
        let again = || pipeline.program().test_run_behind(metadata, frame).expect("test run");
        let (action, reason, bytes) = judged(pipeline, again);
        assert_eq!(bytes, frame, "no byte is changed");
        Some((action, reason, after))
    }

    /// Packets and bytes by the rule's text; nothing that is zero.
    pub fn counts(&self) -> BTreeMap<String, (u64, u64)> {
        let mut counts = BTreeMap::new();
        for (slot, name) in &self.names {
            let hits: Vec<Hit> = self.hits.get_per_cpu(slot).expect("a slot");
            let packets = hits.iter().map(|hit| hit.packets).sum();
            if packets != 0 {
                counts.insert(name.clone(), (packets, hits.iter().map(|hit| hit.bytes).sum()));
            }
        }
        counts
    }
}

fn globals(builder: PipelineBuilder, globals: &BTreeMap<&'static str, Vec<u8>>) -> PipelineBuilder {
    globals.iter().fold(builder, |builder, (name, bytes)| match &bytes[..] {
        [byte] => builder.global(name, *byte),
        [a, b, c, d] => builder.global(name, u32::from_ne_bytes([*a, *b, *c, *d])),
        [_, _, _, _, _, _, _, _] => {
            builder.global(name, u64::from_ne_bytes(bytes[..].try_into().expect("eight bytes")))
        }
        // The roots of the trees.
        roots if roots.len() == 128 => {
            let words = std::array::from_fn::<u64, 16, _>(|at| {
                u64::from_ne_bytes(roots[8 * at..][..8].try_into().expect("eight bytes"))
            });
            builder.global(name, words)
        }
        other => panic!("{name} has {} bytes", other.len()),
    })
}

fn shared_maps(tables: &Tables) -> Vec<&'static str> {
    let lines = tables.maps.values().filter_map(|contents| match contents {
        Contents::Prefixes(PrefixTable::V4 { lines, .. } | PrefixTable::V6 { lines, .. }) => Some(*lines),
        _ => None,
    });
    tables.maps.keys().copied().filter(|name| *name != "FIREWALL_HITS").chain(lines).collect()
}

/// With maps as large as what they hold.
fn sized(builder: PipelineBuilder, tables: &Tables, slots: u32) -> PipelineBuilder {
    tables.maps.iter().fold(builder, |builder, (name, contents)| match contents {
        Contents::Prefixes(PrefixTable::V4 { lines, list }) => {
            let sizes = Sizes::of(list).expect("a sound list");
            builder.map_entries(name, sizes.nodes).map_entries(lines, sizes.lines.max(1))
        }
        Contents::Prefixes(PrefixTable::V6 { lines, list }) => {
            let sizes = Sizes::of(list).expect("a sound list");
            builder.map_entries(name, sizes.nodes).map_entries(lines, sizes.lines.max(1))
        }
        Contents::Array { element, bytes } => {
            let entries = (bytes.len() / element) as u32;
            builder.map_entries(name, if *name == "RULE_SLOTS" { entries.max(slots) } else { entries })
        }
        Contents::Entries { max_entries, .. }
        | Contents::Ports { max_entries, .. }
        | Contents::Carried { max_entries, .. } => builder.map_entries(name, *max_entries),
        Contents::Random { .. } => builder,
        Contents::PortsByIndex { .. } => panic!("{name} is not the firewall's"),
    })
}

fn fill(pipeline: &Pipeline, name: &str, contents: &Contents) {
    let map = |name| pipeline.map(name).expect("a map");
    match contents {
        Contents::Prefixes(PrefixTable::V4 { lines, list }) => {
            let nodes = map(name).mapped::<Node>().expect("mapped");
            TableV4::build(list, nodes, map(lines).mapped::<LineV4>().expect("mapped")).expect("room");
        }
        Contents::Prefixes(PrefixTable::V6 { lines, list }) => {
            let nodes = map(name).mapped::<Node>().expect("mapped");
            TableV6::build(list, nodes, map(lines).mapped::<LineV6>().expect("mapped")).expect("room");
        }
        Contents::Array { bytes, .. } => map(name).write_elements(bytes).expect("room"),
        Contents::Entries { entries, .. } => {
            for (key, value) in entries {
                map(name).set_raw(key, value).expect("room");
            }
        }
        Contents::Ports { ports, .. } => {
            for (key, _) in ports {
                // `struct bpf_devmap_val`: ifindex, and no program.
                let mut value = vec![0; map(name).spec().value_size as usize];
                value[..4].copy_from_slice(&LOOPBACK.to_ne_bytes());
                map(name).set_raw(key, &value).expect("room");
            }
        }
        // Any seeds do.
        Contents::Carried { .. } | Contents::Random { .. } => {}
        Contents::PortsByIndex { .. } => panic!("{name} is not the firewall's"),
    }
}
