//! Does this kernel do it? Asked by trying, because versions and configurations only hint at it: distributions
//! backport features, and security policies forbid what was built in.

mod helper;
mod load;
mod map_kind;
mod operation;
mod program_kind;

use std::{io, os::fd::OwnedFd};

pub use helper::{Helper, helper};
pub use map_kind::{MapProbe, map_kind};
pub use operation::{Operation, operation};
pub use program_kind::{ProgramProbe, program_kind};

use crate::capability::{Capabilities, Capability};

/// What trying it showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Yes,
    /// The kernel does not know it.
    No,
    /// The kernel was told to forbid it (lockdown, a security module), although this process has the capabilities.
    Blocked,
    /// This process lacks the capabilities to find out.
    Unknown,
}

impl Answer {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Blocked => "blocked",
            Self::Unknown => "unknown",
        }
    }

    /// Why permission was denied: by a policy when we have all the capabilities that the kernel's code asks for.
    fn denied(needed: &[Capability]) -> Self {
        if Capabilities::of_this_process().has_all(needed) { Self::Blocked } else { Self::Unknown }
    }

    /// Any other error than a missing permission means no.
    fn of<T>(result: &io::Result<T>, needed: &[Capability]) -> Self {
        match result {
            Ok(_) => Self::Yes,
            Err(error) if is_denied(error) => Self::denied(needed),
            Err(_) => Self::No,
        }
    }
}

fn is_denied(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EPERM)
}

/// An XDP program that returns `action` and does nothing else.
pub(crate) fn xdp_program(action: i32, flags: u32) -> io::Result<OwnedFd> {
    load::xdp(action, flags)
}
