//! Tiny programs, written by hand and loaded only to hear what the verifier says.

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd, OwnedFd},
};

use crate::sys::{self, Attr, Command};

/// One instruction (RFC 9669, little-endian): opcode, destination, source, offset, immediate.
pub const fn instruction(opcode: u8, destination: u8, source: u8, offset: i16, immediate: i32) -> u64 {
    opcode as u64
        | (destination as u64) << 8
        | (source as u64) << 12
        | (offset as u16 as u64) << 16
        | (immediate as u32 as u64) << 32
}

/// `r0 = value`.
pub const fn set_result(value: i32) -> u64 {
    instruction(0xb7, 0, 0, 0, value)
}

pub const fn call(helper: u32) -> u64 {
    instruction(0x85, 0, 0, 0, helper as i32)
}

pub const EXIT: u64 = instruction(0x95, 0, 0, 0, 0);

/// What is tried.
#[derive(Debug, Default)]
pub struct Attempt<'a> {
    /// `enum bpf_prog_type`.
    pub kind: u32,
    /// `enum bpf_attach_type`.
    pub attach_type: u32,
    pub flags: u32,
    pub instructions: &'a [u64],
    /// The kernel function or type that a tracing program is for.
    pub attach_btf_id: u32,
    /// The program that an extension is for.
    pub target: Option<BorrowedFd<'a>>,
}

/// Loads it; the verifier's words come with either outcome.
pub fn load(attempt: &Attempt<'_>) -> (io::Result<OwnedFd>, String) {
    let mut log = vec![0_u8; 1 << 14];
    let mut attr = Attr::new(128)
        .u32(0, attempt.kind)
        .u32(4, attempt.instructions.len() as u32)
        .ptr(8, attempt.instructions.as_ptr())
        .ptr(16, c"GPL".as_ptr())
        .u32(24, 1)
        .u32(28, log.len() as u32)
        .ptr(32, log.as_mut_ptr())
        .u32(44, attempt.flags)
        .name(48, "senko_probe")
        .u32(68, attempt.attach_type)
        .u32(108, attempt.attach_btf_id);
    if let Some(target) = attempt.target {
        attr = attr.u32(112, target.as_raw_fd() as u32);
    }
    // SAFETY: instructions, license and log live through the call and their sizes are true.
    let result = unsafe { sys::bpf_fd(Command::ProgLoad, &mut attr) };
    let end = log.iter().position(|byte| *byte == 0).unwrap_or(log.len());
    (result, String::from_utf8_lossy(&log[..end]).into_owned())
}

/// An XDP program that returns `action` and does nothing else.
pub fn xdp(action: i32, flags: u32) -> io::Result<OwnedFd> {
    let attempt = Attempt {
        kind: super::ProgramProbe::Xdp.kind(),
        attach_type: 37,
        flags,
        instructions: &[set_result(action), EXIT],
        ..Attempt::default()
    };
    load(&attempt).0
}
