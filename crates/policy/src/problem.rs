//! What is wrong with a configuration. All of it is reported at once.

use crate::source::Span;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Warning,
    Error,
}

/// One thing that is wrong, with the text that is to be underlined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub severity: Severity,
    /// One sentence: the cause.
    pub message: String,
    /// `None`: of the configuration as a whole.
    pub at: Option<Span>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Problems in the order in which they were found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    pub fn error(&mut self, at: impl Into<Option<Span>>, message: impl Into<String>, hint: Option<String>) {
        self.push(Severity::Error, at.into(), message.into(), hint);
    }

    pub fn warning(&mut self, at: impl Into<Option<Span>>, message: impl Into<String>, hint: Option<String>) {
        self.push(Severity::Warning, at.into(), message.into(), hint);
    }

    fn push(&mut self, severity: Severity, at: Option<Span>, message: String, hint: Option<String>) {
        self.0.push(Problem { severity, message, at, hint });
    }

    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|problem| problem.severity == Severity::Error)
    }
}
