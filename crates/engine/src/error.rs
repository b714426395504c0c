//! What can go wrong between us and the kernel.

use std::{io, path::PathBuf};

/// Names the object and carries the kernel's answer. `diagnose` turns it into cause and remedy.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("not an eBPF object: {0}")]
    Object(String),
    #[error("the object has no XDP program{0}")]
    NoProgram(String),
    #[error("the object has no global `{0}`")]
    NoGlobal(String),
    #[error("the object has no map `{0}`")]
    NoMap(String),
    #[error("map `{name}` ({entries} entries): {source}")]
    MapCreate { name: String, entries: u32, source: io::Error },
    #[error("map `{name}`: {operation}: {source}")]
    Map { name: String, operation: &'static str, source: io::Error },
    #[error("program `{name}` does not load: {source}")]
    ProgramLoad { name: String, source: io::Error, log: String },
    #[error("{interface}: {mode} XDP refused: {source}")]
    Attach { interface: String, mode: &'static str, source: io::Error, extack: Option<String> },
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
