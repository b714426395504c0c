//! The files a configuration is made of, and places in them.

use std::path::{Path, PathBuf};

/// A file's contents as they were read, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub path: PathBuf,
    pub text: String,
}

/// Which of the [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(u32);

/// Bytes `start..end` of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub source: SourceId,
    pub start: usize,
    pub end: usize,
}

/// All files of a configuration, in the order in which they were read.
#[derive(Debug, Clone, Default)]
pub struct Sources(Vec<Source>);

impl Sources {
    pub fn add(&mut self, path: impl Into<PathBuf>, text: String) -> SourceId {
        self.0.push(Source { path: path.into(), text });
        SourceId(self.0.len() as u32 - 1)
    }

    pub fn get(&self, id: SourceId) -> &Source {
        &self.0[id.0 as usize]
    }

    pub fn iter(&self) -> impl Iterator<Item = (SourceId, &Source)> {
        self.0.iter().zip(0..).map(|(source, id)| (SourceId(id), source))
    }

    pub fn path(&self, span: Span) -> &Path {
        &self.get(span.source).path
    }

    /// The characters that a span covers.
    pub fn text(&self, span: Span) -> &str {
        self.get(span.source).text.get(span.start..span.end).unwrap_or_default()
    }

    /// Line and column of a span's start, both from 1; columns are characters.
    pub fn line_column(&self, span: Span) -> (usize, usize) {
        let before = self.get(span.source).text.get(..span.start).unwrap_or_default();
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
        (line, column)
    }
}
