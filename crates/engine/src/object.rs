//! Object files: from ELF to maps and programs in the kernel. ELF, BTF and relocations are aya-obj's; everything that
//! touches the kernel is ours, so that maps can be shared, globals frozen and refusals explained.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    os::fd::{AsFd, AsRawFd, OwnedFd},
    sync::Arc,
};

use abi::{Shared, layout::bytes_of};
use aya_obj::{Object, ProgramSection, programs::XdpAttachType};

use crate::{
    Error, Map, MapKind, Program, ProgramKind, btf, cpu,
    map::MapSpec,
    program::{HAS_FRAGS, ProgramSpec},
};

/// Values of read-only globals, by symbol name.
#[derive(Debug, Default, Clone)]
pub struct Globals(BTreeMap<String, Vec<u8>>);

impl Globals {
    pub fn set<T: Shared>(&mut self, name: &str, value: T) -> &mut Self {
        self.0.insert(name.into(), bytes_of(&value).to_vec());
        self
    }

    pub fn set_bytes(&mut self, name: &str, bytes: Vec<u8>) -> &mut Self {
        self.0.insert(name.into(), bytes);
        self
    }
}

/// What differs from the object's own declaration of a map.
#[derive(Debug, Default, Clone)]
pub struct MapChoice {
    pub max_entries: Option<u32>,
    pub flags: Option<u32>,
    /// Another kind, for a map that no live code uses on a kernel that does not know its kind.
    pub kind: Option<MapKind>,
    /// An existing map to use instead of a new one.
    pub reuse: Option<Arc<Map>>,
}

/// Everything a load is told.
#[derive(Debug, Default, Clone)]
pub struct LoadChoices {
    pub globals: Globals,
    pub maps: BTreeMap<String, MapChoice>,
    /// Programs to load; others of the object stay out of the kernel.
    pub programs: Vec<String>,
    /// XDP programs are loaded for multi-buffer frames whatever their section says.
    pub frags: bool,
    /// The device to bind XDP programs to, for hardware offload.
    pub offload_ifindex: u32,
}

/// A parsed object.
#[derive(Debug)]
pub struct ObjectFile {
    object: Object,
}

/// An object in the kernel. Dropping it frees what nothing else holds.
#[derive(Debug)]
pub struct LoadedObject {
    pub maps: BTreeMap<String, Arc<Map>>,
    pub programs: BTreeMap<String, Program>,
}

impl LoadedObject {
    pub fn map(&self, name: &str) -> Result<&Arc<Map>, Error> {
        self.maps.get(name).ok_or_else(|| Error::NoMap(name.into()))
    }

    pub fn program(&self, name: &str) -> Result<&Program, Error> {
        self.programs.get(name).ok_or_else(|| Error::NoProgram(format!(" named `{name}`")))
    }
}

impl ObjectFile {
    pub fn parse(elf: &[u8]) -> Result<Self, Error> {
        Object::parse(elf).map(|object| Self { object }).map_err(|error| Error::Object(error.to_string()))
    }

    /// Names of the XDP programs inside, sorted.
    pub fn xdp_programs(&self) -> Vec<String> {
        let is_xdp = |section: &ProgramSection| matches!(section, ProgramSection::Xdp { .. });
        let mut names: Vec<String> = self
            .object
            .programs
            .iter()
            .filter(|(_, p)| is_xdp(&p.section))
            .map(|(name, _)| name.clone())
            .collect();
        names.sort();
        names
    }

    /// Creates the maps and loads the chosen programs. On error nothing stays in the kernel.
    pub fn load(self, choices: &LoadChoices) -> Result<LoadedObject, Error> {
        let mut object = self.object;
        set_globals(&mut object, &choices.globals)?;
        let btf_fd = load_btf(&mut object)?;
        if object.has_btf_relocations() {
            let kernel = btf::kernel().ok_or_else(|| {
                Error::Object(
                    "it has CO-RE relocations, and this kernel has no BTF (/sys/kernel/btf/vmlinux)".into(),
                )
            })?;
            object.relocate_btf(&kernel).map_err(|error| Error::Object(error.to_string()))?;
        }
        let definitions: Vec<(String, aya_obj::Map)> = object.maps.drain().collect();
        let mut maps = BTreeMap::new();
        for (name, definition) in &definitions {
            let choice = choices.maps.get(name);
            let map = match choice.and_then(|choice| choice.reuse.clone()) {
                Some(map) => map,
                None => Arc::new(create_map(name, definition, choice, btf_fd.as_ref())?),
            };
            maps.insert(name.clone(), map);
        }
        relocate(&mut object, &definitions, &maps)?;
        let programs = load_programs(&object, choices, btf_fd.as_ref())?;
        Ok(LoadedObject { maps, programs })
    }
}

fn set_globals(object: &mut Object, globals: &Globals) -> Result<(), Error> {
    for (name, bytes) in &globals.0 {
        let one = HashMap::from([(name.as_str(), (bytes.as_slice(), true))]);
        object.patch_map_data(one).map_err(|error| match error {
            aya_obj::ParseError::SymbolNotFound { .. } => Error::NoGlobal(name.clone()),
            other => Error::Object(other.to_string()),
        })?;
    }
    Ok(())
}

