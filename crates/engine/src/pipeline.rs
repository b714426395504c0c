//! The data path program: loaded with the stages that are wanted, and nothing of the others.

use std::{collections::BTreeMap, sync::Arc};

use abi::{Judged, Reason, Shared, Stage, reason::STRIDE, stage::FRAGS};

use crate::{
    Attachment, Error, LoadedObject, Map, MapChoice, MapKind, Mode, ObjectFile, PerfReader, Program,
    RecordBuffer, RecordReader, RingReader, attach, kernel_release, object::LoadChoices,
};

pub(crate) static OBJECT: &[u8] = embedded!("dataplane.o");

/// The eBPF object that senko carries inside, an ELF file.
pub fn pipeline_object() -> &'static [u8] {
    OBJECT
}

/// That object, read. Its maps of ports name no programs: generic mode refuses programs with a map that may, before
/// kernel 5.15 (`generic_xdp_install`).
pub(crate) fn own_object() -> Result<ObjectFile, Error> {
    Ok(ObjectFile::parse(OBJECT)?.with_ports_alone().with_near(&NEAR))
}

/// What a packet walks through, step after step. Not the cells of leaves: their index is carried from turn to turn, and what the
/// verifier learns of it makes each turn a state of its own.
const NEAR: [&str; 1] = ["RULE_SLOTS"];

/// Loads that object as the running kernel's verifier can take it.
pub(crate) fn load_own(mut choices: LoadChoices) -> Result<LoadedObject, Error> {
    // 5.10's and 6.1's verifiers walk through what rules do behind each end of the lookups, which is more than they walk; 6.12's does
    // not. Nothing in between was measured.
    if choices.globals.get("FIREWALL_RULES") == Some(1_u8) && kernel_release() < (6, 12) {
        choices.globals.set("FIREWALL_SOURCE_APART", 1_u8);
    }
    own_object()?.load(&choices)
}

/// The XDP program's name inside the object and in `senko status`.
pub const PROGRAM: &str = "senko";

/// Maps of each stage. Pruned code still names its maps, so those of a stage that is off shrink to one entry.
const STAGE_MAPS: [(&str, Stage); 6] = [
    ("COUNTS", Stage::Counter),
    ("ETHERTYPE_COUNTS", Stage::Counter),
    ("RECORDS", Stage::Capture),
    ("REFLECT_PORTS", Stage::Redirect),
    ("LOCAL", Stage::Redirect),
    ("EVENTS", Stage::Events),
];

/// Maps with a size that is not in entries: a ring's is in bytes, whole pages.
const RINGS: [&str; 2] = ["RECORDS", "EVENTS"];
const SMALLEST_RING: u32 = 4096;

/// The stages' maps at their smallest.
pub(crate) fn smallest_maps() -> impl Iterator<Item = (&'static str, u32)> {
    STAGE_MAPS.into_iter().map(|(map, _)| (map, if RINGS.contains(&map) { SMALLEST_RING } else { 1 }))
}

/// What to load.
#[derive(Debug, Clone)]
pub struct PipelineBuilder {
    stages: u32,
    choices: LoadChoices,
    buffer: Option<RecordBuffer>,
}

impl PipelineBuilder {
    pub fn new(stages: &[Stage]) -> Self {
        let stages = stages.iter().fold(0, |bits, stage| bits | stage.bit());
        let mut choices = LoadChoices { programs: vec![PROGRAM.into()], ..LoadChoices::default() };
        choices.globals.set("STAGES", stages);
        let off = STAGE_MAPS.iter().zip(smallest_maps()).filter(|((_, stage), _)| stages & stage.bit() == 0);
        for (_, (map, entries)) in off {
            choices.maps.entry(map.into()).or_default().max_entries = Some(entries);
        }
        Self { stages, choices, buffer: None }
    }

    /// Switches one more stage on; its maps keep the sizes of the object unless chosen.
    pub fn with_stage(mut self, stage: Stage) -> Self {
        self.stages |= stage.bit();
        self.choices.globals.set("STAGES", self.stages);
        for (map, _) in STAGE_MAPS.iter().filter(|(_, of)| *of == stage) {
            self.choices.maps.remove(*map);
        }
        self
    }

    /// Sets a read-only global of the program.
    pub fn global<T: Shared>(mut self, name: &str, value: T) -> Self {
        self.choices.globals.set(name, value);
        self
    }

    /// The interface's slot among those that share this program's maps; 0 unless it is set.
    pub fn interface(self, slot: u32) -> Self {
        self.global("INTERFACE", slot)
    }

    pub fn map_entries(mut self, map: &str, entries: u32) -> Self {
        self.choices.maps.entry(map.into()).or_default().max_entries = Some(entries);
        self
    }

    /// Uses a map that another pipeline made.
    pub fn share(mut self, map: &str, existing: &Arc<Map>) -> Self {
        self.choices
            .maps
            .insert(map.into(), MapChoice { reuse: Some(existing.clone()), ..MapChoice::default() });
        self
    }

    /// Also loads another program of the object (a tracepoint's).
    pub fn with_program(mut self, name: &str) -> Self {
        self.choices.programs.push(name.into());
        self
    }

    /// Where records of a capture wait; without this, where the running kernel can have them.
    pub fn record_buffer(mut self, buffer: RecordBuffer) -> Self {
        self.buffer = Some(buffer);
        self
    }

    /// Loads for frames of more than one buffer (kernel 5.18), which lifts the driver's MTU limit.
    pub fn frags(mut self) -> Self {
        self.choices.frags = true;
        self.choices.globals.set("STAGES", self.stages | FRAGS);
        self
    }

