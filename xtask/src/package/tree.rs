//! The files of a package, laid out as they will be installed.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use flate2::{Compression, write::GzEncoder};

/// A folder that `dpkg-deb` packs. Paths inside it are without the leading slash.
#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
}

impl Tree {
    /// Empty, whatever was there.
    pub fn new(root: PathBuf) -> Result<Self> {
        if root.exists() {
            fs::remove_dir_all(&root)?;
        }
        let tree = Self { root };
        tree.folder("")?;
        Ok(tree)
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn path(&self, inside: &str) -> PathBuf {
        self.root.join(inside)
    }

    pub fn text(&self, inside: &str, text: &str) -> Result<()> {
        self.write(inside, text.as_bytes(), 0o644)
    }

    pub fn copy(&self, inside: &str, from: &Path) -> Result<()> {
        self.write(inside, &read(from)?, 0o644)
    }

    pub fn program(&self, inside: &str, from: &Path) -> Result<()> {
        self.write(inside, &read(from)?, 0o755)
    }

    /// As `gzip -9n` does it: without name and time.
    pub fn compressed(&self, inside: &str, content: &[u8]) -> Result<()> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(content)?;
        self.write(inside, &gzip.finish()?, 0o644)
    }

    /// A folder and those above it, open to all whatever the umask.
    pub fn folder(&self, inside: &str) -> Result<()> {
        let mut path = self.root.clone();
        for part in [""].into_iter().chain(inside.split('/').filter(|part| !part.is_empty())) {
            path.push(part);
            fs::create_dir_all(&path)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        }
        Ok(())
    }

    /// As `Installed-Size` wants it: each file in whole KiB, each folder as one.
    pub fn kibibytes(&self) -> Result<u64> {
        fn of(path: &Path) -> Result<u64> {
            let mut sum = 1;
            for entry in fs::read_dir(path)? {
                let entry = entry?;
                let kind = entry.file_type()?;
                sum +=
                    if kind.is_dir() { of(&entry.path())? } else { entry.metadata()?.len().div_ceil(1024) };
            }
            Ok(sum)
        }
        of(&self.root)
    }

    fn write(&self, inside: &str, content: &[u8], mode: u32) -> Result<()> {
        let path = self.path(inside);
        self.folder(inside.rsplit_once('/').map_or("", |(folder, _)| folder))?;
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(fs::set_permissions(&path, fs::Permissions::from_mode(mode))?)
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}
