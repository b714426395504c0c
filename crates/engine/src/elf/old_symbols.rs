//! Before LLVM 9 the eBPF backend wrote symbols without type and size. Their names and places are enough: one reaches
//! to the next one of its section, or to the section's end.

use super::layout::{Elf, Section, Symbol};

const STT_OBJECT: u8 = 1;
const STT_FUNC: u8 = 2;
/// Fields of `Elf64_Sym`.
const INFO: usize = 4;
const SIZE: usize = 16;

/// A copy with whole symbols, if any was not.
pub fn complete(elf: &Elf<'_>, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut completed: Option<Vec<u8>> = None;
    for symbol in elf.symbols.iter().filter(|symbol| symbol.is_bare() && symbol.is_global()) {
        let Some((section, kind)) = elf.section(symbol).and_then(|section| Some((section, kind(section)?)))
        else {
            continue;
        };
        let Some(size) = end(elf, symbol, section).checked_sub(symbol.value) else { continue };
        let bytes = completed.get_or_insert_with(|| bytes.to_vec());
        let at = symbol.file_offset;
        bytes[at + INFO] = symbol.binding() << 4 | kind;
        bytes[at + SIZE..at + SIZE + 8].copy_from_slice(&size.to_le_bytes());
    }
    completed
}

fn kind(section: &Section) -> Option<u8> {
    if section.is_executable() {
        return Some(STT_FUNC);
    }
    section.name.starts_with("maps").then_some(STT_OBJECT)
}

fn end(elf: &Elf<'_>, symbol: &Symbol, section: &Section) -> u64 {
    elf.symbols
        .iter()
        .filter(|other| other.section == symbol.section && other.is_global() && other.value > symbol.value)
        .map(|other| other.value)
        .min()
        .unwrap_or(section.size)
}
