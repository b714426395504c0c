//! Kinds of program.

use std::os::fd::AsFd as _;

use super::{
    Answer, is_denied,
    load::{Attempt, EXIT, load, set_result, xdp},
};
use crate::{capability::Capability, kernel_btf, program::HAS_FRAGS};

/// A kind of program that senko loads, or that tells what others can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgramProbe {
    Xdp,
    /// XDP that sees frames of several buffers (5.18).
    XdpFrags,
    RawTracepoint,
    /// Typed tracepoints (`tp_btf`).
    TypedTracepoint,
    /// At the entry of a kernel function.
    Fentry,
    /// Programs that replace a function of another (freplace), as libxdp's dispatcher does.
    Extension,
    SchedCls,
}

impl ProgramProbe {
    pub const ALL: [Self; 7] = [
        Self::Xdp,
        Self::XdpFrags,
        Self::RawTracepoint,
        Self::SchedCls,
        Self::TypedTracepoint,
        Self::Fentry,
        Self::Extension,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Xdp => "xdp",
            Self::XdpFrags => "xdp.frags",
            Self::RawTracepoint => "raw_tracepoint",
            Self::TypedTracepoint => "tp_btf",
            Self::Fentry => "fentry",
            Self::Extension => "ext",
            Self::SchedCls => "sched_cls",
        }
    }

    /// `enum bpf_prog_type`.
    pub const fn kind(self) -> u32 {
        match self {
            Self::Xdp | Self::XdpFrags => 6,
            Self::RawTracepoint => 17,
            Self::TypedTracepoint | Self::Fentry => 26,
            Self::Extension => 28,
            Self::SchedCls => 3,
        }
    }

    const fn needs(self) -> &'static [Capability] {
        match self {
            Self::Xdp | Self::XdpFrags | Self::SchedCls => &[Capability::Bpf, Capability::NetAdmin],
            _ => &[Capability::Bpf, Capability::Perfmon],
        }
    }
}

/// Whether a program of this kind loads.
pub fn program_kind(probe: ProgramProbe) -> Answer {
    let instructions = [set_result(if probe.kind() == 6 { 2 } else { 0 }), EXIT];
    let mut attempt = Attempt { kind: probe.kind(), instructions: &instructions, ..Attempt::default() };
    match probe {
        ProgramProbe::Xdp => attempt.attach_type = 37,
        ProgramProbe::XdpFrags => {
            attempt.attach_type = 37;
            attempt.flags = HAS_FRAGS;
        }
        // A tracepoint's arguments are the typedef `btf_trace_…`.
        ProgramProbe::TypedTracepoint => {
            return tracing(attempt, 23, kernel_btf::TYPEDEF, "btf_trace_xdp_exception");
        }
        ProgramProbe::Fentry => return tracing(attempt, 24, kernel_btf::FUNC, "xdp_do_redirect"),
        ProgramProbe::Extension => return extension(attempt),
        ProgramProbe::RawTracepoint | ProgramProbe::SchedCls => {}
    }
    Answer::of(&load(&attempt).0, probe.needs())
}

/// `attach_type` is of `enum bpf_attach_type`, `kind` and `name` are of the kernel's BTF.
fn tracing(mut attempt: Attempt<'_>, attach_type: u32, kind: u32, name: &str) -> Answer {
    let Ok(btf) = std::fs::read("/sys/kernel/btf/vmlinux") else { return Answer::No };
    let Some(id) = kernel_btf::type_id(&btf, kind, name) else { return Answer::No };
    attempt.attach_type = attach_type;
    attempt.attach_btf_id = id;
    Answer::of(&load(&attempt).0, ProgramProbe::Fentry.needs())
}

/// A whole extension needs a target with BTF. Permission is checked before the target is looked at, so a complaint of
/// the verifier about the target says that extensions are known and allowed.
fn extension(attempt: Attempt<'_>) -> Answer {
    let Ok(target) = xdp(2, 0) else { return program_kind(ProgramProbe::Xdp) };
    let attempt = Attempt { target: Some(target.as_fd()), attach_btf_id: 1, ..attempt };
    match load(&attempt) {
        (Err(error), _) if is_denied(&error) => Answer::denied(ProgramProbe::Extension.needs()),
        (Err(_), log) if log.is_empty() => Answer::No,
        _ => Answer::Yes,
    }
}
