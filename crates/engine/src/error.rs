//! What can go wrong between us and the kernel.

use std::{io, path::PathBuf};

use crate::{Circumstances, Occupant};

/// Names the object and carries the kernel's answer. `diagnose` turns it into cause and remedy.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    /// The clause says what the file is instead.
    #[error("not an eBPF object that can be loaded: {0}")]
    Object(String),
    #[error("the object uses kernel symbols that this loader does not resolve: {}", .0.join(", "))]
    NeedsKernelSymbols(Vec<String>),
    #[error("the object has CO-RE relocations, and this kernel describes no types (/sys/kernel/btf/vmlinux)")]
    NoKernelBtf,
    #[error("the object has no XDP program{0}")]
    NoProgram(String),
    #[error("the object has no global `{name}`")]
    NoGlobal { name: String, known: Vec<String> },
    #[error("the object has no map `{0}`")]
    NoMap(String),
    #[error("map `{name}` ({entries} entries): {source}")]
    MapCreate { name: String, entries: u32, source: io::Error },
    #[error("map `{name}`: {operation}: {source}")]
    Map { name: String, operation: &'static str, source: io::Error },
    #[error("program `{name}` does not load: {source}")]
    ProgramLoad { name: String, source: io::Error, log: String },
    #[error("{interface}: {mode} XDP refused: {source}")]
    Attach {
        interface: String,
        mode: &'static str,
        source: io::Error,
        /// The kernel's own words.
        extack: Option<String>,
        circumstances: Box<Circumstances>,
    },
    #[error("{interface} has an XDP program already")]
    Occupied { interface: String, occupants: Vec<Occupant> },
    #[error("{interface}: {why}")]
    CannotReplace { interface: String, why: String, remedy: String },
    #[error("{path} is not on a bpffs")]
    NoBpffs { path: PathBuf, mounts: Vec<PathBuf> },
    #[error("cannot pin under {path}: {why}")]
    PinDirectory { path: PathBuf, why: String },
    #[error("cannot pin {path}: {source}")]
    Pin { path: PathBuf, source: io::Error },
    #[error("no interface named `{0}`")]
    NoInterface(String),
    #[error("no network namespace named `{0}`")]
    NoNetns(String),
    #[error("the kernel's netlink answer cannot be read: {0}")]
    Netlink(String),
    #[error("{what}: {source}")]
    System { what: String, source: io::Error },
}

impl Error {
    pub fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::System { what, source }
    }
}
