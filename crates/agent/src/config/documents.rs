//! The files of a configuration: read, parsed, and put together to one.

use std::{
    collections::BTreeMap,
    io,
    ops::Range,
    path::{Path, PathBuf},
};

use policy::{
    Function, Problems, Section, SourceId, Sources, Value,
    words::{did_you_mean, shown},
};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    Files, settings,
    text::{NOT_TEXT, NotText, decode},
};

/// Errors of syntax that are told of one file; one slip can be the cause of many.
const MOST_SYNTAX_ERRORS: usize = 20;

/// The texts of the main file and of `conf.d`.
pub fn read(
    files: &dyn Files,
    main: &Path,
    sources: &mut Sources,
    read: &mut Vec<PathBuf>,
    problems: &mut Problems,
) -> Vec<(SourceId, String)> {
    let mut paths = vec![main.to_path_buf()];
    let dir = main.parent().unwrap_or(Path::new("")).join("conf.d");
    match files.list(&dir) {
        Ok(mut listed) => {
            let is_hidden =
                |path: &Path| path.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b"."));
            listed.retain(|path| path.extension().is_some_and(|e| e == "toml") && !is_hidden(path));
            listed.sort();
            paths.append(&mut listed);
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
        Err(error) => {
            problems.error(None, format!("cannot list {}: {error}", dir.display()), None);
        }
    }
    let mut texts = Vec::new();
    for path in paths {
        let contents = match files.read(&path) {
            Ok(contents) => contents,
            Err(error) => {
                unreadable(&path, main, &error, problems);
                continue;
            }
        };
        match decode(contents) {
            Ok(text) => texts.push((sources.add(&path, text.clone()), text)),
            Err(NotText { at, shown }) => {
                let source = sources.add(&path, shown);
                problems.error(policy::span(source, at), NOT_TEXT, None);
            }
        }
        read.push(path);
    }
    texts
}

fn unreadable(path: &Path, main: &Path, error: &io::Error, problems: &mut Problems) {
    let (message, hint) = match error.kind() {
        io::ErrorKind::NotFound if path == main => (
            format!("there is no configuration at {}", path.display()),
            Some("write one (docs/config.md has examples), or name another file".into()),
        ),
        io::ErrorKind::PermissionDenied => {
            (format!("{} may not be read: {error}", path.display()), Some("run senko as root".into()))
        }
        _ => (format!("cannot read {}: {error}", path.display()), None),
    };
    problems.error(None, message, hint);
}

/// The tables of the texts. Where a text has errors, as much of it as could be understood.
pub fn parse<'a>(
    texts: &'a [(SourceId, String)],
    problems: &mut Problems,
) -> Vec<(SourceId, Spanned<DeTable<'a>>)> {
    let parse = |(source, text): &'a (SourceId, String)| {
        let (table, mut errors) = DeTable::parse_recoverable(text);
        errors.sort_by_key(|error| error.span().map(|span| span.start));
        // What follows an error in its line is mostly its consequence.
        let line = |error: &toml::de::Error| {
            let start = error.span().map_or(0, |span| span.start).min(text.len());
            text.as_bytes()[..start].iter().filter(|byte| **byte == b'\n').count()
        };
        errors.dedup_by_key(|error| line(error));
        let more = errors.len().saturating_sub(MOST_SYNTAX_ERRORS);
        for error in errors.iter().take(MOST_SYNTAX_ERRORS) {
            let span = error.span().map(|span| policy::span(*source, span));
            if error.message() == "duplicate key"
                && let Some(at) = error.span()
            {
                let message = format!("`{}` is set twice", shown(text.get(at.clone()).unwrap_or_default()));
                let first = earlier(text, at);
                let problem = problems.error(span, message, Some("remove one of the two".into()));
                if let Some(first) = first {
                    problem.also(policy::span(*source, first), "first set here");
                }
                continue;
            }
            problems.error(span, error.message(), None);
        }
        if more > 0 {
            let last = errors.last().and_then(|error| error.span()).map(|span| policy::span(*source, span));
            problems.error(last, format!("{more} more errors of syntax up to here"), None);
        }
        (*source, table)
    };
    texts.iter().map(parse).collect()
}

/// Where a key stands that is there for the second time: above it in the same table, or as the same header.
fn earlier(text: &str, again: Range<usize>) -> Option<Range<usize>> {
    let key = text.get(again.clone())?;
    let line_start = text[..again.start].rfind('\n').map_or(0, |newline| newline + 1);
    let opening = &text[line_start..again.start];
    let is_header = opening.trim_start().starts_with('[');
    let mut end = line_start;
    while end > 0 {
        let start = text[..end - 1].rfind('\n').map_or(0, |newline| newline + 1);
        let line = &text[start..end];
        let from = start + opening.len();
        let found = line.strip_prefix(opening).is_some_and(|rest| {
            let next = rest.strip_prefix(key).map(str::trim_start);
            next.is_some_and(|next| next.starts_with(if is_header { ']' } else { '=' }))
        });
        if found {
            return Some(from..from + key.len());
        }
        if !is_header && line.trim_start().starts_with('[') {
            return None;
        }
        end = start;
    }
    None
}

