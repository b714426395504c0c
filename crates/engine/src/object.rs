//! Object files: from ELF to maps and programs in the kernel. ELF, BTF and relocations are aya-obj's; everything that
//! touches the kernel is ours, so that maps can be shared, globals frozen and refusals explained.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    os::fd::{AsFd, AsRawFd, OwnedFd},
    sync::Arc,
};

use abi::{
    Shared,
    layout::{bytes_of, from_bytes},
};
use aya_obj::{EbpfSectionKind, Object, maps::PinningType};

use crate::{
    Error, Map, MapKind, Program, ProgramKind, btf, cpu,
    elf::{self, Prepared, SectionType, Unfit, XdpHook},
    guard::damaged_if_panics,
    map::MapSpec,
    near,
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

    /// `None`: not set, or of another size.
    pub fn get<T: Shared>(&self, name: &str) -> Option<T> {
        from_bytes(self.0.get(name)?)
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
    /// What the pre-pass found; its copy of the file is gone.
    found: Prepared,
    /// Arrays that are one value where they fit into one.
    near: &'static [&'static str],
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
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let mut found = elf::prepare(bytes).map_err(unfit)?;
        let elf = std::mem::take(&mut found.elf);
        let object = damaged_if_panics(|| Object::parse(&elf).map_err(|error| unreadable(&error)))?;
        Ok(Self { object, found, near: &[] })
    }

    /// Names of the XDP programs inside that attach to interfaces, sorted.
    pub fn xdp_programs(&self) -> Vec<String> {
        let is_xdp = |program: &aya_obj::Program| {
            matches!(self.section_type(program), SectionType::Xdp { hook: XdpHook::Interface, .. })
        };
        let mut names: Vec<String> = self
            .object
            .programs
            .iter()
            .filter(|(name, program)| is_xdp(program) && self.found.global_functions.contains(*name))
            .map(|(name, _)| name.clone())
            .collect();
        names.sort();
        names
    }

    /// The bytes that a global takes.
    pub fn global_size(&self, name: &str) -> Result<u64, Error> {
        self.found.globals.get(name).copied().ok_or_else(|| Error::NoGlobal {
            name: name.into(),
            known: self.found.globals.keys().cloned().collect(),
        })
    }

    /// Maps that the object wants to share by pinning them under their name.
    pub fn maps_pinned_by_name(&self) -> Vec<(String, MapSpec)> {
        self.object
            .maps
            .iter()
            .filter(|(name, map)| {
                map.pinning() == PinningType::ByName || self.found.pinned_legacy_maps.contains(*name)
            })
            .map(|(name, map)| (name.clone(), spec(name, map)))
            .collect()
    }

    /// All maps that the object declares, its data sections among them.
    pub fn map_specs(&self) -> impl Iterator<Item = (String, MapSpec)> {
        self.object.maps.iter().map(|(name, map)| (name.clone(), spec(name, map)))
    }

    /// Maps of devices hold nothing but an ifindex, and no program to run on the way out.
    pub(crate) fn with_ports_alone(mut self) -> Self {
        for map in self.object.maps.values_mut() {
            if [MapKind::DEVMAP, MapKind::DEVMAP_HASH].contains(&MapKind(map.map_type())) {
                map.set_value_size(4);
            }
        }
        self
    }

    /// These arrays are near: see [`near`].
    pub(crate) fn with_near(mut self, near: &'static [&'static str]) -> Self {
        self.near = near;
        self
    }

    fn section_type(&self, program: &aya_obj::Program) -> SectionType {
        let section = self.found.program_sections.get(&program.section_index);
        section.map_or(SectionType::Other, |section| section.kind)
    }

    /// Creates the maps and loads the chosen programs. On error nothing stays in the kernel.
    pub fn load(self, choices: &LoadChoices) -> Result<LoadedObject, Error> {
        let Self { mut object, found, near } = self;
        let mut globals = choices.globals.clone();
        for name in near {
            let definition = object.maps.get(*name).ok_or_else(|| Error::NoMap((*name).into()))?;
            let choice = choices.maps.get(*name);
            let map = match choice.and_then(|choice| choice.reuse.as_ref()) {
                Some(map) => map.spec().clone(),
                None => chosen(name, definition, choice, true),
            };
            near::tell(&mut globals, name, &map, definition.value_size());
        }
        let btf_fd = damaged_if_panics(|| {
            set_globals(&mut object, &globals, &found)?;
            let btf_fd = load_btf(&mut object)?;
            if object.has_btf_relocations() {
                let kernel = btf::kernel().ok_or(Error::NoKernelBtf)?;
                object.relocate_btf(&kernel).map_err(|error| unreadable(&error))?;
            }
            Ok(btf_fd)
        })?;
        // A compiler may leave a data section empty, and the kernel has no maps of nothing.
        let definitions: Vec<(String, aya_obj::Map)> =
            object.maps.drain().filter(|(_, map)| !is_data(map) || map.value_size() > 0).collect();
        let mut maps = BTreeMap::new();
        for (name, definition) in &definitions {
            let choice = choices.maps.get(name);
            let map = match choice.and_then(|choice| choice.reuse.clone()) {
                Some(map) => map,
                None => {
                    let is_near = near.contains(&name.as_str());
                    Arc::new(create_map(name, definition, choice, is_near, btf_fd.as_ref())?)
                }
            };
            maps.insert(name.clone(), map);
        }
        damaged_if_panics(|| relocate(&mut object, &definitions, &maps))?;
        near::address(&mut object, near, &maps);
        let programs = load_programs(&Self { object, found, near }, choices, btf_fd.as_ref())?;
        Ok(LoadedObject { maps, programs })
    }
}

