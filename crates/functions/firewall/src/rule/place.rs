//! Where a rule stands, so that what is wrong with it can be underlined.

use std::ops::Range;

use policy::Span;

/// A rule's string in its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// All of it, quotes included.
    pub at: Span,
    /// The byte of the source at which the text begins. `None`: the source is not the text byte by byte, since it has escapes
    /// or several lines; then all of it is underlined.
    pub inner: Option<usize>,
}

impl Place {
    /// Of a string of TOML. An escape is longer than what it stands for and a string of several lines has more quotes, so
    /// the length tells whether the source has the text as it is.
    pub fn of(at: Span, text: &str) -> Self {
        let as_it_is = at.start + text.len() + 2 == at.end;
        Self { at, inner: as_it_is.then_some(at.start + 1) }
    }

    /// Of bytes of the text.
    pub fn span(self, bytes: &Range<usize>) -> Span {
        match self.inner {
            Some(inner) => Span { start: inner + bytes.start, end: inner + bytes.end, ..self.at },
            None => self.at,
        }
    }
}
