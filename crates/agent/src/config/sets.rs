//! `[sets]`: lists of prefixes with a name, written in the configuration or in files of their own.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use policy::{
    Cidr, Field, Problems, Section, Set, Sets, Shape, SourceId, Sources, Span, Value,
    list::{self, Elements},
    words::shown,
};
use toml::de::{DeTable, DeValue};

use super::{
    Files,
    documents::Document,
    text::{NOT_TEXT, NotText, decode},
};

/// The keys of a set that has a file.
pub const FILE_FIELDS: &[Field] = &[
    Field {
        name: "file",
        shape: Shape::Text,
        about: "A file with a prefix or an address a line and # comments, named from the folder of the file that this stands in.",
        default: "",
    },
    Field {
        name: "watch",
        shape: Shape::Bool,
        about: "Whether the daemon applies changes of the file by itself.",
        default: "false",
    },
];

/// Broken lines of a file that are told one by one.
const MOST_BROKEN: usize = 20;

/// Characters of a set's name at most.
const LONGEST_NAME: usize = 64;

/// Reads all sets.
pub struct Reader<'r> {
    pub files: &'r dyn Files,
    pub sources: &'r mut Sources,
    pub read: &'r mut Vec<PathBuf>,
    pub watched: &'r mut Vec<PathBuf>,
    pub problems: &'r mut Problems,
}

impl Reader<'_> {
    pub fn sets(&mut self, section: &Section<'_>) -> Sets {
        section.check_doubles(self.problems);
        let mut sets = Sets::new();
        for (name, at, value) in section.entries() {
            if !is_name(name) {
                let message = format!("`{}` is no name for a set", shown(name));
                let hint = format!("use letters, digits, `-`, `_` and `.`, {LONGEST_NAME} at most");
                self.problems.error(at, message, Some(hint));
                continue;
            }
            let before = self.problems.errors();
            let set = match value.value {
                DeValue::Array(_) => self.inline(at, value),
                DeValue::Table(table) => self.of_file(at, value, table),
                _ => {
                    let message =
                        format!("a set is an array of prefixes or {{ file = \"…\" }}, not {}", value.kind());
                    self.problems.error(value.at, message, None);
                    None
                }
            };
            // A set with errors is kept, too, so that nobody is told that there is no such set.
            let empty = || Set { v4: Vec::new().into(), v6: Vec::new().into(), file: None, watch: false, at };
            let set = set.unwrap_or_else(empty);
            if set.is_empty() && self.problems.errors() == before {
                self.problems.warning(at, format!("the set `{name}` is empty"), None);
            }
            sets.entry(name.into()).or_insert(set);
        }
        sets
    }

    fn inline(&mut self, at: Span, value: Value<'_>) -> Option<Set> {
        let mut prefixes = Vec::new();
        for element in value.elements() {
            let DeValue::String(text) = element.value else {
                let message = format!("an element of a set is a prefix in quotes, not {}", element.kind());
                self.problems.error(element.at, message, None);
                continue;
            };
            match text.parse::<Cidr>() {
                Ok(prefix) => prefixes.push(prefix),
                Err(_) if text.starts_with('@') => {
                    let hint = "name both sets where they are used".to_owned();
                    self.problems.error(element.at, "a set cannot hold another one", Some(hint));
                }
                Err(error) => {
                    self.problems.error(element.at, error.to_string(), None);
                }
            }
        }
        prefixes.sort_unstable();
        prefixes.dedup();
        let v4 =
            prefixes.iter().filter_map(|prefix| if let Cidr::V4(v4) = prefix { Some(*v4) } else { None });
        let v6 =
            prefixes.iter().filter_map(|prefix| if let Cidr::V6(v6) = prefix { Some(*v6) } else { None });
        Some(Set { v4: Arc::new(v4.collect()), v6: Arc::new(v6.collect()), file: None, watch: false, at })
    }

    fn of_file(&mut self, at: Span, value: Value<'_>, table: &DeTable<'_>) -> Option<Set> {
        let section = Section::new(FILE_FIELDS, at.source, table, value.at.start..value.at.end);
        section.check_keys(self.problems);
        let watch = section.bool("watch", self.problems);
        let file = section.text("file", self.problems);
        if section.value("file").is_none() {
            let hint = "write { file = \"blocklist.txt\" }".to_owned();
            self.problems.error(value.at, "this set has no `file`", Some(hint));
        }
        let (file, watch) = (file?, watch?);
        let path = self.sources.path(at).parent().unwrap_or(Path::new("")).join(&file.text);
        let contents = match self.files.read(&path) {
            Ok(contents) => contents,
            Err(error) => {
                let message = match error.kind() {
                    io::ErrorKind::NotFound => format!("there is no file {}", shown(&path.to_string_lossy())),
                    _ => format!("cannot read {}: {error}", shown(&path.to_string_lossy())),
                };
                self.problems.error(file.at, message, None);
                return None;
            }
        };
        if !self.read.contains(&path) {
            self.read.push(path.clone());
        }
        if watch && !self.watched.contains(&path) {
            self.watched.push(path.clone());
        }
        let text = match decode(contents) {
            Ok(text) => text,
            Err(NotText { at, shown }) => {
                let source = self.sources.add(path, shown);
                self.problems.error(policy::span(source, at), NOT_TEXT, None);
                return None;
            }
        };
        let Elements { v4, v6, broken, more_broken } = list::read(&text, MOST_BROKEN);
        if !broken.is_empty() {
            let source = self.sources.add(&path, text);
            for (line, error) in broken {
                self.problems.error(policy::span(source, line), error.to_string(), None);
            }
            if more_broken > 0 {
                let message = format!("{} has {more_broken} more such lines", shown(&path.to_string_lossy()));
                self.problems.error(file.at, message, None);
            }
        }
        Some(Set { v4: v4.into(), v6: v6.into(), file: Some(path), watch, at })
    }
}

