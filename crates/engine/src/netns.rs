//! Network namespaces by the names that `ip netns` gives them.

use std::{fs::File, io, path::PathBuf};

use nix::sched::{CloneFlags, setns};

use crate::Error;

/// Moves the calling thread (call it before there are others) into a namespace.
///
/// Only the network changes: unlike after `ip netns exec`, the bpffs stays where it was.
pub fn enter(name: &str) -> Result<(), Error> {
    let path = PathBuf::from("/run/netns").join(name);
    let file = File::open(&path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => Error::NoNetns(name.into()),
        _ => Error::Read { path, source },
    })?;
    setns(file, CloneFlags::CLONE_NEWNET).map_err(|errno| Error::System {
        what: format!("enter network namespace `{name}`"),
        source: errno.into(),
    })
}
