//! A configuration's program and tables, as the gateway would make them, without an interface.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use abi::Direction;
use agent::{
    config::{self, Disk, Files, Memory},
    gateway,
    kernel::fill,
    plan::MapSizes,
};
use engine::{Map, Program, data_path};
use policy::Contents;

use crate::failure::Failure;

pub struct Configured {
    /// Of the one interface.
    pub program: Program,
    /// Of the arrays that are compiled from rules.
    pub bytes: usize,
    pub maps: BTreeMap<String, Arc<Map>>,
    /// What it remembers flows by, where rules ask for them.
    pub egress: Option<Program>,
}

impl Configured {
    pub fn new(text: &str) -> Result<Self, Failure> {
        let path = "/senko.toml";
        Self::of(&Memory::new([(path, text)]), Path::new(path))
    }

    /// With the files of its sets in this directory, where it is put, too.
    pub fn with_files(text: &str, directory: &Path) -> Result<Self, Failure> {
        let path = directory.join("senko.toml");
        std::fs::write(&path, text)
            .map_err(|error| Failure::failed(format!("cannot write {}: {error}", path.display()), None))?;
        Self::of(&Disk, &path)
    }

    fn of(files: &dyn Files, path: &Path) -> Result<Self, Failure> {
        let outcome = config::read(files, path, config::functions());
        let unsound = || {
            let problem = outcome.problems.iter().next();
            let what = problem.map_or_else(String::new, |problem| format!(": {}", problem.message));
            Failure::failed(format!("the bench's configuration is not sound{what}"), None)
        };
        let mut config = outcome.config.ok_or_else(unsound)?;
        let desired = gateway::compile(&mut config, &agent::edits::Edits::default(), None, &[]);
        let sizes = MapSizes { names: data_path::map_specs()?.into_keys().collect() };
        let sizes: BTreeMap<String, u32> =
            desired.maps.iter().flat_map(|(name, contents)| sizes.of(name, contents)).collect();
        let maps = data_path::create_maps(&sizes, &BTreeMap::new())?;
        let mut bytes = 0;
        for (name, contents) in &desired.maps {
            fill(&maps, name, contents)?;
            if let Contents::Array { bytes: own, .. } = contents {
                bytes += own.len();
            }
        }
        let program = desired.programs.first().ok_or_else(|| Failure::failed("no interface", None))?;
        let load = || data_path::load_classifier(Direction::Egress, program.globals(false), &maps);
        let egress = program.knob.watches_egress.then(load).transpose()?;
        let program = data_path::load_program(program.globals(false), false, &maps)?;
        Ok(Self { program, bytes, maps, egress })
    }
}
