//! Network namespaces with names, made as `ip netns add` makes them: a bind mount of the
//! namespace on a file under /run/netns, so that `ip netns` and `senko --netns` see them too.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::statfs::{NSFS_MAGIC, statfs};

use crate::error::LabError;

pub const DIRECTORY: &str = "/run/netns";

/// An open network namespace. It lives as long as this is held, named or not.
#[derive(Debug, Clone)]
pub struct Netns {
    name: String,
    fd: Arc<OwnedFd>,
}

impl Netns {
    /// Makes an empty namespace.
    pub fn create(name: &str) -> Result<Self, LabError> {
        share_directory()?;
        let path = path(name);
        OpenOptions::new().read(true).write(true).create_new(true).mode(0o444).open(&path).map_err(
            |source| match source.kind() {
                io::ErrorKind::AlreadyExists => LabError::NamespaceTaken { namespace: name.into() },
                _ => LabError::File { action: "create", path: path.clone(), source },
            },
        )?;
        // The thread that leaves for the new namespace ends; the bind mount keeps the namespace.
        let made = on_a_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET)?;
            mount(Some("/proc/thread-self/ns/net"), &path, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        });
        if let Err(errno) = made {
            // The name is ours since create_new; without a mount on it, it is an ordinary file.
            let _ = fs::remove_file(&path);
            return Err(match errno {
                Errno::EPERM => LabError::Denied { what: "a new network namespace".into() },
                _ => LabError::File { action: "mount a network namespace on", path, source: errno.into() },
            });
        }
        Self::open(name)
    }

    pub fn open(name: &str) -> Result<Self, LabError> {
        let path = path(name);
        let file = File::open(&path).map_err(LabError::file("open", &path))?;
        Ok(Self { name: name.into(), fd: Arc::new(file.into()) })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn fd(&self) -> &Arc<OwnedFd> {
        &self.fd
    }

    /// Runs `f` on a thread of its own inside the namespace and waits for it. What it opens
    /// (sockets above all) stays in the namespace for good, wherever it is used later.
    pub fn run<T: Send>(&self, f: impl FnOnce() -> T + Send) -> Result<T, LabError> {
        on_a_thread(|| {
            setns(&*self.fd, CloneFlags::CLONE_NEWNET).map_err(|errno| match errno {
                Errno::EPERM => LabError::Denied { what: format!("entering namespace `{}`", self.name) },
                _ => LabError::File { action: "enter", path: path(&self.name), source: errno.into() },
            })?;
            Ok(f())
        })
    }
}

/// A panic of `f` (a failed assertion in a test) goes on in the caller.
pub fn on_a_thread<T: Send>(f: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(f).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

pub fn path(name: &str) -> PathBuf {
    Path::new(DIRECTORY).join(name)
}

/// Whether a namespace of that name exists; a plain file (left by a reboot where /run is a disk)
/// is none.
pub fn exists(name: &str) -> bool {
    statfs(&path(name)).is_ok_and(|s| s.filesystem_type() == NSFS_MAGIC)
}

/// The inode of a named namespace: what /proc/PID/ns/net of every process inside it shows. None
/// when the name stands for the machine's own namespace (someone bound it there): nothing of ours
/// is in that, and killing what is inside would end the machine.
pub fn inode(name: &str) -> Option<u64> {
    let of = |path: &Path| fs::metadata(path).ok().map(|m| m.ino());
    let inode = exists(name).then(|| of(&path(name))).flatten()?;
    (of(Path::new("/proc/1/ns/net")) != Some(inode)).then_some(inode)
}

/// Takes the name away; the namespace goes with its last user. A missing name is no error.
pub fn remove(name: &str) -> Result<(), LabError> {
    let path = path(name);
    match umount2(&path, MntFlags::MNT_DETACH) {
        // EINVAL: not mounted (any more), so only the file is left.
        Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => {}
        Err(errno) => {
            return Err(LabError::File { action: "unmount", path, source: errno.into() });
        }
    }
    match fs::remove_file(&path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(LabError::File { action: "remove", path, source })
        }
        _ => Ok(()),
    }
}

/// Names under /run/netns that begin with `prefix`.
pub fn names(prefix: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(DIRECTORY) else { return Vec::new() };
    let mut names: Vec<_> = entries
        .filter_map(|e| e.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with(prefix))
        .collect();
    names.sort();
    names
}

/// /run/netns has to be a mount point of shared propagation: without it the unmount in `remove`
/// would not reach mount namespaces made meanwhile (by `ip netns exec` or systemd) and the
/// namespaces would live on there, out of sight.
fn share_directory() -> Result<(), LabError> {
    fs::create_dir_all(DIRECTORY).map_err(LabError::file("create", DIRECTORY))?;
    // `ip netns add` takes the same lock, so that the directory is bound on itself once.
    let directory = File::open(DIRECTORY).map_err(LabError::file("open", DIRECTORY))?;
    directory.lock().map_err(LabError::file("lock", DIRECTORY))?;
    let share =
        || mount(None::<&str>, DIRECTORY, None::<&str>, MsFlags::MS_SHARED | MsFlags::MS_REC, None::<&str>);
    let shared = match share() {
        Err(Errno::EINVAL) => {
            mount(Some(DIRECTORY), DIRECTORY, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)
                .and_then(|()| share())
        }
        other => other,
    };
    shared.map_err(|errno| match errno {
        Errno::EPERM => LabError::Denied { what: format!("mounting on {DIRECTORY}") },
        _ => LabError::File { action: "share", path: DIRECTORY.into(), source: errno.into() },
    })
}

/// A path for system calls made between fork and exec, where nothing may be allocated.
pub fn c_path(path: &Path) -> Option<CString> {
    CString::new(path.as_os_str().as_bytes()).ok()
}
