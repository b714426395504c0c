//! 64-bit little-endian ELF, read with bounds checks and patched by offset.

/// `sh_type` of a section that takes no room in the file.
pub const SHT_NOBITS: u32 = 8;
const SHT_SYMTAB: u32 = 2;
const EM_BPF: u16 = 247;
const HEADER: usize = 64;
const SECTION_HEADER: usize = 64;
const SYMBOL: usize = 24;

pub struct Elf<'a> {
    bytes: &'a [u8],
    headers_offset: usize,
    pub sections: Vec<Section>,
    pub symbols: Vec<Symbol>,
    /// The section that holds the names of sections.
    pub names_index: usize,
}

#[derive(Debug)]
pub struct Section {
    pub name: String,
    pub kind: u32,
    pub flags: u64,
    pub address: u64,
    pub offset: u64,
    pub size: u64,
    link: u32,
    name_offset: u32,
}

#[derive(Debug)]
pub struct Symbol {
    pub name: String,
    info: u8,
    /// 0: undefined; from 0xff00 on: no section.
    pub section: u16,
    pub value: u64,
    pub size: u64,
    /// Where its record lies in the file.
    pub file_offset: usize,
}

impl Symbol {
    pub fn binding(&self) -> u8 {
        self.info >> 4
    }

    /// Neither type nor size.
    pub fn is_bare(&self) -> bool {
        self.info & 15 == 0 && self.size == 0
    }

    pub fn is_global(&self) -> bool {
        matches!(self.binding(), 1 | 2)
    }

    pub fn is_object(&self) -> bool {
        self.info & 15 == 1
    }

    pub fn is_function(&self) -> bool {
        self.info & 15 == 2
    }
}

pub fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

/// The zero-terminated string at an offset of a string table.
pub fn string_at(table: &[u8], at: u32) -> Option<&str> {
    let rest = table.get(at as usize..)?;
    std::str::from_utf8(&rest[..rest.iter().position(|byte| *byte == 0)?]).ok()
}

impl<'a> Elf<'a> {
    /// The error is a clause that begins with what the file is instead.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        check_kind(bytes)?;
        let cut = || "damaged: it ends before its section table does".to_owned();
        let headers_offset = usize::try_from(u64_at(bytes, 40).ok_or_else(cut)?).map_err(|_| cut())?;
        let count = usize::from(u16_at(bytes, 60).ok_or_else(cut)?);
        let names_index = usize::from(u16_at(bytes, 62).ok_or_else(cut)?);
        if count == 0 {
            return Err("an ELF file without sections".into());
        }
        let mut sections = (0..count)
            .map(|index| section(bytes, headers_offset.checked_add(index * SECTION_HEADER)?))
            .collect::<Option<Vec<Section>>>()
            .ok_or_else(cut)?;
        for section in &sections {
            let end = section.offset.checked_add(section.size);
            if section.kind != SHT_NOBITS && end.is_none_or(|end| end > bytes.len() as u64) {
                return Err("damaged: a section ends behind the file's end (is it cut short?)".into());
            }
        }
        let bad_names = || "damaged: its table of section names cannot be read".to_owned();
        let names = data(bytes, sections.get(names_index).ok_or_else(bad_names)?);
        for section in &mut sections {
            section.name = string_at(names, section.name_offset).ok_or_else(bad_names)?.into();
        }
        let symbols =
            symbols(bytes, &sections).ok_or_else(|| "damaged: its symbol table cannot be read".to_owned())?;
        Ok(Self { bytes, headers_offset, sections, symbols, names_index })
    }

    pub fn data(&self, section: &Section) -> &'a [u8] {
        data(self.bytes, section)
    }

    /// Where a symbol is defined.
    pub fn section(&self, symbol: &Symbol) -> Option<&Section> {
        (symbol.section != 0).then(|| self.sections.get(usize::from(symbol.section))).flatten()
    }

    pub fn position(&self, name: &str) -> Option<usize> {
        self.sections.iter().position(|section| section.name == name)
    }

    pub fn named(&self, name: &str) -> Option<&Section> {
        self.position(name).map(|index| &self.sections[index])
    }

    pub fn set_section_name(&self, elf: &mut [u8], index: usize, name_offset: u32) {
        self.patch(elf, index, 0, &name_offset.to_le_bytes());
    }

    /// Puts new contents of a section at the end of the file.
    pub fn move_section(&self, elf: &mut Vec<u8>, index: usize, contents: &[u8]) {
        elf.resize(elf.len().next_multiple_of(8), 0);
        let offset = elf.len() as u64;
        elf.extend_from_slice(contents);
        self.patch(elf, index, 24, &offset.to_le_bytes());
        self.patch(elf, index, 32, &(contents.len() as u64).to_le_bytes());
    }

    fn patch(&self, elf: &mut [u8], index: usize, field: usize, value: &[u8]) {
        let at = self.headers_offset + index * SECTION_HEADER + field;
        elf[at..at + value.len()].copy_from_slice(value);
    }
}

