//! What is wrong with a configuration. All of it is reported at once.

use crate::source::Span;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Warning,
    Error,
}

impl Severity {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One thing that is wrong, with the text that is to be underlined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub severity: Severity,
    /// One sentence: the cause.
    pub message: String,
    /// `None`: of the configuration as a whole.
    pub at: Option<Span>,
    /// Another place that has to do with it, and what is there.
    pub also: Option<(Span, String)>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Problem {
    /// Names another place: the first of two that contradict each other.
    pub fn also(&mut self, at: Span, label: impl Into<String>) {
        self.also = Some((at, label.into()));
    }
}

/// Problems in the order in which they were found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    pub fn error(
        &mut self,
        at: impl Into<Option<Span>>,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> &mut Problem {
        self.push(Severity::Error, at.into(), message.into(), hint)
    }

    pub fn warning(
        &mut self,
        at: impl Into<Option<Span>>,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> &mut Problem {
        self.push(Severity::Warning, at.into(), message.into(), hint)
    }

    fn push(
        &mut self,
        severity: Severity,
        at: Option<Span>,
        message: String,
        hint: Option<String>,
    ) -> &mut Problem {
        self.0.push_mut(Problem { severity, message, at, also: None, hint })
    }

    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many are errors: a reader that finds more than before has failed.
    pub fn errors(&self) -> usize {
        self.0.iter().filter(|problem| problem.severity == Severity::Error).count()
    }

    pub fn has_errors(&self) -> bool {
        self.errors() > 0
    }

    pub fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    pub fn retain(&mut self, keep: impl FnMut(&Problem) -> bool) {
        self.0.retain(keep);
    }

    /// In the order of files and of places in them; what concerns the whole comes first.
    pub fn sort(&mut self) {
        self.0.sort_by_key(|problem| problem.at.map(|at| (at.source, at.start)));
    }
}
