//! Answers of a gateway, for people.

use std::io::Write as _;

use agent::{
    gateway::SetChange,
    request::{AppliedReply, InterfaceReply, Refusal},
};
use engine::Diagnosis;

use crate::{failure::Failure, render::say};

/// Tells all that is wrong with a configuration, and fails.
pub fn refusal(refusal: Refusal) -> Failure {
    write_text(&refusal.text);
    let Refusal { cause, remedy, exit_code, .. } = refusal;
    Failure::Explained(Diagnosis { cause, remedy, exit_code })
}

/// Text of several lines, on standard error.
pub fn write_text(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// What a new generation changed, where it is, and what it warns of.
pub fn applied(reply: &AppliedReply) -> Result<(), Failure> {
    write_text(&reply.warnings);
    interfaces(&reply.interfaces);
    let mut out = std::io::stdout().lock();
    for change in &reply.changes {
        writeln!(out, "{} {}", change.sign, change.text)?;
    }
    out.flush()?;
    let AppliedReply { generation, milliseconds, .. } = reply;
    if reply.unchanged {
        say(format_args!("generation {generation} is live already: nothing to change"));
    } else {
        say(format_args!("generation {generation} is live, after {milliseconds:.0} ms"));
    }
    for left in &reply.left {
        say(format_args!("left behind of the generation before: {left}"));
    }
    Ok(())
}

/// An edit that the live tables had no room for.
pub fn grown(change: &SetChange) {
    if let Some(generation) = change.generation {
        say(format_args!("the live tables had no room for it: it is in a new generation, {generation}"));
    }
}

/// What became of interfaces, on standard error.
pub fn interfaces(interfaces: &[InterfaceReply]) {
    for InterfaceReply { interface, what, mode, why } in interfaces {
        match (what.as_str(), mode, why) {
            ("attached", Some(mode), None) => say(format_args!("{interface}: attached in {mode} mode")),
            ("attached", _, Some(why)) => say(format_args!(
                "{interface}: attached in generic mode, slower than native, which was refused: {why}"
            )),
            ("missing", ..) => say(format_args!(
                "{interface}: not there; `senko run` attaches when it appears, as the next `senko apply` does"
            )),
            (_, _, Some(why)) => say(format_args!("{interface}: {what}: {why}")),
            _ => say(format_args!("{interface}: {what}")),
        }
    }
}