fn check_kind(bytes: &[u8]) -> Result<(), String> {
    if bytes.starts_with(b"BC\xc0\xde") {
        return Err("LLVM bitcode, not an object file; compile it with `llc -march=bpf -filetype=obj`".into());
    }
    if !bytes.starts_with(b"\x7fELF") {
        return Err("not an ELF file".into());
    }
    if bytes.len() < HEADER {
        return Err("damaged: it ends within its first header".into());
    }
    let machine = u16_at(bytes, 18).unwrap_or(0);
    // Compilers of before 2017 had no number for eBPF.
    if !matches!(machine, EM_BPF | 0) {
        return Err(format!(
            "an ELF file for another machine (number {machine}); compile it with `clang -O2 -g -target bpf -c`"
        ));
    }
    if bytes[4] != 2 || bytes[5] != 1 {
        return Err("not 64-bit little-endian; compile it with `-target bpfel`".into());
    }
    match u16_at(bytes, 58) {
        Some(size) if usize::from(size) == SECTION_HEADER => Ok(()),
        _ => Err("damaged: its section headers have an impossible size".into()),
    }
}

fn section(bytes: &[u8], at: usize) -> Option<Section> {
    bytes.get(at..at.checked_add(SECTION_HEADER)?)?;
    Some(Section {
        name: String::new(),
        name_offset: u32_at(bytes, at)?,
        kind: u32_at(bytes, at + 4)?,
        flags: u64_at(bytes, at + 8)?,
        address: u64_at(bytes, at + 16)?,
        offset: u64_at(bytes, at + 24)?,
        size: u64_at(bytes, at + 32)?,
        link: u32_at(bytes, at + 40)?,
    })
}

fn data<'a>(bytes: &'a [u8], section: &Section) -> &'a [u8] {
    if section.kind == SHT_NOBITS {
        return &[];
    }
    let start = section.offset as usize;
    bytes.get(start..start.saturating_add(section.size as usize)).unwrap_or(&[])
}

fn symbols(bytes: &[u8], sections: &[Section]) -> Option<Vec<Symbol>> {
    let Some(table) = sections.iter().find(|section| section.kind == SHT_SYMTAB) else {
        return Some(Vec::new());
    };
    let names = data(bytes, sections.get(table.link as usize)?);
    data(bytes, table)
        .chunks_exact(SYMBOL)
        .enumerate()
        .map(|(index, symbol)| {
            Some(Symbol {
                name: string_at(names, u32_at(symbol, 0)?)?.into(),
                info: symbol[4],
                section: u16_at(symbol, 6)?,
                value: u64_at(symbol, 8)?,
                size: u64_at(symbol, 16)?,
                file_offset: table.offset as usize + index * SYMBOL,
            })
        })
        .collect()
}
