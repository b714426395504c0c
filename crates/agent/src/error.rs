//! What can go wrong with a gateway.

use std::{io, path::PathBuf};

use engine::{Diagnosis, exit};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Engine(#[from] engine::Error),
    #[error("{what}: {source}")]
    Io { what: String, source: io::Error },
    /// Somebody else has the lock.
    #[error("another senko is changing this gateway{}", .holder.map_or(String::new(), |pid| format!(" (pid {pid})")))]
    Busy { holder: Option<u32> },
    #[error("{path} holds pins in layout `{found}`, which this senko does not know")]
    Layout { path: PathBuf, found: String },
    #[error("the record of generation {generation} cannot be read: {why}")]
    Record { generation: u64, why: String },
    #[error("{interface} runs another program than it was given (id {found} instead of {wanted})")]
    ReadBack { interface: String, wanted: u32, found: u32 },
    #[error("no gateway runs in this network namespace")]
    NoGateway,
    #[error("{0}")]
    Refused(String),
    /// The change failed, and so did going back.
    #[error("{error}; and going back failed: {}", .undo.join("; "))]
    Undo { error: Box<Self>, undo: Vec<String> },
}

impl Error {
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// Cause, remedy and exit code.
    pub fn diagnose(&self) -> Diagnosis {
        let (remedy, exit_code) = match self {
            Self::Engine(error) => return engine::diagnose(error),
            Self::Io { what, source } => {
                use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem, StorageFull};
                match source.kind() {
                    PermissionDenied => (Some("run it as root".into()), exit::NOT_PERMITTED),
                    StorageFull => {
                        (Some("make room: `df -h /run` shows how full it is".into()), exit::FAILED)
                    }
                    ReadOnlyFilesystem => (
                        Some(format!("make it writable: `mount -o remount,rw {}`", mount_of(what))),
                        exit::FAILED,
                    ),
                    _ => (None, exit::FAILED),
                }
            }
            Self::Busy { .. } => {
                (Some("wait until it is done, and try again; nothing was changed".into()), exit::CONFLICT)
            }
            Self::Layout { path, .. } => (
                Some(format!(
                    "another version of senko made them: use that one to `senko stop --detach`, or remove them with \
                     `rm -r {}` (the interfaces are then without their program)",
                    path.display()
                )),
                exit::CONFLICT,
            ),
            Self::Record { .. } => {
                (Some("`senko apply` makes a new generation in its place".into()), exit::FAILED)
            }
            Self::NoGateway => {
                (Some("`senko apply` starts one from /etc/senko/senko.toml".into()), exit::FAILED)
            }
            Self::ReadBack { .. } => (
                Some("another process changes the interface's program; `senko status` names it".into()),
                exit::CONFLICT,
            ),
            Self::Refused(_) => (None, exit::FAILED),
            Self::Undo { .. } => {
                (Some("`senko status` shows what is live; `senko apply` makes it whole".into()), exit::FAILED)
            }
        };
        Diagnosis { cause: self.to_string(), remedy, exit_code }
    }
}

/// The file system that an operation was about, by its path.
fn mount_of(what: &str) -> &'static str {
    if what.contains(engine::mount::BPFFS) { engine::mount::BPFFS } else { "/run" }
}
