//! The files a configuration is made of, and places in them.

use std::path::{Path, PathBuf};

/// A file's contents as they were read, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub path: PathBuf,
    pub text: String,
    /// Where lines end: places are asked for by the ten thousand.
    ends: Vec<usize>,
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
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect();
        self.0.push(Source { path: path.into(), text, ends });
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

    /// The line of a span's start, from 1.
    pub fn line(&self, span: Span) -> usize {
        self.get(span.source).ends.partition_point(|end| *end < span.start) + 1
    }

    /// Line and column of a span's start, both from 1; columns are characters.
    pub fn line_column(&self, span: Span) -> (usize, usize) {
        let line = self.line(span);
        let source = self.get(span.source);
        let begin = if line == 1 { 0 } else { source.ends[line - 2] + 1 };
        let before = source.text.get(begin..span.start).unwrap_or_default();
        (line, before.chars().count() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_lines_and_columns_of_characters() {
        let mut sources = Sources::default();
        sources.add("other", "\n\n\n".into());
        let text = "a\nü = ö\n\nlast";
        let source = sources.add("senko.toml", text.into());
        let at = |start| sources.line_column(Span { source, start, end: start });
        for (start, _) in text.char_indices() {
            // By looking at all that stands before.
            let before = &text[..start];
            let line = before.matches('\n').count() + 1;
            let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
            assert_eq!(at(start), (line, column), "{start}");
        }
        assert_eq!(at(text.find("ö").expect("it is there")), (2, 5));
        assert_eq!(at(text.len()), (4, 5));
    }
}
