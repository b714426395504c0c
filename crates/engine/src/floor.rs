//! The least a program can cost: what every figure is compared with.

use abi::Action;
use aya_obj::generated::bpf_insn;

use crate::{Error, Program, ProgramKind, program::ProgramSpec};

/// A program that returns `action` and does nothing else.
pub fn floor(action: Action) -> Result<Program, Error> {
    returning(action, "floor", 0)
}

/// The same under another name and with load flags.
pub(crate) fn returning(action: Action, name: &str, flags: u32) -> Result<Program, Error> {
    // BPF_ALU64 | BPF_MOV | BPF_K into r0, then BPF_JMP | BPF_EXIT.
    let mov = bpf_insn {
        code: 0xb7,
        _bitfield_align_1: [],
        _bitfield_1: bpf_insn::new_bitfield_1(0, 0),
        off: 0,
        imm: action as i32,
    };
    let exit = bpf_insn {
        code: 0x95,
        _bitfield_align_1: [],
        _bitfield_1: bpf_insn::new_bitfield_1(0, 0),
        off: 0,
        imm: 0,
    };
    let instructions = [mov, exit];
    let spec = ProgramSpec {
        name,
        kind: ProgramKind::Xdp,
        license: c"Dual MIT/GPL",
        instructions: &instructions,
        flags,
        attach_type: 37,
        btf: None,
        function_info: (&[], 0),
        line_info: (&[], 0),
        ifindex: 0,
    };
    Program::load(&spec).map_err(|refusal| Error::ProgramLoad {
        name: name.into(),
        source: refusal.source,
        log: refusal.log,
    })
}
