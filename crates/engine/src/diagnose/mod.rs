//! From the kernel's errno to a cause and a remedy.

mod attach;
mod map;
mod occupied;
mod permission;
mod verifier;

use std::io;

pub use self::occupied::describe;
use crate::Error;

/// Exit codes of the binary.
pub mod exit {
    pub const FAILED: u8 = 1;
    pub const USAGE: u8 = 2;
    pub const NOT_PERMITTED: u8 = 3;
    pub const NOT_SUPPORTED: u8 = 4;
    pub const CONFLICT: u8 = 5;
    pub const DIFFERS: u8 = 7;
}

/// What a user needs to know about an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// What happened and why, one sentence.
    pub cause: String,
    /// What to do about it, with the exact command where there is one.
    pub remedy: Option<String>,
    pub exit_code: u8,
}

impl Diagnosis {
    fn new(exit_code: u8, cause: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { cause: cause.into(), remedy: Some(remedy.into()), exit_code }
    }

    /// Cause and remedy on one line.
    pub fn sentence(&self) -> String {
        match &self.remedy {
            Some(remedy) => format!("{}; {}", self.cause, remedy.lines().collect::<Vec<_>>().join(" ")),
            None => self.cause.clone(),
        }
    }
}

/// Explains an error.
pub fn diagnose(error: &Error) -> Diagnosis {
    match error {
        Error::Attach { interface, mode, source, extack, circumstances } => {
            attach::explain(interface, mode, source, extack.as_deref(), circumstances)
        }
        Error::Occupied { interface, occupants } => occupied::explain(interface, occupants),
        Error::CannotReplace { why, remedy, interface } => {
            Diagnosis::new(exit::CONFLICT, format!("{interface}: {why}"), remedy)
        }
        Error::ProgramLoad { name, source, log } => verifier::explain(name, source, log),
        Error::MapCreate { name, entries, source } => map::explain(name, *entries, source),
        Error::NoInterface(_) => {
            Diagnosis::new(exit::FAILED, error.to_string(), "`ip -br link` lists the interfaces")
        }
        Error::NoNetns(_) => {
            Diagnosis::new(exit::FAILED, error.to_string(), "`ip netns list` lists the network namespaces")
        }
        Error::NoGlobal { known, .. } => Diagnosis::new(
            exit::FAILED,
            error.to_string(),
            match known.is_empty() {
                true => "it has none; declare one with `volatile const`".into(),
                false => format!("it has: {}", known.join(", ")),
            },
        ),
        Error::NeedsKernelSymbols(_) => Diagnosis::new(
            exit::NOT_SUPPORTED,
            error.to_string(),
            "kfuncs, `__ksym` and `__kconfig` externs need libbpf: load it with `bpftool prog load` or xdp-loader",
        ),
        Error::NoKernelBtf => Diagnosis::new(
            exit::NOT_SUPPORTED,
            error.to_string(),
            "it takes a kernel with CONFIG_DEBUG_INFO_BTF=y, or an object without bpf_core_read()",
        ),
        Error::NoBpffs { mounts, .. } => Diagnosis::new(
            exit::FAILED,
            error.to_string(),
            match mounts.first() {
                Some(mount) => format!("choose a directory under {}", mount.display()),
                None => "mount one: `mount -t bpf bpf /sys/fs/bpf`".into(),
            },
        ),
        Error::PinDirectory { .. } => Diagnosis::new(
            exit::FAILED,
            error.to_string(),
            "choose another directory; --replace renews one that senko made",
        ),
        Error::Pin { source, .. } | Error::System { source, .. } | Error::Map { source, .. } => {
            plain(error, source)
        }
        _ => Diagnosis { cause: error.to_string(), remedy: None, exit_code: exit::FAILED },
    }
}

fn plain(error: &Error, source: &io::Error) -> Diagnosis {
    match source.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => permission::explain(&error.to_string()),
        _ => Diagnosis { cause: error.to_string(), remedy: None, exit_code: exit::FAILED },
    }
}

#[cfg(test)]
mod tests;
