//! What the live gateway does with a packet, and why: the packet is run through the interface's program over the live
//! tables, with counters of its own, so that nothing live is changed.

mod frame;
mod private;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use abi::{Action, Marked, Reason, Stage, layout::from_bytes};
use engine::{Map, Program, TestRun};
use policy::{Cidr, Contents, PrefixTable};
use serde::{Deserialize, Serialize};

pub use self::frame::Changed;
use self::{
    frame::{changes, source},
    private::Private,
};
use crate::{
    config::{self, Config},
    desired::Desired,
    edits::{self, Edits},
    error::Error,
    executor::map_path,
    gateway::{self, load},
    place::Place,
    record::{Record, RecordedCounter},
    snapshot::{Kept, Store},
    stats::Labels,
};

/// What became of a packet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    pub interface: String,
    pub generation: u64,
    /// Bytes of the frame.
    pub length: usize,
    /// `aborted`, `drop`, `pass`, `tx` or `redirect`.
    pub verdict: String,
    pub reason: String,
    /// What each stage said, in the order in which the packet met them.
    pub steps: Vec<Step>,
    /// Bytes that are others than those that came in.
    pub changed: Vec<Changed>,
    /// Bytes that the frame has afterwards, where it became longer or shorter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_length: Option<usize>,
    /// What the kernel's packet is marked with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mark: Option<u32>,
}

/// What a stage said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// `counter`, `blocks`, `rule` (one that did not decide), `firewall`, `redirect`.
    pub stage: String,
    /// `counted`, `next` (the next stage decides), `accept`, `drop`, `reject`, `redirect`, `pass`.
    pub decision: String,
    /// What decided: `drop @blocklist`, a block's prefix, `default = "drop"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The set, where the rule names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set: Option<String>,
    /// Where the rule is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<At>,
    /// The set's element that covers the packet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub element: Option<Element>,
    /// Why there is a block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What the packet was counted as.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub counted: Vec<Labels>,
    /// Why a stage left it, or took it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct At {
    pub file: PathBuf,
    pub line: usize,
}

/// An element of a set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Element {
    pub prefix: String,
    /// `None`: it was added live.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<At>,
}

/// The smallest frame that the kernel runs a program on: an Ethernet header.
pub const SHORTEST: usize = 14;

/// An interface's program with counters of its own.
pub struct Explainer {
    record: Record,
    config: Config,
    sources: policy::Sources,
    edits: Edits,
    store: Store,
    interface: String,
    slot: u32,
    stages: u32,
    has_blocks: bool,
    ifindex: Option<u32>,
    program: Program,
    private: Private,
}

impl Explainer {
    /// Of the gateway that is live there.
    pub fn open(place: &Place, interface: &str) -> Result<Self, Error> {
        let mut attempt = 1;
        loop {
            let record = gateway::look(place)?.ok_or(Error::NoGateway)?;
            let generation = record.generation;
            match Self::open_once(place, record, interface) {
                // The generation was retired between two looks.
                Err(_) if attempt < 5 && is_over(place, generation)? => attempt += 1,
                done => return done,
            }
        }
    }

    fn open_once(place: &Place, record: Record, interface: &str) -> Result<Self, Error> {
        let Some(known) = record.interface(interface).cloned() else {
            let names: Vec<&str> = record.interfaces.iter().map(|known| known.name.as_str()).collect();
            return Err(Error::Refused(format!(
                "the gateway does not serve `{interface}`; it serves {}",
                if names.is_empty() { "no interface".into() } else { names.join(", ") }
            )));
        };
        let edits = match std::fs::read(place.run.join(edits::FILE)) {
            Ok(bytes) => Edits::from_bytes(&bytes)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Edits::default(),
            Err(error) => return Err(Error::io("read the live edits")(error)),
        };
        let store = Store::of(place);
        let outcome = {
            let kept = Kept { files: &record.files, store: &store };
            config::read(&kept, &record.main, config::functions())
        };
        let unsound =
            || Error::Record { generation: record.generation, why: "its files are not sound".into() };
        let mut config = outcome.config.ok_or_else(unsound)?;
        let addresses = engine::netlink::local_addresses()?;
        let desired = load::compile(&mut config, &edits, Some(&record), &addresses);
        let Some(mut program) =
            desired.programs.iter().find(|program| program.interface == interface).cloned()
        else {
            return Err(unsound());
        };
        // Nobody is to see this packet but the one who asks.
        program.knob.stages &= !(Stage::Capture.bit() | Stage::Events.bit());
        let shared = shared(place, &record, &desired)?;
        let sizes: BTreeMap<String, u32> = desired
            .maps
            .iter()
            .filter_map(|(name, contents)| match contents {
                Contents::Carried { max_entries, .. } if name != FLOWS => Some((name.clone(), *max_entries)),
                _ => None,
            })
            .collect();
        let maps = engine::data_path::create_maps(&sizes, &shared)?;
        let frags = record.has_frags(interface);
        let loaded = engine::data_path::load_program(program.globals(frags), frags, &maps)?;
        let private = Private::of(maps.into_iter().filter(|(name, _)| sizes.contains_key(name)));
        Ok(Self {
            config,
            sources: outcome.sources,
            edits,
            store,
            interface: interface.into(),
            slot: known.slot,
            stages: program.knob.stages,
            has_blocks: desired.maps.contains_key("BLOCK_HITS"),
            ifindex: engine::ifindex(interface).ok(),
            program: loaded,
            private,
            record,
        })
    }

