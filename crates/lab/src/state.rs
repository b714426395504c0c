//! One file per lab under /run/senko/lab, written before anything else is made, so that whatever
//! a crash leaves can be found. The directory's lock serialises everything that makes or removes.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::LabError;
use crate::netns;
use crate::plan::HostPlan;
use crate::topology::Topology;

pub const DIRECTORY: &str = "/run/senko/lab";

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    pub name: String,
    pub topology: Topology,
    pub owner: Owner,
    /// Outlives its owner: made by `senko lab up`, removed by `senko lab down`.
    pub kept: bool,
    pub hosts: Vec<HostPlan>,
}

/// A process, told apart from a later one with the same number, also after a reboot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    pub pid: i32,
    /// Clock ticks after boot: field 22 of /proc/PID/stat.
    pub start_time: u64,
    pub boot_id: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Its owner runs and will remove it.
    Owned,
    /// Stays until `senko lab down`.
    Kept,
    /// Nobody will remove it any more.
    LeftOver,
}

impl State {
    pub fn condition(&self) -> Condition {
        if self.kept {
            let there = |h: &HostPlan| netns::exists(&h.namespace);
            let whole = self.owner.boot_id == boot_id() && self.hosts.iter().any(there);
            if whole { Condition::Kept } else { Condition::LeftOver }
        } else if self.owner.is_alive() {
            Condition::Owned
        } else {
            Condition::LeftOver
        }
    }
}

impl Owner {
    pub fn this_process() -> Self {
        let pid = std::process::id() as i32;
        Self { pid, start_time: start_time(pid).unwrap_or_default(), boot_id: boot_id() }
    }

    pub fn is_alive(&self) -> bool {
        self.boot_id == boot_id() && start_time(self.pid) == Some(self.start_time)
    }
}

fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|s| s.trim().to_owned()).unwrap_or_default()
}

/// None for a process that is gone or only waits to be reaped.
fn start_time(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command name (field 2) may hold spaces and brackets: count from its last bracket.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// The directory, locked against every other process that makes or removes labs. Let go on drop.
#[derive(Debug)]
pub struct Store {
    _lock: File,
}

impl Store {
    pub fn lock() -> Result<Self, LabError> {
        fs::create_dir_all(DIRECTORY).map_err(LabError::file("create", DIRECTORY))?;
        let directory = File::open(DIRECTORY).map_err(LabError::file("open", DIRECTORY))?;
        directory.lock().map_err(LabError::file("lock", DIRECTORY))?;
        Ok(Self { _lock: directory })
    }

    pub fn read(&self, name: &str) -> Result<Option<State>, LabError> {
        read(&path(name))
    }

    /// All labs by name, and the files that are not readable as one.
    pub fn read_all(&self) -> Result<(Vec<State>, Vec<PathBuf>), LabError> {
        let mut paths: Vec<_> = fs::read_dir(DIRECTORY)
            .map_err(LabError::file("read", DIRECTORY))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|e| e == "json"))
            .collect();
        paths.sort();
        let (mut states, mut broken) = (Vec::new(), Vec::new());
        for path in paths {
            match read(&path) {
                Ok(Some(state)) => states.push(state),
                Ok(None) => {}
                Err(_) => broken.push(path),
            }
        }
        Ok((states, broken))
    }

    /// Replaces the file in one step: a reader or a crash sees the old one or the new one.
    pub fn write(&self, state: &State) -> Result<(), LabError> {
        let path = path(&state.name);
        let draft = path.with_extension("draft");
        let mut text = serde_json::to_string_pretty(state)
            .map_err(|source| LabError::State { path: path.clone(), source })?;
        text.push('\n');
        fs::write(&draft, text).map_err(LabError::file("write", &draft))?;
        fs::rename(&draft, &path).map_err(LabError::file("write", &path))
    }

    pub fn remove(&self, name: &str) -> Result<(), LabError> {
        remove_file(&path(name))
    }
}

pub fn remove_file(path: &Path) -> Result<(), LabError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(LabError::file("remove", path)(e)),
        _ => Ok(()),
    }
}

fn path(name: &str) -> PathBuf {
    Path::new(DIRECTORY).join(format!("{name}.json"))
}

fn read(path: &Path) -> Result<Option<State>, LabError> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|source| LabError::State { path: path.to_owned(), source }),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(LabError::file("read", path)(e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_a_namesake_is_not() {
        let me = Owner::this_process();
        assert!(me.start_time > 0);
        assert!(me.is_alive());
        assert!(!Owner { start_time: me.start_time + 1, ..me.clone() }.is_alive());
        assert!(!Owner { boot_id: "another boot".into(), ..me }.is_alive());
    }

    #[test]
    fn an_ended_process_is_not_alive_even_before_it_is_reaped() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = child.id() as i32;
        let owner = Owner { pid, start_time: start_time(pid).unwrap(), boot_id: boot_id() };
        assert!(owner.is_alive());
        child.kill().unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
        while owner.is_alive() {
            assert!(std::time::Instant::now() < deadline, "the killed child still counts as alive");
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(!owner.is_alive());
    }
}
