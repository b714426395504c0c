//! From `senko.toml` and the files beside it to a sound configuration, or to everything that is wrong with it.

mod documents;
mod files;
mod interfaces;
pub mod render;
mod schema;
mod sets;
mod settings;
mod text;

use std::path::{Path, PathBuf};

use policy::{Field, Function, Interface, Problems, Sets, Sources, Valid, World};

pub use files::{Disk, Files, Memory};
pub use schema::schema;
pub use sets::{Place, place_of};
pub use settings::Settings;

/// Where the configuration stands unless `$SENKO_CONFIG` or the command line say otherwise.
pub const DEFAULT: &str = "/etc/senko/senko.toml";

/// The functions that can have a section.
pub fn functions() -> &'static [&'static dyn Function] {
    &[&counter::config::Counter, &firewall::config::Firewall, &redirect::config::Redirect]
}

/// The keys of what is no function's: `[[interface]]`, files of sets, `[metrics]`.
pub fn own_fields() -> impl Iterator<Item = &'static Field> {
    [interfaces::FIELDS, sets::FILE_FIELDS, settings::METRICS].into_iter().flatten()
}

/// A configuration without errors.
pub struct Config {
    pub interfaces: Vec<Interface>,
    pub sets: Sets,
    /// Sections that are there, in the order of the functions.
    pub sections: Vec<(&'static dyn Function, Box<dyn Valid>)>,
    pub settings: Settings,
    /// All files that were read, the main file first.
    pub files: Vec<PathBuf>,
    /// Those of `files` whose change is to be applied by itself.
    pub watched: Vec<PathBuf>,
}

impl Config {
    /// What the sections refer to, on a host with these addresses.
    pub fn world<'a>(&'a self, addresses: &'a [std::net::IpAddr]) -> World<'a> {
        World { interfaces: &self.interfaces, sets: &self.sets, addresses }
    }
}

/// What came of reading.
pub struct Outcome {
    /// `None` when there are errors.
    pub config: Option<Config>,
    /// The files that problems and places refer to. Files of sets are among them only when something is wrong in them.
    pub sources: Sources,
    /// By file and place.
    pub problems: Problems,
}

/// Reads a configuration: the main file, `conf.d/*.toml` beside it in the order of their names, and the files of sets.
pub fn read(files: &dyn Files, main: &Path, functions: &[&'static dyn Function]) -> Outcome {
    let mut sources = Sources::default();
    let mut problems = Problems::default();
    let mut read = Vec::new();
    let texts = documents::read(files, main, &mut sources, &mut read, &mut problems);
    let tables = documents::parse(&texts, &mut problems);
    let broken = documents::first_errors(&problems);

    let mut found = Problems::default();
    let document = documents::merge(&tables, functions, &mut found);
    let interfaces = interfaces::read(&document.interfaces, &mut found);
    let mut watched = Vec::new();
    let sets = document.sets.as_ref().map_or_else(Sets::new, |section| {
        let mut reader = sets::Reader {
            files,
            sources: &mut sources,
            read: &mut read,
            watched: &mut watched,
            problems: &mut found,
        };
        reader.sets(section)
    });
    let is_whole = problems.is_empty();
    if is_whole {
        sets::unused(&sets, &document, &mut found);
    }
    let settings = settings::read(document.metrics.as_ref(), &mut found);
    let world = World { interfaces: &interfaces, sets: &sets, addresses: &[] };
    let mut sections = Vec::new();
    for (function, section) in &document.sections {
        section.check_keys(&mut found);
        if let Some(valid) = function.read(section, &world, &mut found) {
            sections.push((*function, valid));
        }
    }
    if interfaces.is_empty() && is_whole && !found.has_errors() {
        let hint = "add one: [[interface]] name = \"eth0\"";
        found.warning(None, "there is no [[interface]], so no packet is judged", Some(hint.into()));
    }
    drop(document);

    // Behind an error of syntax nothing is what it seems.
    found.retain(|problem| {
        problem.at.is_none_or(|at| broken.get(&at.source).is_none_or(|from| at.end <= *from))
    });
    problems.append(found);
    problems.sort();
    let config = (!problems.has_errors()).then_some(Config {
        interfaces,
        sets,
        sections,
        settings,
        files: read,
        watched,
    });
    Outcome { config, sources, problems }
}