/// A kernel that refuses the object's types still runs its programs; only introspection is poorer.
fn load_btf(object: &mut Object) -> Result<Option<OwnedFd>, Error> {
    let types =
        object.fixup_and_sanitize_btf(&btf::features()).map_err(|error| Error::Object(error.to_string()))?;
    Ok(types.and_then(|types| btf::load(&types.to_bytes()).ok()))
}

fn create_map(
    name: &str,
    definition: &aya_obj::Map,
    choice: Option<&MapChoice>,
    btf: Option<&OwnedFd>,
) -> Result<Map, Error> {
    let mut spec = MapSpec {
        name: name.trim_start_matches('.').into(),
        kind: MapKind(definition.map_type()),
        key_size: definition.key_size(),
        value_size: definition.value_size(),
        max_entries: definition.max_entries(),
        flags: definition.map_flags(),
        extra: definition.map_extra(),
    };
    let replaced = choice.is_some_and(|choice| choice.kind.is_some());
    if let Some(choice) = choice {
        spec.max_entries = choice.max_entries.unwrap_or(spec.max_entries);
        spec.flags = choice.flags.unwrap_or(spec.flags);
        if let Some(kind) = choice.kind {
            spec = MapSpec { kind, key_size: 4, value_size: 8, max_entries: 1, flags: 0, extra: 0, ..spec };
        }
    }
    if spec.kind == MapKind::PERF_EVENT_ARRAY && spec.max_entries == 0 {
        spec.max_entries = cpu::possible_cpus() as u32;
    }
    let inner = match definition.inner() {
        Some(inner) => Some(create_map(&format!("{name}.inner"), &inner, None, None)?),
        None => None,
    };
    let read_only_data = matches!(definition.section_kind(), aya_obj::EbpfSectionKind::Rodata);
    let types = match definition {
        // The kernel takes key and value types only where user space may read both.
        aya_obj::Map::Btf(map) if !replaced && matches!(spec.kind.0, 1 | 2 | 5 | 6 | 9 | 10 | 11) => {
            btf.map(|fd| (fd.as_fd(), map.def.btf_key_type_id, map.def.btf_value_type_id))
        }
        _ => None,
    };
    let map = Map::create(spec, types, inner.as_ref())?;
    if !definition.data().is_empty() {
        map.set_raw(&0_u32.to_ne_bytes(), definition.data())?;
    }
    if read_only_data || (map.is_read_only() && !definition.data().is_empty()) {
        map.freeze()?;
    }
    Ok(map)
}

fn relocate(
    object: &mut Object,
    definitions: &[(String, aya_obj::Map)],
    maps: &BTreeMap<String, Arc<Map>>,
) -> Result<(), Error> {
    let text: HashSet<usize> = object.functions.keys().map(|(section, _)| *section).collect();
    let fds = definitions
        .iter()
        .filter_map(|(name, definition)| Some((name.as_str(), maps.get(name)?.fd().as_raw_fd(), definition)));
    object.relocate_maps(fds, &text).map_err(|error| Error::Object(chain(&error)))?;
    object.relocate_calls(&text).map_err(|error| Error::Object(chain(&error)))
}

/// `enum bpf_attach_type`.
fn xdp_attach_type(kind: XdpAttachType) -> u32 {
    match kind {
        XdpAttachType::DevMap => 33,
        XdpAttachType::CpuMap => 35,
        XdpAttachType::Interface => 37,
    }
}

/// aya's errors say the cause only in their source.
fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

fn load_programs(
    object: &Object,
    choices: &LoadChoices,
    btf: Option<&OwnedFd>,
) -> Result<BTreeMap<String, Program>, Error> {
    let mut programs = BTreeMap::new();
    for name in &choices.programs {
        let program =
            object.programs.get(name).ok_or_else(|| Error::NoProgram(format!(" named `{name}`")))?;
        let function = &object.functions[&program.function_key()];
        let (kind, attach_type, flags) = match program.section {
            ProgramSection::Xdp { frags, attach_type } => {
                let flags = if frags || choices.frags { HAS_FRAGS } else { 0 };
                (ProgramKind::Xdp, xdp_attach_type(attach_type), flags)
            }
            ProgramSection::RawTracePoint => (ProgramKind::RawTracepoint, 0, 0),
            _ => return Err(Error::NoProgram(format!(" named `{name}` (it is of another type)"))),
        };
        let spec = ProgramSpec {
            name,
            kind,
            license: &program.license,
            instructions: &function.instructions,
            flags,
            attach_type,
            btf: btf.map(AsFd::as_fd),
            function_info: (&function.func_info.func_info_bytes(), function.func_info_rec_size),
            line_info: (&function.line_info.line_info_bytes(), function.line_info_rec_size),
            ifindex: if kind == ProgramKind::Xdp { choices.offload_ifindex } else { 0 },
        };
        let loaded = Program::load(&spec).map_err(|refusal| Error::ProgramLoad {
            name: name.clone(),
            source: refusal.source,
            log: refusal.log,
        })?;
        programs.insert(name.clone(), loaded);
    }
    Ok(programs)
}
