//! Before aya-obj sees an object file: what it cannot read is rewritten, what it would panic on is refused.
//!
//! aya-obj knows a program's type only by its section's name, and gives up on the whole object when one name is
//! strange to it (`prog`, `xdp/anything`). So every program section gets a name that it accepts, unique because CO-RE
//! relocations and line records are found by name, and what the section really held is remembered here by its index.
//!
//! Layouts: System V gABI, chapters "ELF Header", "Sections", "Symbol Table"; `Documentation/bpf/btf.rst` for
//! `.BTF.ext`.

mod btf_ext;
mod layout;
mod old_symbols;
mod section_type;

use std::collections::{BTreeMap, BTreeSet};

pub use section_type::{SectionType, XdpHook, section_type};

use self::layout::{Elf, SHT_NOBITS, Section, Symbol};

/// Larger data sections than this are damage, not data: a map's value is at most `KMALLOC_MAX_SIZE`-ish anyway.
const MAX_DATA: u64 = 1 << 30;

/// An object that aya-obj can read, with what the rewriting hid.
#[derive(Debug)]
pub struct Prepared {
    pub elf: Vec<u8>,
    /// By section index.
    pub program_sections: BTreeMap<usize, ProgramSection>,
    /// Functions that other objects could call: the entry points. The rest are subprograms.
    pub global_functions: BTreeSet<String>,
    /// Sizes in bytes of the variables, by name.
    pub globals: BTreeMap<String, u64>,
    /// Maps of `maps` sections that ask to be pinned by name.
    pub pinned_legacy_maps: BTreeSet<String>,
}

/// An executable section other than `.text`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramSection {
    pub name: String,
    pub kind: SectionType,
}

/// Why an object cannot be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfit {
    /// Not an eBPF object at all, or a damaged one: a clause that says which.
    Not(String),
    /// It calls or reads these symbols of the kernel, which this loader does not resolve.
    NeedsKernelSymbols(Vec<String>),
}

/// Reads any bytes without panicking.
pub fn prepare(bytes: &[u8]) -> Result<Prepared, Unfit> {
    let elf = Elf::parse(bytes).map_err(Unfit::Not)?;
    match old_symbols::complete(&elf, bytes) {
        Some(completed) => rewrite(&Elf::parse(&completed).map_err(Unfit::Not)?, &completed),
        None => rewrite(&elf, bytes),
    }
}

fn rewrite(elf: &Elf<'_>, bytes: &[u8]) -> Result<Prepared, Unfit> {
    let sections: BTreeMap<usize, ProgramSection> = elf
        .sections
        .iter()
        .enumerate()
        .filter(|(_, section)| is_program(section))
        .map(|(index, section)| {
            (index, ProgramSection { name: section.name.clone(), kind: section_type(&section.name) })
        })
        .collect();
    check_bounds(elf).map_err(Unfit::Not)?;
    let foreign = kernel_symbols(elf);
    if !foreign.is_empty() {
        return Err(Unfit::NeedsKernelSymbols(foreign));
    }

    let mut prepared = Prepared {
        elf: bytes.to_vec(),
        global_functions: elf
            .symbols
            .iter()
            .filter(|symbol| symbol.is_function() && symbol.is_global())
            .map(|symbol| symbol.name.clone())
            .collect(),
        globals: elf
            .symbols
            .iter()
            .filter(|symbol| symbol.is_object() && elf.section(symbol).is_some_and(is_data))
            .map(|symbol| (symbol.name.clone(), symbol.size))
            .collect(),
        pinned_legacy_maps: BTreeSet::new(),
        program_sections: sections,
    };
    settle_legacy_maps(elf, &mut prepared);
    rename(elf, &mut prepared).map_err(Unfit::Not)?;
    Ok(prepared)
}

fn is_program(section: &Section) -> bool {
    section.is_executable() && section.size > 0 && !section.name.starts_with(".text")
}

fn is_data(section: &Section) -> bool {
    [".data", ".rodata", ".bss"].iter().any(|prefix| section.name.starts_with(prefix))
}

