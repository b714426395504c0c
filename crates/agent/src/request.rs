//! What can be asked of a gateway, and its answers: the same by the API and by a command that works on the pins itself.

use std::{path::PathBuf, time::Duration};

use engine::exit;
use policy::Cidr;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    config::render,
    confirm::Awaited,
    error::Error,
    executor::Announcement,
    gateway::{Applied, Gateway, Refused, SetChange, now},
    lines::Change,
};

/// Something that changes the gateway.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    Apply(Apply),
    Rollback,
    Confirm,
    EditSet(String, SetEdit),
    Block(Block),
    Unblock(Vec<String>),
    /// Takes the gateway off its interfaces.
    Detach,
}

/// Makes a configuration live.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Apply {
    /// The main file's absolute path; without it, the one that is live.
    pub config: Option<PathBuf>,
    /// Roll back after so many seconds unless it is confirmed.
    pub confirm_seconds: Option<f64>,
}

/// Prefixes or addresses for a set, and such that are to leave it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetEdit {
    #[serde(default)]
    pub add: Vec<String>,
    #[serde(default)]
    pub remove: Vec<String>,
}

/// Drops whatever comes from a prefix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Block {
    pub prefix: String,
    /// How long; without it, until it is unblocked.
    pub seconds: Option<f64>,
    pub why: Option<String>,
}

/// What a request came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Reply {
    Applied(AppliedReply),
    Edited(SetChange),
    Detached { interfaces: Vec<InterfaceReply> },
}

/// A generation is live.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AppliedReply {
    pub generation: u64,
    /// What was live was what is wanted.
    pub unchanged: bool,
    pub changes: Vec<Change>,
    pub interfaces: Vec<InterfaceReply>,
    /// What could not be removed of the generation before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<String>,
    /// Warnings about the configuration, as text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub warnings: String,
    pub milliseconds: f64,
    /// Seconds since 1970: when it is rolled back unless it is confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm_until: Option<f64>,
}

/// What became of an interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InterfaceReply {
    pub interface: String,
    /// `attached`, `detached`, `missing` or `refused`.
    pub what: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Why it is not native mode, or why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Nothing was changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Refusal {
    /// What happened and why, one sentence.
    pub cause: String,
    /// What to do about it.
    pub remedy: Option<String>,
    /// The code a command ends with.
    pub exit_code: u8,
    /// What is wrong with the configuration, as text with the lines underlined.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// The same for programs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<serde_json::Value>,
}

impl Refusal {
    pub fn usage(cause: impl Into<String>) -> Self {
        let cause = format!("{}; nothing was changed", cause.into());
        Self { cause, remedy: None, exit_code: exit::USAGE, text: String::new(), problems: Vec::new() }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let engine::Diagnosis { cause, remedy, exit_code } = error.diagnose();
        Self { cause, remedy, exit_code, text: String::new(), problems: Vec::new() }
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Error(error) => error.into(),
            Refused::Configuration { problems, sources } => {
                let errors = problems.errors();
                let reports = render::reports(&problems, &sources);
                Self {
                    cause: format!(
                        "the configuration has {errors} error{}; nothing was changed",
                        if errors == 1 { "" } else { "s" }
                    ),
                    remedy: Some("`senko check` shows them again".into()),
                    exit_code: exit::USAGE,
                    text: render::text(&problems, &sources, false),
                    problems: reports.iter().filter_map(|report| serde_json::to_value(report).ok()).collect(),
                }
            }
        }
    }
}

/// Does what is asked.
pub fn perform(gateway: &mut Gateway, request: &Request) -> Result<Reply, Refusal> {
    match request {
        Request::Apply(apply) => self::apply(gateway, apply),
        Request::Rollback => {
            let applied = gateway.rollback()?;
            Awaited::forget(gateway.place())?;
            Ok(Reply::Applied(reply(&applied)))
        }
        Request::Confirm => confirm(gateway),
        Request::EditSet(name, edit) => {
            let (add, remove) = (prefixes(&edit.add)?, prefixes(&edit.remove)?);
            if add.is_empty() && remove.is_empty() {
                return Err(Refusal::usage("no prefix is named"));
            }
            Ok(Reply::Edited(gateway.edit_set(name, &add, &remove)?))
        }
        Request::Block(block) => {
            let prefix = prefix(&block.prefix)?;
            let until = match block.seconds {
                Some(seconds) if seconds.is_finite() && seconds > 0.0 => Some(now() + seconds),
                Some(seconds) => return Err(Refusal::usage(format!("{seconds} seconds are no time"))),
                None => None,
            };
            Ok(Reply::Edited(gateway.block(prefix, until, block.why.clone())?))
        }
        Request::Unblock(texts) => Ok(Reply::Edited(gateway.unblock(&prefixes(texts)?)?)),
        Request::Detach => {
            let interfaces = interfaces(&gateway.clear()?);
            Ok(Reply::Detached { interfaces })
        }
    }
}