    /// Loads the program and attaches it. Where native mode refuses the interface's MTU, the program is loaded for
    /// frames of several buffers before generic mode is thought of.
    pub fn attach(&self, interface: &str, mode: Mode) -> Result<(Pipeline, Attachment), Error> {
        self.attach_prepared(interface, mode, |_| Ok(()))
    }

    /// As [`PipelineBuilder::attach`]; `prepare` fills the maps of the loaded program before a frame can meet it.
    pub fn attach_prepared(
        &self,
        interface: &str,
        mode: Mode,
        prepare: impl Fn(&Pipeline) -> Result<(), Error>,
    ) -> Result<(Pipeline, Attachment), Error> {
        let load = |builder: &Self| {
            let pipeline = builder.load()?;
            prepare(&pipeline)?;
            Ok::<Pipeline, Error>(pipeline)
        };
        let pipeline = load(self)?;
        if matches!(mode, Mode::Auto | Mode::Native) {
            match pipeline.attach(interface, Mode::Native) {
                Ok(attachment) => return Ok((pipeline, attachment)),
                Err(error) if may_be_mtu(&error) => {
                    if let Ok(frags) = load(&self.clone().frags())
                        && let Ok(attachment) = frags.attach(interface, Mode::Native)
                    {
                        return Ok((frags, attachment));
                    }
                }
                Err(error) if mode == Mode::Native => return Err(error),
                Err(_) => {}
            }
        }
        let attachment = pipeline.attach(interface, mode)?;
        Ok((pipeline, attachment))
    }

    pub fn load(&self) -> Result<Pipeline, Error> {
        let buffer = if self.stages & Stage::Capture.bit() == 0 {
            RecordBuffer::Ring
        } else {
            self.buffer.unwrap_or_else(RecordBuffer::of_running_kernel)
        };
        let choices = match buffer {
            RecordBuffer::Ring => self.choices.clone(),
            RecordBuffer::Perf => with_perf_buffer(self.choices.clone()),
        };
        let object = load_own(choices)?;
        Ok(Pipeline { object, stages: self.stages, frags: self.choices.frags, buffer })
    }
}

/// The ring buffer's map becomes another, which no live code uses.
fn with_perf_buffer(mut choices: LoadChoices) -> LoadChoices {
    choices.globals.set("CAPTURE_PERF", 1_u8);
    let unused = MapChoice { kind: Some(MapKind::ARRAY), ..MapChoice::default() };
    choices.maps.insert("RECORDS".into(), unused);
    choices
}

/// What drivers answer when an MTU does not fit one buffer (`veth_xdp_set`, `virtnet_xdp_set` and others); of a veth the
/// peer's MTU counts, so the interface's own tells nothing. Trying again costs one verification.
pub(crate) fn may_be_mtu(error: &Error) -> bool {
    let Error::Attach { source, .. } = error else { return false };
    matches!(source.raw_os_error(), Some(libc::ERANGE | libc::EINVAL))
}

/// The data path in the kernel.
#[derive(Debug)]
pub struct Pipeline {
    object: LoadedObject,
    stages: u32,
    frags: bool,
    buffer: RecordBuffer,
}

impl Pipeline {
    pub fn attach(&self, interface: &str, mode: Mode) -> Result<Attachment, Error> {
        attach(self.program(), interface, mode)
    }

    pub fn program(&self) -> &Program {
        self.object.program(PROGRAM).expect("the builder loads it")
    }

    /// The program alone; its maps stay for as long as it does.
    pub fn into_program(mut self) -> Program {
        self.object.programs.remove(PROGRAM).expect("the builder loads it")
    }

    pub fn other_program(&self, name: &str) -> Result<&Program, Error> {
        self.object.program(name)
    }

    pub fn map(&self, name: &str) -> Result<&Arc<Map>, Error> {
        self.object.map(name)
    }

    /// The reader of what the capture takes. One at a time.
    pub fn records(&self) -> Result<RecordReader, Error> {
        Ok(match self.buffer {
            RecordBuffer::Ring => RecordReader::Ring(RingReader::new(self.map("RECORDS")?.clone())?),
            RecordBuffer::Perf => RecordReader::Perf(PerfReader::new(self.map("PERF_RECORDS")?)?),
        })
    }

    /// Bits of the stages that are on.
    pub fn stages(&self) -> u32 {
        self.stages
    }

    /// Whether it takes frames of several buffers.
    pub fn has_frags(&self) -> bool {
        self.frags
    }

    /// Frames by reason, summed over CPUs, of a program that is alone with its maps.
    pub fn reasons(&self) -> Result<BTreeMap<Reason, Judged>, Error> {
        reasons(self.map("REASONS")?, 0)
    }
}

/// Frames by reason, summed over CPUs, of the interface with this slot among those that share the map `REASONS`.
pub fn reasons(map: &Map, interface: u32) -> Result<BTreeMap<Reason, Judged>, Error> {
    let first = interface * STRIDE;
    let mut reasons = BTreeMap::new();
    map.for_each_per_cpu_in(first..first + Reason::ALL.len() as u32, |index, per_cpu: &[Judged]| {
        let sum = Judged {
            packets: per_cpu.iter().map(|j| j.packets).sum(),
            bytes: per_cpu.iter().map(|j| j.bytes).sum(),
        };
        reasons.extend(Reason::from_code((index - first) as u8).map(|reason| (reason, sum)));
    })?;
    Ok(reasons)
}
