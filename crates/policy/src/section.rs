//! A section of `senko.toml` that is being read: its parts, its keys, and the keys it may not have.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{
    field::Field,
    problem::Problems,
    source::{SourceId, Span},
    words::{did_you_mean, shown},
};

/// A table of the configuration, which may be spread over several files: every key stands in one of them.
#[derive(Debug, Clone)]
pub struct Section<'a> {
    pub(crate) fields: &'static [Field],
    parts: Vec<Part<'a>>,
}

/// What one file has of a section.
#[derive(Debug, Clone, Copy)]
struct Part<'a> {
    source: SourceId,
    table: &'a DeTable<'a>,
    /// The section's header.
    at: Span,
}

/// A value, and where it stands.
#[derive(Debug, Clone, Copy)]
pub struct Value<'a> {
    pub value: &'a DeValue<'a>,
    pub at: Span,
    source: SourceId,
}

impl<'a> Value<'a> {
    pub fn new(source: SourceId, value: &'a Spanned<DeValue<'a>>) -> Self {
        Self { value: value.get_ref(), at: span(source, value.span()), source }
    }

    /// The elements of an array; none of anything else.
    pub fn elements(self) -> impl Iterator<Item = Self> {
        let array = self.value.as_array();
        array.into_iter().flat_map(|array| array.iter()).map(move |value| Self::new(self.source, value))
    }

    /// `an integer`, for messages; texts are shown.
    pub fn kind(self) -> String {
        match self.value {
            DeValue::String(text) => format!("\"{}\"", shown(text)),
            DeValue::Integer(_) => "an integer".into(),
            DeValue::Float(_) => "a float".into(),
            DeValue::Boolean(value) => value.to_string(),
            DeValue::Datetime(_) => "a date".into(),
            DeValue::Array(_) => "an array".into(),
            DeValue::Table(_) => "a table".into(),
        }
    }
}

/// Bytes of a source.
pub fn span(source: SourceId, Range { start, end }: Range<usize>) -> Span {
    Span { source, start, end }
}

impl<'a> Section<'a> {
    pub fn new(
        fields: &'static [Field],
        source: SourceId,
        table: &'a DeTable<'a>,
        header: Range<usize>,
    ) -> Self {
        Self { fields, parts: vec![Part { source, table, at: span(source, header) }] }
    }

    /// Adds what another file has of the same section.
    pub fn and(&mut self, source: SourceId, table: &'a DeTable<'a>, header: Range<usize>) {
        self.parts.push(Part { source, table, at: span(source, header) });
    }

    /// Where the section stands first.
    pub fn at(&self) -> Span {
        self.parts[0].at
    }

    pub fn value(&self, key: &str) -> Option<Value<'a>> {
        self.parts.iter().find_map(|part| Some(Value::new(part.source, part.table.get(key)?)))
    }

    /// All keys with their places and values, file by file, in the order in which they are written.
    pub fn entries(&self) -> Vec<(&'a str, Span, Value<'a>)> {
        let mut entries = Vec::new();
        for part in &self.parts {
            let first = entries.len();
            entries.extend(part.table.iter().map(|(key, value)| {
                (&**key.get_ref(), span(part.source, key.span()), Value::new(part.source, value))
            }));
            entries[first..].sort_by_key(|(_, at, _): &(_, Span, _)| at.start);
        }
        entries
    }

    /// Says which keys the section cannot have, and which stand in two files.
    pub fn check_keys(&self, problems: &mut Problems) {
        for (key, at, _) in self.entries() {
            if !self.fields.iter().any(|field| field.name == key) {
                let names = || self.fields.iter().map(|field| field.name);
                let hint = did_you_mean(key, names()).unwrap_or_else(|| {
                    let names: Vec<String> = names().map(|name| format!("`{name}`")).collect();
                    format!("what can stand here: {}", names.join(", "))
                });
                problems.error(at, format!("there is no key `{}` here", shown(key)), Some(hint));
            }
        }
        self.check_doubles(problems);
    }

    /// Says which keys stand in two files; in one, TOML itself forbids it.
    pub fn check_doubles(&self, problems: &mut Problems) {
        let entries = self.entries();
        for (index, (key, at, _)) in entries.iter().enumerate() {
            if let Some((_, first, _)) = entries[..index].iter().find(|(earlier, ..)| earlier == key) {
                let hint =
                    "files in conf.d add to the main file and do not override it: remove one of the two";
                problems
                    .error(*at, format!("`{}` is set twice", shown(key)), Some(hint.into()))
                    .also(*first, "first set here");
            }
        }
    }
}
