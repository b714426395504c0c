//! Folders for files that tests make, removed with all that is in them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::unique;

/// A folder of its own under the system's temporary one, gone when dropped.
pub struct Scratch {
    path: PathBuf,
    mounted: bool,
}

impl Scratch {
    pub fn new(word: &str) -> Self {
        let path = std::env::temp_dir().join(format!("senko-{}", unique(word)));
        fs::create_dir(&path).expect("a name that nobody has");
        Self { path, mounted: false }
    }

    /// A file system of that many bytes.
    pub fn small(word: &str, bytes: u32) -> Self {
        let mut scratch = Self::new(word);
        let options = format!("size={bytes},mode=755");
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(&scratch.path)
            .status()
            .expect("util-linux is installed");
        assert!(status.success(), "a tmpfs can be mounted");
        scratch.mounted = true;
        scratch
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a file in it, as text for command lines.
    pub fn file(&self, name: &str) -> String {
        self.path.join(name).display().to_string()
    }

    /// A file with these contents; its path.
    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> String {
        fs::write(self.path.join(name), contents).expect("there is room");
        self.file(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.mounted {
            let _ = Command::new("umount").arg(&self.path).status();
        }
        let _ = fs::remove_dir_all(&self.path);
    }
}
