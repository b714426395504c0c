//! Where configurations are read from.

use std::{
    collections::BTreeMap,
    fs::{self, File, Metadata},
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// A place with files.
pub trait Files {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// The paths of what is in a directory, in any order.
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>>;
}

/// The file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

/// How often a file is read again that was changed meanwhile, and how long its writer gets in between.
const ATTEMPTS: usize = 5;
const PAUSE: Duration = Duration::from_millis(20);

impl Files for Disk {
    /// A file's contents at one moment: what is being written is read again.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        // Looked at before it is opened: opening a pipe would wait for its writer.
        if !fs::metadata(path)?.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                thread::sleep(PAUSE);
            }
            let mut file = File::open(path)?;
            let before = file.metadata()?;
            let mut contents = Vec::with_capacity(before.len() as usize + 1);
            file.read_to_end(&mut contents)?;
            if is_same(&before, &file.metadata()?) && contents.len() as u64 == before.len() {
                return Ok(contents);
            }
        }
        Err(io::Error::other("it is being written all the time; write a new file and rename it"))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect()
    }
}

fn is_same(before: &Metadata, after: &Metadata) -> bool {
    let state = |of: &Metadata| (of.ino(), of.size(), of.mtime(), of.mtime_nsec());
    state(before) == state(after)
}

/// Files in memory, for tests and for configurations that were kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory(pub BTreeMap<PathBuf, Vec<u8>>);

impl Memory {
    pub fn new<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self(files.into_iter().map(|(path, text)| (path.into(), text.into())).collect())
    }
}

impl Files for Memory {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.0.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(self.0.keys().filter(|path| path.parent() == Some(dir)).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn what_is_no_file_is_not_read() {
        for path in ["/dev/zero", "/proc", "/"] {
            let error = Disk.read(Path::new(path)).expect_err(path);
            assert_eq!(error.to_string(), "it is no regular file", "{path}");
        }
        let missing = Disk.read(Path::new("/proc/no/such")).expect_err("missing");
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }

    /// A writer that keeps two halves of a file equal, but not at every moment: whoever reads must never see them differ.
    #[test]
    fn a_file_is_never_seen_half_written() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("list.txt");
        fs::write(&path, [b'a'; 8192]).expect("written");
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                for letter in b'b'..=b'z' {
                    let half = vec![letter; 4096 + usize::from(letter)];
                    fs::write(&path, &half).expect("written");
                    thread::sleep(Duration::from_millis(3));
                    let both = [half.as_slice(), half.as_slice()].concat();
                    fs::write(&path, both).expect("written");
                    thread::sleep(Duration::from_millis(40));
                }
                done.store(true, Ordering::Relaxed);
            });
            while !done.load(Ordering::Relaxed) {
                let Ok(contents) = Disk.read(&path) else { continue };
                assert!(contents.windows(2).all(|pair| pair[0] == pair[1]), "two writes mixed");
            }
        });
    }

    #[test]
    fn a_directory_lists_its_own_files() {
        let files = Memory::new([("/etc/a.toml", ""), ("/etc/conf.d/b.toml", "")]);
        assert_eq!(
            files.list(Path::new("/etc/conf.d")).expect("memory"),
            [PathBuf::from("/etc/conf.d/b.toml")]
        );
    }
}
