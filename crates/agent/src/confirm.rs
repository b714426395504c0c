//! `apply --confirm`: a generation that goes away again unless somebody says that it works. What is awaited stands in a
//! file, so that a restarted daemon, or the next command, knows of it.

use std::{fs, io};

use serde::{Deserialize, Serialize};

use crate::{error::Error, kernel::write_whole, place::Place};

/// The file's name.
const FILE: &str = "confirm.json";

/// A generation that is live and not yet confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Awaited {
    pub generation: u64,
    /// Seconds since 1970: when it is rolled back.
    pub until: f64,
    /// There was none before: rolling back is removing.
    pub is_first: bool,
}

impl Awaited {
    pub fn read(place: &Place) -> Option<Self> {
        serde_json::from_slice(&fs::read(place.run.join(FILE)).ok()?).ok()
    }

    pub fn write(&self, place: &Place) -> Result<(), Error> {
        write_whole(&place.run.join(FILE), &serde_json::to_vec(self).expect("plain data"))
    }

    /// Nothing is awaited any more: it was confirmed, or rolled back.
    pub fn forget(place: &Place) -> Result<(), Error> {
        match fs::remove_file(place.run.join(FILE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io("remove what was awaited")(error))
            }
            _ => Ok(()),
        }
    }
}