fn apply(gateway: &mut Gateway, apply: &Apply) -> Result<Reply, Refusal> {
    let live = gateway.record().map(|record| record.main.clone());
    let main = apply.config.clone().or(live).unwrap_or_else(|| crate::config::DEFAULT.into());
    let wait = match apply.confirm_seconds {
        Some(seconds) => Some(
            Duration::try_from_secs_f64(seconds)
                .ok()
                .filter(|time| !time.is_zero())
                .ok_or_else(|| Refusal::usage(format!("{seconds} seconds are no time to confirm in")))?,
        ),
        None => None,
    };
    let is_first = gateway.record().is_none();
    let applied = gateway.apply(&main, "apply")?;
    let mut reply = reply(&applied);
    match wait {
        Some(wait) if !applied.unchanged => {
            let until = now() + wait.as_secs_f64();
            Awaited { generation: applied.generation, until, is_first }.write(gateway.place())?;
            reply.confirm_until = Some(until);
        }
        // Whoever applies again without it has seen that it works.
        None => Awaited::forget(gateway.place())?,
        Some(_) => {}
    }
    Ok(Reply::Applied(reply))
}

fn confirm(gateway: &Gateway) -> Result<Reply, Refusal> {
    let Some(awaited) = Awaited::read(gateway.place()) else {
        return Err(Error::Refused("no generation waits to be confirmed".into()).into());
    };
    Awaited::forget(gateway.place())?;
    Ok(Reply::Applied(AppliedReply {
        generation: awaited.generation,
        unchanged: true,
        changes: Vec::new(),
        interfaces: Vec::new(),
        left: Vec::new(),
        warnings: String::new(),
        milliseconds: 0.0,
        confirm_until: None,
    }))
}

/// Rolls back what nobody confirmed in time. `None`: there is nothing to roll back yet.
pub fn roll_back_overdue(gateway: &mut Gateway) -> Option<Result<Reply, Refusal>> {
    let awaited = Awaited::read(gateway.place()).filter(|awaited| awaited.until <= now())?;
    let is_live = gateway.record().is_some_and(|record| record.generation == awaited.generation);
    if !is_live {
        return Awaited::forget(gateway.place()).err().map(|error| Err(error.into()));
    }
    let request = if awaited.is_first { Request::Detach } else { Request::Rollback };
    Some(perform(gateway, &request))
}

fn prefix(text: &str) -> Result<Cidr, Refusal> {
    text.parse().map_err(|error: policy::cidr::CidrError| Refusal::usage(error.to_string()))
}

fn prefixes(texts: &[String]) -> Result<Vec<Cidr>, Refusal> {
    texts.iter().map(|text| prefix(text)).collect()
}

pub fn reply(applied: &Applied) -> AppliedReply {
    let left = applied.announcements.iter().filter_map(|announcement| match announcement {
        Announcement::Left { what } => Some(what.clone()),
        _ => None,
    });
    AppliedReply {
        generation: applied.generation,
        unchanged: applied.unchanged,
        changes: applied.changes.clone(),
        interfaces: interfaces(&applied.announcements),
        left: left.collect(),
        warnings: render::text(&applied.warnings, &applied.sources, false),
        milliseconds: (applied.took.as_secs_f64() * 1e6).round() / 1e3,
        confirm_until: None,
    }
}

pub fn interfaces(announcements: &[Announcement]) -> Vec<InterfaceReply> {
    announcements.iter().filter_map(interface).collect()
}

fn interface(announcement: &Announcement) -> Option<InterfaceReply> {
    let (interface, what, mode, why) = match announcement {
        Announcement::Attached { interface, mode, fallback } => {
            (interface, "attached", Some(mode.name().into()), fallback.clone())
        }
        Announcement::Missing { interface } => (interface, "missing", None, None),
        Announcement::Detached { interface } => (interface, "detached", None, None),
        Announcement::Refused { interface, why } => (interface, "refused", None, Some(why.clone())),
        Announcement::Left { .. } => return None,
    };
    Some(InterfaceReply { interface: interface.clone(), what: what.into(), mode, why })
}