/// aya-obj slices sections by their symbols without looking.
fn check_bounds(elf: &Elf<'_>) -> Result<(), String> {
    for section in &elf.sections {
        if is_data(section) && section.size > MAX_DATA {
            return Err(format!("damaged: section `{}` says it has {} bytes", section.name, section.size));
        }
    }
    for symbol in &elf.symbols {
        let Some(section) = elf.section(symbol) else { continue };
        let sliced = section.is_executable() || section.name.starts_with("maps");
        let end = symbol.value.checked_add(symbol.size);
        if sliced && end.is_none_or(|end| end > section.size || symbol.value < section.address) {
            return Err(format!(
                "damaged: symbol `{}` lies outside its section `{}`",
                symbol.name, section.name
            ));
        }
    }
    match elf.named(".BTF.ext") {
        Some(section) => btf_ext::check(elf.data(section)),
        None => Ok(()),
    }
}

/// Names that the object wants from outside: kfuncs, `.ksyms` and `.kconfig` externs.
fn kernel_symbols(elf: &Elf<'_>) -> Vec<String> {
    let mut names: Vec<String> = elf
        .symbols
        .iter()
        .filter(|symbol| symbol.is_undefined() && !symbol.name.is_empty())
        .map(|symbol| symbol.name.clone())
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Definitions in `maps` sections carry loader-specific words after the first five. iproute2's `struct bpf_elf_map`
/// puts a pinning mode at byte 24 with values that aya-obj's enum does not have; reading one would be undefined.
fn settle_legacy_maps(elf: &Elf<'_>, prepared: &mut Prepared) {
    const KNOWN_WORDS: usize = 20;
    const PINNING: usize = 24;
    for symbol in &elf.symbols {
        let Some(section) = elf.section(symbol).filter(|section| section.name.starts_with("maps")) else {
            continue;
        };
        let start = section.offset as usize + symbol.value as usize;
        let Some(definition) = prepared.elf.get_mut(start..start + symbol.size as usize) else { continue };
        let pinning = definition.get(PINNING..PINNING + 4).map_or(0, |b| u32::from(b[0]));
        if (1..=2).contains(&pinning) {
            prepared.pinned_legacy_maps.insert(symbol.name.clone());
        }
        if let Some(extra) = definition.get_mut(KNOWN_WORDS..) {
            extra.fill(0);
        }
    }
}

/// Gives every program section a unique name that aya-obj accepts, in the section headers and in the string table of
/// `.BTF`, where `.BTF.ext` looks names up.
fn rename(elf: &Elf<'_>, prepared: &mut Prepared) -> Result<(), String> {
    let names: Vec<(usize, String)> =
        prepared.program_sections.keys().map(|index| (*index, format!("socket/{index}"))).collect();
    let mut strings = elf.data(&elf.sections[elf.names_index]).to_vec();
    for (index, name) in &names {
        let at = u32::try_from(strings.len()).map_err(|_| "damaged: its names are too long")?;
        strings.extend_from_slice(name.as_bytes());
        strings.push(0);
        elf.set_section_name(&mut prepared.elf, *index, at);
    }
    elf.move_section(&mut prepared.elf, elf.names_index, &strings);

    let (Some(btf), Some(ext)) = (elf.position(".BTF"), elf.position(".BTF.ext")) else { return Ok(()) };
    let mut types = elf.data(&elf.sections[btf]).to_vec();
    let old: BTreeMap<&str, &str> = names
        .iter()
        .map(|(index, name)| (prepared.program_sections[index].name.as_str(), name.as_str()))
        .collect();
    let ext_section = &elf.sections[ext];
    let start = ext_section.offset as usize;
    let Some(ext_bytes) = prepared.elf.get_mut(start..start + ext_section.size as usize) else {
        return Err("damaged: `.BTF.ext` ends behind the file".into());
    };
    btf_ext::rename(&mut types, ext_bytes, &old)?;
    elf.move_section(&mut prepared.elf, btf, &types);
    Ok(())
}

impl Symbol {
    fn is_undefined(&self) -> bool {
        self.section == 0 && self.is_global()
    }
}

impl Section {
    fn is_executable(&self) -> bool {
        const SHF_EXECINSTR: u64 = 4;
        self.flags & SHF_EXECINSTR != 0 && self.kind != SHT_NOBITS
    }
}

#[cfg(test)]
mod tests;
