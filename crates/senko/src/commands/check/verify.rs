//! Whether the kernel's verifier takes the programs.

use std::collections::{BTreeMap, BTreeSet};

use agent::desired::Desired;
use engine::{data_path, exit};
use serde::Serialize;

use crate::failure::Failure;

/// What the kernel said.
#[derive(Debug, Serialize)]
pub struct Verified {
    /// Programs that the verifier took; one for interfaces that are told the same.
    pub programs: usize,
    /// Why it was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_asked: Option<String>,
}

/// Loads every program over maps that are as small as they can be, and lets go of all of it.
pub fn load(desired: &Desired) -> Result<Verified, Failure> {
    match try_load(desired) {
        Ok(programs) => Ok(Verified { programs, not_asked: None }),
        Err(error) => {
            let diagnosis = engine::diagnose(&error);
            if diagnosis.exit_code != exit::NOT_PERMITTED {
                return Err(Failure::Explained(diagnosis));
            }
            Ok(Verified { programs: 0, not_asked: Some(diagnosis.cause) })
        }
    }
}

fn try_load(desired: &Desired) -> Result<usize, engine::Error> {
    let none = BTreeMap::new();
    let maps = data_path::create_maps(&BTreeMap::new(), &none)?;
    let mut told = BTreeSet::new();
    for program in desired
        .programs
        .iter()
        .filter(|program| told.insert((program.knob.stages, program.knob.globals.clone())))
    {
        data_path::load_program(program.globals(false), false, &maps)?;
    }
    Ok(told.len())
}
