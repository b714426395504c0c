//! Problems, changes and announcements, for people and as JSON.

use agent::{
    executor::Announcement,
    gateway::{Applied, Refused},
    lines::Change,
};
use serde::Serialize;

use crate::{failure::Failure, render::say};

/// What `apply`, `rollback` and a reload came to: the document of `--json`.
#[derive(Debug, Serialize)]
pub struct Document {
    pub generation: u64,
    /// What was live was what is wanted.
    pub unchanged: bool,
    pub changes: Vec<Change>,
    pub interfaces: Vec<Interface>,
    pub milliseconds: f64,
}

/// What became of an interface.
#[derive(Debug, Serialize)]
pub struct Interface {
    pub interface: String,
    /// `attached`, `detached`, `missing` or `refused`.
    pub what: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<&'static str>,
    /// Why it is not native mode, or why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl From<&Applied> for Document {
    fn from(applied: &Applied) -> Self {
        Self {
            generation: applied.generation,
            unchanged: applied.unchanged,
            changes: applied.changes.clone(),
            interfaces: applied.announcements.iter().filter_map(interface).collect(),
            milliseconds: (applied.took.as_secs_f64() * 1e6).round() / 1e3,
        }
    }
}

fn interface(announcement: &Announcement) -> Option<Interface> {
    let (interface, what, mode, why) = match announcement {
        Announcement::Attached { interface, mode, fallback } => {
            (interface, "attached", Some(mode.name()), fallback.clone())
        }
        Announcement::Missing { interface } => (interface, "missing", None, None),
        Announcement::Detached { interface } => (interface, "detached", None, None),
        Announcement::Refused { interface, why } => (interface, "refused", None, Some(why.clone())),
        Announcement::Left { .. } => return None,
    };
    Some(Interface { interface: interface.clone(), what, mode, why })
}

/// Tells on standard error what became of interfaces.
pub fn announce(announcements: &[Announcement]) {
    for announcement in announcements {
        match announcement {
            Announcement::Attached { interface, mode, fallback: None } => {
                say(format_args!("{interface}: attached in {mode} mode"));
            }
            Announcement::Attached { interface, fallback: Some(why), .. } => say(format_args!(
                "{interface}: attached in generic mode, slower than native, which was refused: {why}"
            )),
            Announcement::Missing { interface } => say(format_args!(
                "{interface}: not there; `senko run` attaches when it appears, as the next `senko apply` does"
            )),
            Announcement::Detached { interface } => say(format_args!("{interface}: detached")),
            Announcement::Refused { interface, why } => say(format_args!("{interface}: {why}")),
            Announcement::Left { what } => say(format_args!("left behind: {what}")),
        }
    }
}

/// Tells what is wrong with a configuration, all of it, and fails.
pub fn refused(refused: Refused) -> Failure {
    match refused {
        Refused::Error(error) => error.into(),
        Refused::Configuration { problems, sources } => {
            let errors =
                problems.iter().filter(|problem| problem.severity == policy::Severity::Error).count();
            for problem in problems.iter() {
                let place = problem.at.map_or_else(String::new, |at| {
                    let (line, column) = sources.line_column(at);
                    format!("{}:{line}:{column}: ", sources.path(at).display())
                });
                say(format_args!("{place}{}", problem.message));
            }
            let plural = if errors == 1 { "error" } else { "errors" };
            Failure::usage(format!("{errors} {plural}; nothing was changed"), None)
        }
    }
}