fn is_name(name: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && name.len() <= LONGEST_NAME && name.chars().all(is_allowed)
}

/// Warns of sets that no section refers to.
pub fn unused(sets: &Sets, document: &Document<'_>, problems: &mut Problems) {
    let mut used: BTreeSet<&str> = BTreeSet::new();
    for (_, section) in &document.sections {
        for (_, _, value) in section.entries() {
            collect(value, &mut used);
        }
    }
    for (name, set) in sets.iter().filter(|(name, _)| !used.contains(name.as_str())) {
        let hint = format!("refer to it as \"@{name}\" in a section, or remove it");
        problems.warning(set.at, format!("the set `{name}` is not used"), Some(hint));
    }
}

/// The sets that a value names, however deep.
fn collect<'a>(value: Value<'a>, used: &mut BTreeSet<&'a str>) {
    match value.value {
        // An element of a list, or a word of a rule.
        DeValue::String(text) => {
            let names = text.split('@').skip(1);
            let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            used.extend(names.map(|rest| rest.split(|c| !is_part(c)).next().unwrap_or(rest)));
        }
        DeValue::Array(_) => value.elements().for_each(|element| collect(element, used)),
        _ => {}
    }
}

/// Where an element of a set is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub path: PathBuf,
    /// From 1.
    pub line: usize,
}

/// Finds an element again: in the set's file as it is now, or in the configuration as it was read.
pub fn place_of(files: &dyn Files, sources: &Sources, name: &str, set: &Set, prefix: Cidr) -> Option<Place> {
    match &set.file {
        Some(path) => {
            let text = decode(files.read(path).ok()?).ok()?;
            let line = list::line_of(&text, prefix)?.number as usize;
            Some(Place { path: path.clone(), line })
        }
        None => inline_place(sources, set.at.source, name, prefix),
    }
}

fn inline_place(sources: &Sources, source: SourceId, name: &str, prefix: Cidr) -> Option<Place> {
    let table = DeTable::parse(&sources.get(source).text).ok()?;
    let array = table.get_ref().get("sets")?.get_ref().as_table()?.get(name)?.get_ref().as_array()?;
    let is_it = |text: &str| text.parse() == Ok(prefix);
    let element = array.iter().find(|element| element.get_ref().as_str().is_some_and(is_it))?;
    let at = policy::span(source, element.span());
    Some(Place { path: sources.path(at).into(), line: sources.line_column(at).0 })
}
