//! The bench object: what the data path is compared with. See `crates/dataplane/src/rivals.rs`.

use crate::{Error, LoadChoices, LoadedObject, ObjectFile};

static OBJECT: &[u8] = embedded!("bench.o");

/// Loads the bench object's programs that `choices` name.
pub fn load_rivals(choices: &LoadChoices) -> Result<LoadedObject, Error> {
    ObjectFile::parse(OBJECT)?.load(choices)
}
