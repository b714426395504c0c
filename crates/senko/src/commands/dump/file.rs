//! A capture file that is whole at any moment: blocks are written in one piece or not at all.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
};

use capture::pcapng;

/// Bytes that are kept before they are written.
const BUFFER: usize = 1 << 20;

/// Expects every block in a `write` of its own, as `pcapng::Writer` does it.
pub struct CaptureFile {
    path: PathBuf,
    file: File,
    /// There was no such file before.
    is_new: bool,
    buffer: Vec<u8>,
    written: u64,
}

impl CaptureFile {
    /// Opens or makes the file. An older capture in it stays until the first block is written, so that a call that
    /// fails before it captures anything destroys nothing.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true);
        let (file, is_new) = match options.clone().create_new(true).open(path) {
            Ok(file) => (file, true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => (options.open(path)?, false),
            Err(error) => return Err(error),
        };
        Ok(Self { path: path.into(), file, is_new, buffer: Vec::with_capacity(BUFFER), written: 0 })
    }

    fn write_buffer(&mut self) -> io::Result<()> {
        if self.written == 0 && !self.buffer.is_empty() {
            self.truncate(0);
        }
        let mut done = 0;
        while done < self.buffer.len() {
            match self.file.write(&self.buffer[done..]) {
                Ok(0) => return self.give_up(done, ErrorKind::WriteZero.into()),
                Ok(bytes) => done += bytes,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return self.give_up(done, error),
            }
        }
        self.written += done as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Takes the part of a block that was still written away again: readers stop at a torn one.
    fn give_up(&mut self, done: usize, error: io::Error) -> io::Result<()> {
        self.written += pcapng::whole_blocks(&self.buffer[..done]) as u64;
        self.truncate(self.written);
        self.buffer.clear();
        Err(error)
    }

    fn truncate(&self, length: u64) {
        // Pipes and devices have no length; what they were given is gone anyway.
        let _ = self.file.set_len(length);
    }
}

impl Write for CaptureFile {
    fn write(&mut self, block: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + block.len() > BUFFER {
            self.write_buffer()?;
        }
        self.buffer.extend(block);
        Ok(block.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_buffer()
    }
}

impl Drop for CaptureFile {
    fn drop(&mut self) {
        if self.is_new && self.written == 0 {
            let _ = fs::remove_file(&self.path);
        }
    }
}
