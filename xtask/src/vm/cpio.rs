//! The archive that a kernel unpacks into its first file system: "newc" of cpio, uncompressed, since a guest's emulated
//! processor is slow. (`Documentation/driver-api/early-userspace/buffer-format.rst`)

use std::{collections::HashSet, io::Write, path::Path};

use anyhow::Result;

const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const LINK: u32 = 0o120_000;
const CHARACTER_DEVICE: u32 = 0o020_000;

/// Writes an archive. Directories above an entry are made as they are needed.
pub struct Archive<W> {
    out: W,
    written: u64,
    inode: u32,
    directories: HashSet<String>,
}

impl<W: Write> Archive<W> {
    pub fn new(out: W) -> Self {
        Self { out, written: 0, inode: 0, directories: HashSet::new() }
    }

    pub fn directory(&mut self, path: &str) -> Result<()> {
        let path = path.trim_matches('/');
        let mut upto = String::new();
        for part in path.split('/').filter(|part| !part.is_empty()) {
            if !upto.is_empty() {
                upto.push('/');
            }
            upto.push_str(part);
            if self.directories.insert(upto.clone()) {
                self.entry(&upto, DIRECTORY | 0o755, (0, 0), &[])?;
            }
        }
        Ok(())
    }

    pub fn file(&mut self, path: &str, mode: u32, contents: &[u8]) -> Result<()> {
        self.above(path)?;
        self.entry(path.trim_matches('/'), REGULAR | mode, (0, 0), contents)
    }

    pub fn link(&mut self, path: &str, target: &str) -> Result<()> {
        self.above(path)?;
        self.entry(path.trim_matches('/'), LINK | 0o777, (0, 0), target.as_bytes())
    }

    pub fn character_device(&mut self, path: &str, major: u32, minor: u32) -> Result<()> {
        self.above(path)?;
        self.entry(path.trim_matches('/'), CHARACTER_DEVICE | 0o600, (major, minor), &[])
    }

    pub fn finish(mut self) -> Result<W> {
        self.entry("TRAILER!!!", 0, (0, 0), &[])?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn above(&mut self, path: &str) -> Result<()> {
        match Path::new(path.trim_matches('/')).parent().and_then(Path::to_str) {
            Some(parent) => self.directory(parent),
            None => Ok(()),
        }
    }

    fn entry(&mut self, name: &str, mode: u32, device: (u32, u32), contents: &[u8]) -> Result<()> {
        self.inode += 1;
        let size = u32::try_from(contents.len())?;
        let name_size = u32::try_from(name.len() + 1)?;
        let links = 1;
        let fields = [self.inode, mode, 0, 0, links, 0, size, 0, 0, device.0, device.1, name_size, 0];
        let mut header = String::from("070701");
        for field in fields {
            header.push_str(&format!("{field:08x}"));
        }
        self.put(header.as_bytes())?;
        self.put(name.as_bytes())?;
        self.put(&[0])?;
        self.pad()?;
        self.put(contents)?;
        self.pad()
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Names and contents begin at multiples of four.
    fn pad(&mut self) -> Result<()> {
        let missing = (4 - self.written % 4) % 4;
        self.put(&[0; 3][..usize::try_from(missing)?])
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write as _,
        process::{Command, Stdio},
    };

    use super::Archive;

    /// GNU cpio reads what we wrote.
    #[test]
    fn cpio_reads_it() {
        let mut archive = Archive::new(Vec::new());
        archive.file("/a/b/odd", 0o755, b"12345").expect("memory");
        archive.file("/a/b/c", 0o644, b"").expect("memory");
        archive.link("/a/link", "b/odd").expect("memory");
        let bytes = archive.finish().expect("memory");
        let mut child = Command::new("cpio")
            .args(["-itv", "--quiet"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("cpio is installed: `cargo xtask setup`");
        child.stdin.take().expect("a pipe").write_all(&bytes).expect("it reads");
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).expect("text");
        let lines: Vec<(&str, &str, &str)> = text
            .lines()
            .map(|line| {
                let words: Vec<&str> = line.split_whitespace().collect();
                (words[0], words[4], *words.last().expect("a name"))
            })
            .collect();
        assert_eq!(
            lines,
            [
                ("drwxr-xr-x", "0", "a"),
                ("drwxr-xr-x", "0", "a/b"),
                ("-rwxr-xr-x", "5", "a/b/odd"),
                ("-rw-r--r--", "0", "a/b/c"),
                ("lrwxrwxrwx", "5", "b/odd"),
            ]
        );
    }
}