    /// Runs one packet, from its Ethernet header on.
    pub fn explain(&mut self, packet: &[u8]) -> Result<Explanation, Error> {
        if packet.len() < SHORTEST {
            return Err(Error::Refused(format!(
                "a frame has {SHORTEST} bytes at least, its Ethernet header; this has {}",
                packet.len()
            )));
        }
        let TestRun { action, frame, metadata, .. } = self.run(packet)?;
        let mut seen = self.private.take()?;
        let action = Action::from_code(action);
        let reason = seen.reason(self.slot).unwrap_or_else(|| {
            // Where nothing can drop it, reasons are not counted.
            let (_, malformed) = counter::control::seen(&mut seen, self.slot);
            if malformed.packets > 0 { Reason::Malformed } else { Reason::Unclaimed }
        });
        let mut steps = Vec::new();
        if self.has(Stage::Counter) {
            steps.push(self.counter(&mut seen));
        }
        if self.has(Stage::Firewall) {
            self.firewall(&seen, packet, reason, &mut steps);
        }
        let is_reached = !reason.is_drop();
        if self.has(Stage::Redirect) && is_reached {
            steps.push(redirect(action, reason));
        }
        Ok(Explanation {
            interface: self.interface.clone(),
            generation: self.record.generation,
            length: packet.len(),
            verdict: action.map_or("aborted", Action::name).into(),
            reason: reason.name().into(),
            steps,
            changed: changes(packet, &frame),
            new_length: (frame.len() != packet.len()).then_some(frame.len()),
            mark: from_bytes::<Marked>(&metadata).map(|marked| marked.mark),
        })
    }

    fn run(&self, packet: &[u8]) -> Result<TestRun, Error> {
        if let Some(ifindex) = self.ifindex
            && let Ok(run) = self.program.test_run_on(packet, ifindex, 1)
        {
            return Ok(run);
        }
        // The interface has no XDP queue to pretend (a veth in generic mode), or is not there: as loopback would. Kernels before
        // 5.14 take no context.
        let run = self.program.test_run_on(packet, 0, 1);
        Ok(run.or_else(|_| self.program.test_run(packet, 1))?)
    }

    fn has(&self, stage: Stage) -> bool {
        self.stages & stage.bit() != 0
    }

    fn counter(&self, seen: &mut private::Seen) -> Step {
        let interfaces = [(self.slot, self.interface.as_str())];
        let series = self.config.sections.iter().flat_map(|(_, valid)| valid.series(seen, &interfaces));
        let counted = series.map(|series| {
            let labels = series.labels.into_iter().filter(|(name, _)| *name != "interface");
            let mut all: Labels = [("by".to_owned(), series.name.into())].into_iter().collect();
            all.extend(labels.map(|(name, text)| (name.to_owned(), text.into())));
            all
        });
        Step { counted: counted.collect(), ..step(Stage::Counter.name(), "counted") }
    }

    /// Blocks, then what the lists and their default say.
    fn firewall(&self, seen: &private::Seen, packet: &[u8], reason: Reason, steps: &mut Vec<Step>) {
        let source = source(packet);
        if self.has_blocks {
            let hit = seen.touched("BLOCK_HITS").next();
            let block = hit.and(source).and_then(|source| self.block_of(source));
            steps.push(Step {
                rule: block.map(|(prefix, _)| prefix.to_string()),
                why: block.and_then(|(_, block)| block.why.clone()),
                ..step("blocks", if hit.is_some() { "drop" } else { "next" })
            });
            if hit.is_some() {
                return;
            }
        }
        if !self.config.sections.iter().any(|(function, _)| function.name() == "firewall") {
            return;
        }
        let touched: BTreeSet<(&str, u32)> = self
            .record
            .counted
            .iter()
            .filter(|counted| counted.section == "firewall")
            .map(|counted| counted.map.as_str())
            .collect::<BTreeSet<&str>>()
            .into_iter()
            .flat_map(|map| seen.touched(map).map(move |slot| (map, slot)))
            .collect();
        let is_hit = |counted: &&RecordedCounter| {
            counted.section == "firewall" && touched.contains(&(counted.map.as_str(), counted.slot))
        };
        // Rules that let a packet go on count as well: the last one decides.
        let hit = self.record.counted.iter().rfind(is_hit);
        let passed = self.passed(packet, hit);
        let hit = hit.filter(|hit| !passed.iter().any(|step| step.rule.as_ref() == Some(&hit.rule)));
        steps.extend(passed);
        steps.push(match hit {
            Some(counted) => self.rule(counted, source, reason),
            None if reason.is_drop() && reason != Reason::FirewallDefault => {
                Step { reason: Some(reason.name().into()), ..step("firewall", "drop") }
            }
            None if reason.is_drop() => {
                Step { rule: Some("default = \"drop\"".into()), ..step("firewall", "drop") }
            }
            None => step("firewall", "next"),
        });
    }

