//! Interfaces and files that change while the daemon runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc::Sender},
    thread,
};

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};

use super::Event;
use crate::error::Error;

/// Tells of interfaces that come, go, are renamed or move.
pub fn links(events: Sender<Event>) -> Result<(), Error> {
    let watch = engine::netlink::LinkWatch::new()?;
    thread::spawn(move || {
        while watch.wait().is_ok() {
            if events.send(Event::Links).is_err() {
                return;
            }
        }
    });
    Ok(())
}

/// Files that are watched by their directories, because a new version is usually moved into place.
pub struct Files {
    inotify: Arc<Inotify>,
    directories: BTreeMap<PathBuf, WatchDescriptor>,
    names: Arc<Mutex<BTreeSet<PathBuf>>>,
}

impl Files {
    pub fn new(events: Sender<Event>) -> Result<Self, Error> {
        let failed = |errno: nix::Error| Error::io("watch files")(errno.into());
        let inotify = Arc::new(Inotify::init(InitFlags::IN_CLOEXEC).map_err(failed)?);
        let names: Arc<Mutex<BTreeSet<PathBuf>>> = Arc::default();
        let (reader, wanted) = (inotify.clone(), names.clone());
        thread::spawn(move || {
            while let Ok(changes) = reader.read_events() {
                let wanted = wanted.lock().unwrap_or_else(PoisonError::into_inner);
                let is_ours = |name: &std::ffi::OsString| {
                    wanted.iter().any(|path| path.file_name() == Some(name.as_os_str()))
                };
                if changes.iter().any(|change| change.name.as_ref().is_none_or(is_ours))
                    && events.send(Event::Files).is_err()
                {
                    return;
                }
            }
        });
        Ok(Self { inotify, directories: BTreeMap::new(), names })
    }

    /// Watches exactly these files from now on.
    pub fn watch(&mut self, files: &[PathBuf]) {
        let wanted: BTreeSet<&Path> = files.iter().filter_map(|file| file.parent()).collect();
        self.directories.retain(|directory, descriptor| {
            let keep = wanted.contains(directory.as_path());
            if !keep {
                // A directory that is gone took its watch along.
                let _ = self.inotify.rm_watch(*descriptor);
            }
            keep
        });
        let flags = AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_MOVED_FROM
            | AddWatchFlags::IN_DELETE;
        for directory in wanted {
            // One that is not there is an error of the configuration already.
            if let Ok(descriptor) = self.inotify.add_watch(directory, flags) {
                self.directories.insert(directory.into(), descriptor);
            }
        }
        *self.names.lock().unwrap_or_else(PoisonError::into_inner) = files.iter().cloned().collect();
    }
}
