//! Prometheus' own checker of rules and metrics.

use std::{env, path::PathBuf};

use crate::find::cache;

/// `promtool` of this machine: on the path, else where `cargo xtask setup` put Debian's.
pub fn promtool() -> Option<PathBuf> {
    let paths = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&paths).chain([promtool_dir()]);
    folders.map(|folder| folder.join("promtool")).find(|path| path.exists())
}

/// Where `cargo xtask setup` puts it: alone, without the server that it is packaged with.
pub fn promtool_dir() -> PathBuf {
    cache().join("promtool")
}
