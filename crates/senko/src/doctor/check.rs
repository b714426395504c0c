//! One thing that was looked at.

use serde::Serialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Ok,
    /// Something that is not needed for every use is missing.
    Warn,
    /// Something needed is missing.
    Bad,
    Unknown,
}

impl State {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Unknown => "unknown",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    pub area: &'static str,
    pub name: String,
    pub state: State,
    pub found: String,
    pub needed_for: String,
    /// A command to type, or what to do where no command does it.
    pub remedy: Option<String>,
    /// senko does not work without it.
    #[serde(skip)]
    pub required: bool,
}

impl Check {
    pub fn new(area: &'static str, name: impl Into<String>, needed_for: impl Into<String>) -> Self {
        Self {
            area,
            name: name.into(),
            state: State::Ok,
            found: String::new(),
            needed_for: needed_for.into(),
            remedy: None,
            required: false,
        }
    }

    pub fn required(mut self, required: bool) -> Self {
        self.required = required;
        self
    }

    pub fn ok(self, found: impl Into<String>) -> Self {
        Self { state: State::Ok, found: found.into(), ..self }
    }

    /// Bad when it is required, else a warning.
    pub fn missing(self, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        let state = if self.required { State::Bad } else { State::Warn };
        Self { state, found: found.into(), remedy: Some(remedy.into()), ..self }
    }

    pub fn unknown(self, found: impl Into<String>, remedy: Option<&str>) -> Self {
        Self { state: State::Unknown, found: found.into(), remedy: remedy.map(Into::into), ..self }
    }
}

/// What to type when our privileges are the reason.
pub const AS_ROOT: &str = "sudo senko doctor";
