//! Configurations as they were read: the contents of their files, kept by digest, so that a generation can be made again
//! when its files have changed.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    config::{Disk, Files},
    digest,
    error::Error,
    kernel::write_whole,
    place::{Place, make_directory},
};

/// Where contents are kept, one file a digest.
#[derive(Debug, Clone)]
pub struct Store {
    directory: PathBuf,
}

impl Store {
    pub fn of(place: &Place) -> Self {
        Self { directory: place.run.join("files") }
    }

    fn path(&self, digest: &str) -> PathBuf {
        self.directory.join(digest)
    }

    fn keep(&self, contents: &[u8]) -> Result<String, Error> {
        let digest = digest::of_bytes(contents);
        let path = self.path(&digest);
        if !path.exists() {
            make_directory(&self.directory)?;
            write_whole(&path, contents)?;
        }
        Ok(digest)
    }

    /// Removes what no record names any more.
    pub fn sweep(&self, wanted: &BTreeSet<&str>) {
        let Ok(entries) = fs::read_dir(&self.directory) else { return };
        for entry in entries.flatten() {
            if !entry.file_name().to_str().is_some_and(|name| wanted.contains(name)) {
                // What cannot be removed now is removed next time.
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// Files that are read and kept.
pub struct Recording<'a> {
    files: &'a dyn Files,
    store: &'a Store,
    seen: RefCell<BTreeMap<PathBuf, String>>,
    failed: RefCell<Option<Error>>,
}

impl<'a> Recording<'a> {
    pub fn new(files: &'a dyn Files, store: &'a Store) -> Self {
        Self { files, store, seen: RefCell::default(), failed: RefCell::default() }
    }

    /// All files that were read, with their digests; an error when one could not be kept.
    pub fn finish(self) -> Result<Vec<(PathBuf, String)>, Error> {
        match self.failed.into_inner() {
            Some(error) => Err(error),
            None => Ok(self.seen.into_inner().into_iter().collect()),
        }
    }
}

impl Files for Recording<'_> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let contents = self.files.read(path)?;
        match self.store.keep(&contents) {
            Ok(digest) => {
                self.seen.borrow_mut().insert(path.into(), digest);
            }
            Err(error) => {
                self.failed.borrow_mut().get_or_insert(error);
            }
        }
        Ok(contents)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        self.files.list(dir)
    }
}

/// The files of a record, as they were.
pub struct Kept<'a> {
    pub files: &'a [(PathBuf, String)],
    pub store: &'a Store,
}

impl Files for Kept<'_> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let found = self.files.iter().find(|(known, _)| known == path);
        let (_, digest) = found.ok_or(io::ErrorKind::NotFound)?;
        fs::read(self.store.path(digest))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        let inside = self.files.iter().map(|(path, _)| path).filter(|path| path.parent() == Some(dir));
        Ok(inside.cloned().collect())
    }
}

/// Watched files as they are now, and all others as they were applied.
pub struct Watched<'a> {
    pub kept: Kept<'a>,
    pub watched: &'a [PathBuf],
}

impl Files for Watched<'_> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        if self.watched.iter().any(|watched| watched == path) {
            Disk.read(path)
        } else {
            self.kept.read(path)
        }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        self.kept.list(dir)
    }
}