/// What aya-obj is given of an object file, or why it is not given it: nothing that it would panic on.
pub fn prepared(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    elf::prepare(bytes).map(|found| found.elf).map_err(unfit)
}

fn unfit(unfit: Unfit) -> Error {
    match unfit {
        Unfit::Not(clause) => Error::Object(shown(&clause)),
        Unfit::NeedsKernelSymbols(names) => {
            Error::NeedsKernelSymbols(names.iter().map(|name| shown(name)).take(MOST_NAMES).collect())
        }
    }
}

const MOST_NAMES: usize = 16;

/// Words that a file chose: without what a terminal obeys, and no longer than people read.
fn shown(words: &str) -> String {
    let mut shown = String::new();
    for c in words.chars().take(400) {
        if c.is_control() {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

fn is_data(map: &aya_obj::Map) -> bool {
    use EbpfSectionKind::{Bss, Data, Rodata};
    matches!(map.section_kind(), Bss | Data | Rodata)
}

fn set_globals(object: &mut Object, globals: &Globals, found: &Prepared) -> Result<(), Error> {
    for (name, bytes) in &globals.0 {
        let one = HashMap::from([(name.as_str(), (bytes.as_slice(), true))]);
        object.patch_map_data(one).map_err(|error| match error {
            aya_obj::ParseError::SymbolNotFound { .. } => {
                Error::NoGlobal { name: name.clone(), known: found.globals.keys().cloned().collect() }
            }
            other => unreadable(&other),
        })?;
    }
    Ok(())
}

/// A kernel that refuses the object's types still runs its programs; only introspection is poorer.
fn load_btf(object: &mut Object) -> Result<Option<OwnedFd>, Error> {
    let types = object.fixup_and_sanitize_btf(&btf::features()).map_err(|error| unreadable(&error))?;
    Ok(types.and_then(|types| btf::load(&types.to_bytes()).ok()))
}

/// What the object declares.
fn spec(name: &str, definition: &aya_obj::Map) -> MapSpec {
    let kind = MapKind(definition.map_type());
    let max_entries = match definition.max_entries() {
        0 if kind == MapKind::PERF_EVENT_ARRAY => cpu::possible_cpus() as u32,
        entries => entries,
    };
    MapSpec {
        // Dots have no place in a bpffs, where maps are pinned under their names.
        name: name.trim_start_matches('.').replace('.', "_"),
        kind,
        key_size: definition.key_size(),
        value_size: definition.value_size(),
        max_entries,
        flags: definition.map_flags(),
        extra: definition.map_extra(),
    }
}

/// What the object declares, with what was chosen, and as one value if it is near.
fn chosen(name: &str, definition: &aya_obj::Map, choice: Option<&MapChoice>, is_near: bool) -> MapSpec {
    let mut spec = spec(name, definition);
    if let Some(choice) = choice {
        spec.max_entries = choice.max_entries.unwrap_or(spec.max_entries);
        spec.flags = choice.flags.unwrap_or(spec.flags);
        if let Some(kind) = choice.kind {
            spec = MapSpec { kind, key_size: 4, value_size: 8, max_entries: 1, flags: 0, extra: 0, ..spec };
        }
    }
    if is_near { near::as_one_value(spec) } else { spec }
}

fn create_map(
    name: &str,
    definition: &aya_obj::Map,
    choice: Option<&MapChoice>,
    is_near: bool,
    btf: Option<&OwnedFd>,
) -> Result<Map, Error> {
    let spec = chosen(name, definition, choice, is_near);
    let replaced = is_near || choice.is_some_and(|choice| choice.kind.is_some());
    let inner = match definition.inner() {
        Some(inner) => Some(create_map(&format!("{name}.inner"), &inner, None, false, None)?),
        None => None,
    };
    let read_only_data = matches!(definition.section_kind(), EbpfSectionKind::Rodata);
    let types = match definition {
        // The kernel takes key and value types only where user space may read both.
        aya_obj::Map::Btf(map) if !replaced && matches!(spec.kind.0, 1 | 2 | 5 | 6 | 9 | 10 | 11) => {
            btf.map(|fd| (fd.as_fd(), map.def.btf_key_type_id, map.def.btf_value_type_id))
        }
        _ => None,
    };
    let map = match Map::create(spec.clone(), types, inner.as_ref()) {
        // Some kinds of map take no types on this kernel; they only serve to be looked at.
        Err(Error::MapCreate { .. }) if types.is_some() => Map::create(spec, None, inner.as_ref())?,
        other => other?,
    };
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
    object.relocate_maps(fds, &text).map_err(|error| unreadable(&error))?;
    object.relocate_calls(&text).map_err(|error| unreadable(&error))
}

fn unreadable(error: &dyn std::error::Error) -> Error {
    Error::Object(format!("one that cannot be read: {}", chain(error)))
}

/// aya's errors say the cause only in their source.
fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

fn load_programs(
    file: &ObjectFile,
    choices: &LoadChoices,
    btf: Option<&OwnedFd>,
) -> Result<BTreeMap<String, Program>, Error> {
    let object = &file.object;
    let mut programs = BTreeMap::new();
    for name in &choices.programs {
        let program =
            object.programs.get(name).ok_or_else(|| Error::NoProgram(format!(" named `{name}`")))?;
        let function = &object.functions[&program.function_key()];
        let (kind, attach_type, flags) = match file.section_type(program) {
            SectionType::Xdp { frags, hook } => {
                let flags = if frags || choices.frags { HAS_FRAGS } else { 0 };
                (ProgramKind::Xdp, hook as u32, flags)
            }
            SectionType::RawTracepoint => (ProgramKind::RawTracepoint, 0, 0),
            // Without a hook: from 6.6 on the link names it, and before there was none to name.
            SectionType::Classifier => (ProgramKind::Classifier, 0, 0),
            SectionType::Other => {
                return Err(Error::NoProgram(format!(" named `{name}` (it is of another type)")));
            }
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
