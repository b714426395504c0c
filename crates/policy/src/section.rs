//! Reading a section of `senko.toml`: fields are declared, so that unknown keys, wrong types, the schema and the manual
//! all come from one place.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::source::{SourceId, Span};

/// What may stand behind a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One of these words.
    Choice(&'static [&'static str]),
    /// An array of some of these words.
    Choices(&'static [&'static str]),
    Bool,
    /// An array of prefixes, addresses and `@set`.
    Prefixes,
    /// An array of pairs of interface names: `[["eth0", "eth1"]]`.
    Cables,
    /// `ADDRESS:PORT`.
    Listen,
    Text,
}

/// A key that a section may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    pub name: &'static str,
    pub shape: Shape,
    /// One sentence.
    pub about: &'static str,
    /// As it would be written; `""`: none.
    pub default: &'static str,
}

/// A table of the configuration that is being read.
#[derive(Debug, Clone, Copy)]
pub struct Section<'a> {
    source: SourceId,
    table: &'a DeTable<'a>,
    /// The section's header.
    at: Span,
}

impl<'a> Section<'a> {
    pub fn new(source: SourceId, table: &'a DeTable<'a>, at: Range<usize>) -> Self {
        Self { source, table, at: Span { source, start: at.start, end: at.end } }
    }

    /// Where the section stands.
    pub fn at(&self) -> Span {
        self.at
    }

    pub fn value(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table.get(key)
    }

    pub fn span(&self, of: &Spanned<DeValue<'_>>) -> Span {
        let Range { start, end } = of.span();
        Span { source: self.source, start, end }
    }
}
