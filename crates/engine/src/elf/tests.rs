use proptest::prelude::*;

use super::*;
use crate::ObjectFile;

/// What `cargo build` made of our own data path: every kind of section that a compiler writes.
const OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/dataplane.o"));

#[test]
fn our_own_object_survives() {
    let prepared = prepare(OBJECT).expect("our object");
    let kinds: Vec<SectionType> = prepared.program_sections.values().map(|section| section.kind).collect();
    assert!(kinds.iter().any(|kind| matches!(kind, SectionType::Xdp { .. })), "{kinds:?}");
    assert_eq!(prepared.globals.get("STAGES"), Some(&4));
    assert!(prepared.global_functions.contains("senko"));
}

#[test]
fn renamed_sections_keep_their_records() {
    let prepared = prepare(OBJECT).expect("our object");
    let elf = Elf::parse(&prepared.elf).expect("still an ELF");
    let ext = elf.data(elf.named(".BTF.ext").expect("records"));
    let types = elf.data(elf.named(".BTF").expect("types"));
    let strings = &types[(layout::u32_at(types, 4).unwrap() + layout::u32_at(types, 16).unwrap()) as usize..];
    let named: BTreeSet<&str> = btf_ext::groups(ext)
        .expect("records")
        .into_iter()
        .map(|at| layout::string_at(strings, layout::u32_at(ext, at).unwrap()).unwrap())
        .collect();
    for index in prepared.program_sections.keys() {
        assert!(named.contains(format!("socket/{index}").as_str()), "{index} in {named:?}");
    }
    for section in prepared.program_sections.values() {
        assert!(!named.contains(section.name.as_str()), "{} in {named:?}", section.name);
    }
}

#[test]
fn other_files_are_named_for_what_they_are() {
    let clause = |bytes: &[u8]| match prepare(bytes) {
        Err(Unfit::Not(clause)) => clause,
        other => panic!("{other:?}"),
    };
    assert_eq!(clause(b""), "not an ELF file");
    assert_eq!(clause(b"int main() {}"), "not an ELF file");
    assert!(clause(b"BC\xc0\xde....").contains("bitcode"));
    assert!(clause(&OBJECT[..40]).contains("ends within"));
    assert!(clause(&OBJECT[..OBJECT.len() / 2]).contains("damaged"));
    let host = std::fs::read("/proc/self/exe").expect("we run");
    assert!(clause(&host).contains("another machine"));
}

/// Bytes that matter: the header, the section headers, the tables; a mutation elsewhere only changes instructions.
fn interesting() -> Vec<usize> {
    let elf = Elf::parse(OBJECT).expect("our object");
    let table = layout::u32_at(OBJECT, 40).unwrap() as usize;
    let mut at: Vec<usize> = (0..64).chain(table..OBJECT.len()).collect();
    for section in &elf.sections {
        let is_table = section.name.starts_with(".BTF") || section.name.contains("tab");
        let is_table = is_table || section.name.starts_with(".rel") || section.name.contains("maps");
        if is_table {
            at.extend((section.offset as usize..).take(section.size.min(4096) as usize));
        }
    }
    at
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn damaged_objects_are_refused_or_read(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::weighted(0.1, any::<prop::sample::Index>()),
    ) {
        let at = interesting();
        let mut bytes = OBJECT.to_vec();
        for (index, value) in edits {
            bytes[*index.get(&at)] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(OBJECT.len()));
        }
        // Neither the pre-pass nor what comes after it may panic.
        if prepare(&bytes).is_ok() {
            let _ = ObjectFile::parse(&bytes);
        }
    }

    #[test]
    fn any_bytes_behind_the_magic_are_survived(tail in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
        bytes.extend(tail);
        let _ = prepare(&bytes);
    }
}