/// Where each file's syntax breaks first.
pub fn first_errors(problems: &Problems) -> BTreeMap<SourceId, usize> {
    let mut first: BTreeMap<SourceId, usize> = BTreeMap::new();
    for at in problems.iter().filter_map(|problem| problem.at) {
        let earliest = first.entry(at.source).or_insert(at.start);
        *earliest = at.start.min(*earliest);
    }
    first
}

/// All files as one.
pub struct Document<'a> {
    /// The tables of `[[interface]]`.
    pub interfaces: Vec<(Value<'a>, SourceId)>,
    pub sets: Option<Section<'a>>,
    pub metrics: Option<Section<'a>>,
    pub sections: Vec<(&'static dyn Function, Section<'a>)>,
}

/// Puts the files together: interfaces add up, sections are merged key by key.
pub fn merge<'a>(
    tables: &'a [(SourceId, Spanned<DeTable<'a>>)],
    functions: &[&'static dyn Function],
    problems: &mut Problems,
) -> Document<'a> {
    let mut document = Document { interfaces: Vec::new(), sets: None, metrics: None, sections: Vec::new() };
    for (source, table) in tables {
        let mut entries: Vec<_> = table.get_ref().iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        for (key, spanned) in entries {
            let value = Value::new(*source, spanned);
            let name = &**key.get_ref();
            let function = functions.iter().find(|function| function.name() == name);
            match name {
                "interface" => interfaces(value, *source, &mut document, problems),
                "sets" => section(&mut document.sets, &[], name, *source, spanned, problems),
                "metrics" => {
                    section(&mut document.metrics, settings::METRICS, name, *source, spanned, problems);
                }
                _ => {
                    let Some(function) = function else {
                        unknown(name, policy::span(*source, key.span()), functions, problems);
                        continue;
                    };
                    let there = document.sections.iter().position(|(of, _)| of.name() == name);
                    let mut slot = there.map(|index| document.sections.remove(index).1);
                    section(&mut slot, function.fields(), name, *source, spanned, problems);
                    document.sections.extend(slot.map(|section| (*function, section)));
                }
            }
        }
    }
    let order = |of: &dyn Function| functions.iter().position(|function| function.name() == of.name());
    document.sections.sort_by_key(|(function, _)| order(*function));
    document
}

fn interfaces<'a>(value: Value<'a>, source: SourceId, document: &mut Document<'a>, problems: &mut Problems) {
    let elements: Vec<Value<'_>> = value.elements().collect();
    if !value.value.is_array() || elements.iter().any(|element| !element.value.is_table()) {
        let hint = "write [[interface]] and `name` in the line below, once for each interface";
        let message = format!("interfaces are a list of tables, not {}", value.kind());
        problems.error(value.at, message, Some(hint.into()));
        return;
    }
    document.interfaces.extend(elements.into_iter().map(|element| (element, source)));
}

fn section<'a>(
    section: &mut Option<Section<'a>>,
    fields: &'static [policy::Field],
    name: &str,
    source: SourceId,
    value: &'a Spanned<DeValue<'a>>,
    problems: &mut Problems,
) {
    let DeValue::Table(table) = value.get_ref() else {
        let at = Value::new(source, value);
        let hint = format!("write [{name}] in a line of its own, and its keys below");
        problems.error(at.at, format!("`{name}` is a section, not {}", at.kind()), Some(hint));
        return;
    };
    match section {
        Some(section) => section.and(source, table, value.span()),
        None => *section = Some(Section::new(fields, source, table, value.span())),
    }
}

fn unknown(name: &str, at: policy::Span, functions: &[&'static dyn Function], problems: &mut Problems) {
    let own = ["interface", "sets", "metrics"];
    let known: Vec<&str> = own.into_iter().chain(functions.iter().map(|function| function.name())).collect();
    let inside = functions.iter().find(|function| function.fields().iter().any(|field| field.name == name));
    let hint = match (did_you_mean(name, known.iter().copied()), inside) {
        (_, Some(function)) => format!("it belongs into a section: write [{}] above it", function.name()),
        (Some(meant), None) => meant,
        (None, None) => format!("what can stand here: {}", known.join(", ")),
    };
    problems.error(at, format!("there is no section `{}`", shown(name)), Some(hint));
}