    fn rule(&self, counted: &RecordedCounter, source: Option<std::net::IpAddr>, reason: Reason) -> Step {
        let decision = match reason {
            Reason::RuleReject => "reject",
            _ if reason.is_drop() => "drop",
            _ => "accept",
        };
        let element = counted.set.as_ref().zip(source).and_then(|(name, source)| self.element(name, source));
        Step {
            rule: Some(counted.rule.clone()),
            set: counted.set.clone(),
            at: (counted.line > 0).then(|| At { file: counted.file.clone(), line: counted.line }),
            element,
            why: by_flows(&counted.rule).then(|| "by the flows that are remembered now".into()),
            ..step("firewall", decision)
        }
    }

    /// Rules in front of the one that decides, at most [`SHOWN`], and why each did not.
    fn passed(&self, packet: &[u8], hit: Option<&RecordedCounter>) -> Vec<Step> {
        let world = self.config.world(&[]);
        let mut all = Vec::new();
        for (_, valid) in &self.config.sections {
            let decides = hit.map(|hit| hit.rule.as_str());
            all.extend(valid.passed(&world, packet, &self.interface, decides));
        }
        let more = all.len().saturating_sub(SHOWN);
        let mut steps: Vec<Step> = all
            .into_iter()
            .take(SHOWN)
            .map(|passed| {
                let line = self.sources.line(passed.at);
                let file = self.sources.path(passed.at).to_owned();
                let at = Some(At { file, line });
                Step { rule: Some(passed.rule), why: Some(passed.why), at, ..step("rule", "next") }
            })
            .collect();
        if more > 0 {
            let why = Some(format!("and {more} rules more that do not decide"));
            steps.push(Step { why, ..step("rule", "next") });
        }
        steps
    }

    fn element(&self, name: &str, source: std::net::IpAddr) -> Option<Element> {
        let set = self.config.sets.get(name)?;
        let prefix = set.covering(source)?;
        let kept = Kept { files: &self.record.files, store: &self.store };
        let was_added = self.edits.sets.get(name).is_some_and(|edit| edit.added.contains(&prefix));
        let place = (!was_added).then(|| config::place_of(&kept, &self.sources, name, set, prefix)).flatten();
        let at = place.map(|place| At { file: place.path, line: place.line });
        Some(Element { prefix: prefix.to_string(), at })
    }

    /// The longest block that covers an address.
    fn block_of(&self, source: std::net::IpAddr) -> Option<(Cidr, &edits::Block)> {
        let covering = self.edits.blocks.iter().filter(|(prefix, _)| prefix.contains(Cidr::host(source)));
        covering.max_by_key(|(prefix, _)| prefix.length()).map(|(prefix, block)| (*prefix, block))
    }
}

/// Flows that were sent.
const FLOWS: &str = "FLOWS";

/// Rules that are shown of those that did not decide.
const SHOWN: usize = 24;

/// Whether what was sent decides with a rule.
fn by_flows(rule: &str) -> bool {
    rule.split_whitespace().any(|word| word == "established")
}

fn step(stage: &str, decision: &str) -> Step {
    Step { stage: stage.into(), decision: decision.into(), ..Step::default() }
}

fn redirect(action: Option<Action>, reason: Reason) -> Step {
    let ours = reason.stage() == Some(Stage::Redirect);
    let decision = match action {
        Some(Action::Redirect | Action::Tx) => "redirect",
        _ if ours => "pass",
        _ => "next",
    };
    Step { reason: ours.then(|| reason.name().into()), ..step("redirect", decision) }
}

/// Whether another generation than this one is live.
fn is_over(place: &Place, generation: u64) -> Result<bool, Error> {
    Ok(gateway::look(place)?.is_none_or(|record| record.generation != generation))
}

/// The live maps that programs only read. All others are made anew: what packets write is not to be written by this one.
fn shared(place: &Place, record: &Record, desired: &Desired) -> Result<BTreeMap<String, Arc<Map>>, Error> {
    let mut shared = BTreeMap::new();
    for (name, contents) in &desired.maps {
        let lines = match contents {
            // What a packet that comes in only reads.
            Contents::Carried { .. } if name == FLOWS => None,
            Contents::Carried { .. } => continue,
            Contents::Prefixes(PrefixTable::V4 { lines, .. } | PrefixTable::V6 { lines, .. }) => Some(*lines),
            _ => None,
        };
        for name in std::iter::once(name.as_str()).chain(lines) {
            let path = map_path(record.generation, name);
            let map = Map::open_at(&place.pins.join(Path::new(&path)))?;
            let why =
                || Error::Record { generation: record.generation, why: format!("its pin {path} is missing") };
            shared.insert(name.to_owned(), Arc::new(map.ok_or_else(why)?));
        }
    }
    Ok(shared)
}
