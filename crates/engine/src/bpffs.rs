//! The bpf file system: where links, programs and maps outlive the process that made them.

use std::{
    ffi::CString,
    fs,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
};

use nix::sys::statfs::{FsType, statfs};

use crate::{
    Error, inventory,
    sys::{self},
};

/// `BPF_FS_MAGIC`.
const MAGIC: FsType = FsType(0xcafe_4a11);
/// Where distributions mount it.
pub const USUAL_MOUNT: &str = "/sys/fs/bpf";
/// Pin trees of others can be deep; ours is two levels.
const MAX_DEPTH: usize = 8;

/// A pinned object, by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pinned {
    Link(u32),
    Program(u32),
    Map(u32),
}

/// Whether a path is on a bpffs.
pub fn is_bpffs(path: &Path) -> bool {
    statfs(path).is_ok_and(|facts| facts.filesystem_type() == MAGIC)
}

/// Mount points of bpf file systems that this process sees.
pub fn mounts() -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    // 36 35 98:0 / /mnt rw,noatime master:1 - bpf bpf rw
    table
        .lines()
        .filter_map(|line| {
            let (before, after) = line.split_once(" - ")?;
            after.starts_with("bpf ").then(|| before.split(' ').nth(4).map(|path| unescape(path).into()))?
        })
        .collect()
}

/// mountinfo writes space, tab, newline and backslash as octal numbers.
fn unescape(path: &str) -> String {
    path.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

/// Everything that is pinned in any bpffs that this process sees.
pub fn pins() -> Vec<(PathBuf, Pinned)> {
    let mut found = Vec::new();
    for mount in mounts() {
        walk(&mount, 0, &mut found);
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found.dedup();
    found
}

fn walk(directory: &Path, depth: usize, found: &mut Vec<(PathBuf, Pinned)>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth < MAX_DEPTH => walk(&path, depth + 1, found),
            Ok(kind) if kind.is_file() => found.extend(pinned(&path).map(|pinned| (path, pinned))),
            _ => {}
        }
    }
}

/// What is pinned at a path.
pub fn pinned(path: &Path) -> Option<Pinned> {
    let fd = open(path).ok()?;
    let kind = fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).ok()?;
    let kind = kind.to_string_lossy();
    if kind.contains("link") {
        return inventory::xdp_link(fd.as_fd()).map(|link| Pinned::Link(link.id));
    }
    let mut info = [0; 16];
    sys::info(fd.as_fd(), &mut info).ok()?;
    let id = u32::from_ne_bytes([info[4], info[5], info[6], info[7]]);
    match () {
        () if kind.contains("prog") => Some(Pinned::Program(id)),
        () if kind.contains("map") => Some(Pinned::Map(id)),
        () => None,
    }
}

pub fn open(path: &Path) -> std::io::Result<OwnedFd> {
    sys::open_pinned(&c_path(path)?)
}

pub fn c_path(path: &Path) -> std::io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| std::io::ErrorKind::InvalidInput.into())
}

/// Refuses a path that no bpffs holds, with what to do instead.
pub fn expect_bpffs(path: &Path) -> Result<(), Error> {
    let existing = path.ancestors().find(|ancestor| ancestor.exists());
    if existing.is_some_and(is_bpffs) {
        return Ok(());
    }
    Err(Error::NoBpffs { path: path.into(), mounts: mounts() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_directories_are_refused() {
        let error = expect_bpffs(Path::new("/tmp/no-such-directory/pins")).expect_err("not a bpffs");
        assert!(matches!(error, Error::NoBpffs { .. }), "{error:?}");
    }

    #[test]
    fn mount_points_may_have_spaces() {
        assert_eq!(unescape("/mnt/a\\040b\\134c"), "/mnt/a b\\c");
    }
}
