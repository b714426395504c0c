//! The object holds no instruction that kernel 5.10's verifier does not know: LLVM must not be led into a newer
//! instruction set by a flag or a default. (`Documentation/bpf/standardization/instruction-set.rst`)

use object::{Object as _, ObjectSection as _, SectionFlags, elf::SHF_EXECINSTR};

/// What is wrong with an instruction, given as its 8 bytes.
fn newer_than_5_10(instruction: [u8; 8]) -> Option<&'static str> {
    let [opcode, registers, ..] = instruction;
    let offset = i16::from_le_bytes([instruction[2], instruction[3]]);
    let (class, operation) = (opcode & 0x07, opcode & 0xf0);
    match opcode {
        0xc3 | 0xdb => return Some("an atomic operation"),
        0x8d => return Some("a call through a register"),
        0x85 if registers >> 4 == 2 => return Some("a call of a kernel function"),
        0x06 => return Some("a long jump (gotol)"),
        0xe5 => return Some("may_goto"),
        0xd7 => return Some("an unconditional byte swap"),
        _ => {}
    }
    match (class, operation) {
        (1, _) if opcode & 0xe0 == 0x80 => Some("a load with sign extension"),
        (4 | 7, 0xb0) if offset != 0 => Some("a move with sign extension"),
        (4 | 7, 0x30 | 0x90) if offset != 0 => Some("a signed division"),
        _ => None,
    }
}

/// Every instruction of every program and subprogram, with its section and byte offset.
fn instructions(elf: &[u8]) -> Vec<(String, usize, [u8; 8])> {
    // The reader wants aligned memory, which a static has not and an allocation of this size always has.
    let elf = elf.to_vec();
    let file = object::File::parse(elf.as_slice()).expect("an ELF file");
    let mut all = Vec::new();
    for section in file.sections() {
        let SectionFlags::Elf { sh_flags } = section.flags() else { continue };
        if sh_flags & u64::from(SHF_EXECINSTR) == 0 {
            continue;
        }
        let data = section.data().expect("a section's bytes");
        let mut slots = data.chunks_exact(8).enumerate();
        while let Some((at, slot)) = slots.next() {
            let instruction: [u8; 8] = slot.try_into().expect("eight bytes");
            all.push((section.name().expect("a name").to_owned(), at * 8, instruction));
            if instruction[0] == 0x18 {
                // The second half of a 64-bit constant is no instruction.
                slots.next();
            }
        }
    }
    all
}

#[test]
fn the_object_loads_on_5_10() {
    let all = instructions(engine::pipeline_object());
    assert!(all.len() > 1000, "only {} instructions: were the sections found?", all.len());
    let wrong: Vec<String> = all
        .iter()
        .filter_map(|(section, at, bytes)| {
            newer_than_5_10(*bytes).map(|what| format!("{section}+{at:#x}: {what} ({bytes:02x?})"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn newer_instructions_are_recognised() {
    let plain = [0xbf, 0x16, 0, 0, 0, 0, 0, 0];
    assert_eq!(newer_than_5_10(plain), None);
    assert_eq!(newer_than_5_10([0x85, 0x10, 0, 0, 1, 0, 0, 0]), None, "a call of a subprogram");
    assert_eq!(newer_than_5_10([0xdc, 0x01, 0, 0, 16, 0, 0, 0]), None, "a conversion to big endian");
    let newer = [
        [0xdb, 0x10, 0, 0, 0, 0, 0, 0],
        [0xc3, 0x10, 0, 0, 1, 0, 0, 0],
        [0x8d, 0x01, 0, 0, 0, 0, 0, 0],
        [0x85, 0x20, 0, 0, 1, 0, 0, 0],
        [0x06, 0, 0, 0, 9, 0, 0, 0],
        [0xe5, 0, 1, 0, 0, 0, 0, 0],
        [0xd7, 0x01, 0, 0, 16, 0, 0, 0],
        [0x91, 0x12, 4, 0, 0, 0, 0, 0],
        [0xbf, 0x16, 8, 0, 0, 0, 0, 0],
        [0x3f, 0x16, 1, 0, 0, 0, 0, 0],
    ];
    for instruction in newer {
        assert!(newer_than_5_10(instruction).is_some(), "{instruction:02x?}");
    }
}
