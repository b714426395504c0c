//! `senko plan`: what `apply` would change.

use std::io::Write as _;

use agent::{config::render, gateway, lines::Change, place::Place, request::Refusal, session};
use clap::Args;
use engine::exit;
use serde::Serialize;

use crate::{
    args::Global,
    failure::Failure,
    gateway::{ConfigArgs, print_document, tell},
    render::say,
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  senko plan\n  senko plan -c gateway.toml --json || echo differs")]
pub struct PlanArgs {
    #[command(flatten)]
    config: ConfigArgs,
}

/// The document of `--json`.
#[derive(Debug, Serialize)]
struct Document {
    /// The generation that is live; `null`: none is.
    live: Option<u64>,
    differs: bool,
    changes: Vec<Change>,
}

/// Exit code 7 when something would change.
pub fn run(args: &PlanArgs, global: &Global) -> Result<u8, Failure> {
    let mut preview = gateway::preview(&Place::here()?, &args.config.path())
        .map_err(|refused| tell::refusal(Refusal::from(refused)))?;
    session::warn(&preview.config, &preview.edits, &mut preview.warnings)?;
    tell::write_text(&render::text(&preview.warnings, &preview.sources, false));
    let document = Document { live: preview.from, differs: !preview.unchanged, changes: preview.changes };
    if global.json {
        print_document(&document)?;
    } else {
        let mut out = std::io::stdout().lock();
        for change in &document.changes {
            writeln!(out, "{} {}", change.sign, change.text)?;
        }
        out.flush()?;
        match (document.differs, document.live) {
            (false, Some(live)) => say(format_args!("generation {live} is what the configuration says")),
            (_, Some(live)) => say(format_args!("generation {live} is live; `senko apply` makes the next")),
            (_, None) => say("no gateway is live here; `senko apply` starts it"),
        }
    }
    Ok(if document.differs { exit::DIFFERS } else { 0 })
}
