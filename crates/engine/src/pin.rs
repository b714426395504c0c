//! A pin directory of senko's: `DIR/link`, `DIR/prog`, `DIR/maps/NAME` and `DIR/layout`, a symbolic link that says who
//! made it. It is filled under another name and moved into place when it is whole.

use std::{
    ffi::OsString,
    fs::{self, DirBuilder},
    io,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::fs::{DirBuilderExt, symlink},
    },
    path::{Path, PathBuf},
};

use crate::{
    Error, Map, Program,
    bpffs::{self, c_path, expect_bpffs},
    inventory, sys,
};

/// What `DIR/layout` points to. A changed layout gets another number.
const LAYOUT: &str = "senko-1";

/// Whether senko made a directory, in a layout that this senko knows.
pub fn is_ours(directory: &Path) -> bool {
    fs::read_link(directory.join("layout")).is_ok_and(|target| target.as_os_str() == LAYOUT)
}

/// The directory of ours that a pin lies in.
pub fn directory_of(pin: &Path) -> Option<&Path> {
    pin.ancestors().skip(1).take(2).find(|directory| is_ours(directory))
}

/// A directory that is being filled. Dropping it before [`PinDirectory::commit`] removes everything.
#[derive(Debug)]
pub struct PinDirectory {
    target: PathBuf,
    staging: PathBuf,
    committed: bool,
}

impl PinDirectory {
    /// Checks that `target` can become a pin directory and starts filling it. One that exists is refused unless
    /// `replace`, or unless nothing lives in it any more.
    pub fn stage(target: &Path, replace: bool) -> Result<Self, Error> {
        let target = absolute(target)?;
        expect_bpffs(&target)?;
        if let Some(name) =
            target.components().map(|c| c.as_os_str().to_string_lossy()).find(|c| c.contains('.'))
        {
            return Err(Error::PinDirectory {
                path: target.clone(),
                why: format!("a bpffs takes no dots in names (`{name}`)"),
            });
        }
        if target.exists() && !is_empty(&target) && !is_stale(&target) {
            if !is_ours(&target) {
                return Err(Error::PinDirectory {
                    path: target,
                    why: "it holds pins that senko did not make".into(),
                });
            }
            if !replace {
                return Err(Error::PinDirectory { path: target, why: "it is in use already".into() });
            }
        }
        let mut name = OsString::from(target.file_name().unwrap_or_default());
        name.push(format!("-new-{}", std::process::id()));
        let staging = target.with_file_name(name);
        let this = Self { target, staging, committed: false };
        let created = DirBuilder::new().recursive(true).mode(0o750).create(this.staging.join("maps"));
        created.map_err(|source| Error::Pin { path: this.target.clone(), source })?;
        this.done("layout", symlink(LAYOUT, this.staging.join("layout")))?;
        Ok(this)
    }

    pub fn pin_map(&self, name: &str, map: &Map) -> Result<(), Error> {
        // A bpffs takes no dots.
        let name = name.trim_start_matches('.').replace('.', "_");
        self.pin(&format!("maps/{name}"), map.fd())
    }

    pub fn pin_program(&self, program: &Program) -> Result<(), Error> {
        self.pin("prog", program.fd())
    }

    pub fn pin_link(&self, link: BorrowedFd<'_>) -> Result<(), Error> {
        self.pin("link", link)
    }

    fn pin(&self, name: &str, fd: BorrowedFd<'_>) -> Result<(), Error> {
        let path = self.staging.join(name);
        self.done(name, c_path(&path).and_then(|path| sys::pin(fd, &path)))
    }

    fn done<T>(&self, name: &str, result: io::Result<T>) -> Result<T, Error> {
        result.map_err(|source| Error::Pin { path: self.target.join(name), source })
    }

    /// Moves the whole directory into place, in the stead of an older one.
    pub fn commit(mut self) -> Result<PathBuf, Error> {
        let failed = |source| Error::Pin { path: self.target.clone(), source };
        let mut name = OsString::from(self.target.file_name().unwrap_or_default());
        name.push(format!("-old-{}", std::process::id()));
        let old = self.target.with_file_name(name);
        let had_old = is_ours(&self.target);
        if had_old {
            fs::rename(&self.target, &old).map_err(failed)?;
        }
        // Renaming onto an empty directory replaces it.
        if let Err(error) = fs::rename(&self.staging, &self.target) {
            if had_old {
                fs::rename(&old, &self.target).map_err(failed)?;
            }
            return Err(failed(error));
        }
        self.committed = true;
        if had_old {
            remove(&old)?;
        }
        Ok(self.target.clone())
    }
}

impl Drop for PinDirectory {
    fn drop(&mut self) {
        if !self.committed {
            // Errors here have no one to tell: the error that brought us here is the one to report.
            let _ = remove_contents(&self.staging).and_then(|()| fs::remove_dir(&self.staging));
        }
    }
}

/// Removes a pin directory of ours. What nothing else holds leaves the kernel.
pub fn remove(directory: &Path) -> Result<(), Error> {
    remove_contents(directory)
        .and_then(|()| fs::remove_dir(directory))
        .map_err(|source| Error::Pin { path: directory.into(), source })
}

fn remove_contents(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_contents(&entry.path())?;
            fs::remove_dir(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn absolute(path: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(path).map_err(|source| Error::Pin { path: path.into(), source })
}

fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_none())
}

/// A directory of ours whose interface is gone.
fn is_stale(directory: &Path) -> bool {
    is_ours(directory)
        && bpffs::open(&directory.join("link"))
            .is_ok_and(|fd| inventory::xdp_link(fd.as_fd()).is_some_and(|link| link.ifindex == 0))
}
