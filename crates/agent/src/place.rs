//! Where a gateway keeps its things. There is one gateway a network namespace, and two of one host never meet: the key of
//! a place is the namespace's cookie, which no other namespace gets as long as the kernel runs. Kernels before 5.14 have
//! none to give, and there it is the namespace's inode number.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _, Seek as _, Write as _},
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
        unix::fs::{DirBuilderExt as _, MetadataExt as _},
    },
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use nix::fcntl::{Flock, FlockArg};

use crate::error::Error;

/// The directories of the gateway of this network namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    key: String,
    /// On a bpffs: maps, programs and links.
    pub pins: PathBuf,
    /// Records, edits, the lock and the API's socket. Like the pins it ends with the machine.
    pub run: PathBuf,
}

/// Where all gateways' pins are.
pub const PIN_ROOT: &str = "/sys/fs/bpf/senko";
/// Where all gateways' files are.
pub const RUN_ROOT: &str = "/run/senko";

impl Place {
    /// Of the calling thread's network namespace.
    pub fn here() -> Result<Self, Error> {
        let key = key().map_err(Error::io("look at the network namespace"))?;
        Ok(Self { pins: Path::new(PIN_ROOT).join(&key), run: Path::new(RUN_ROOT).join(&key), key })
    }

    pub fn key(&self) -> &str {
        &self.key
    }

    pub fn socket(&self) -> PathBuf {
        self.run.join("api.sock")
    }

    /// Whether a gateway, or something of one, is here.
    pub fn is_used(&self) -> bool {
        fs::read_dir(&self.pins).is_ok_and(|mut entries| entries.next().is_some())
    }

    /// Waits for the right to change the gateway, at most `patience`. One writer at a time: the lock is the kernel's, so it
    /// ends with its holder.
    pub fn lock(&self, patience: Duration) -> Result<Lock, Error> {
        let path = self.run.join("lock");
        let open = || {
            make_directory(&self.run)?;
            let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
            opened.map_err(Error::io(format!("open {}", path.display())))
        };
        let mut file = open()?;
        let until = Instant::now() + patience;
        loop {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                // Who had it took the gateway away, with this file: the next comer's is another.
                Ok(lock) if !is_at(&lock, &path) => file = open()?,
                Ok(mut lock) => {
                    let written = lock
                        .set_len(0)
                        .and_then(|()| lock.rewind())
                        .and_then(|()| write!(lock, "{}", std::process::id()));
                    written.map_err(Error::io(format!("write {}", path.display())))?;
                    return Ok(Lock { _file: lock });
                }
                Err((back, _)) if Instant::now() < until => {
                    file = back;
                    thread::sleep(Duration::from_millis(10));
                }
                Err((mut file, _)) => {
                    let mut holder = String::new();
                    let _ = file.rewind().and_then(|()| file.read_to_string(&mut holder));
                    return Err(Error::Busy { holder: holder.trim().parse().ok() });
                }
            }
        }
    }
}

/// The right to change a gateway, until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: Flock<File>,
}

fn is_at(file: &File, path: &Path) -> bool {
    let inode = |facts: fs::Metadata| (facts.dev(), facts.ino());
    file.metadata().is_ok_and(|ours| fs::metadata(path).is_ok_and(|there| inode(ours) == inode(there)))
}

/// Made with its parents; not for everybody to look into.
pub fn make_directory(path: &Path) -> Result<(), Error> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o750)
        .create(path)
        .map_err(Error::io(format!("make {}", path.display())))
}

fn key() -> io::Result<String> {
    if let Some(cookie) = cookie() {
        return Ok(format!("net-{cookie}"));
    }
    Ok(format!("net-i{}", fs::metadata("/proc/thread-self/ns/net")?.ino()))
}

/// `SO_NETNS_COOKIE` of a socket of this namespace.
fn cookie() -> Option<u64> {
    const SO_NETNS_COOKIE: i32 = 71;
    // SAFETY: no addresses; the result is a descriptor of ours or -1.
    let socket = unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if socket < 0 {
        return None;
    }
    // SAFETY: a descriptor the kernel just returned is ours alone.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    let (mut cookie, mut length) = (0_u64, size_of::<u64>() as libc::socklen_t);
    // SAFETY: the value has `length` bytes.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    (result == 0 && cookie != 0).then_some(cookie)
}
