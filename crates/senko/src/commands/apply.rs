//! `senko apply`: makes the configuration live, in one step.

use std::io::Write as _;

use clap::Args;

use crate::{
    args::Global,
    failure::Failure,
    gateway::{self, ConfigArgs, tell},
    render::say,
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  senko apply\n  senko apply -c gateway.toml --json")]
pub struct ApplyArgs {
    #[command(flatten)]
    config: ConfigArgs,
}

pub fn run(args: &ApplyArgs, global: &Global) -> Result<u8, Failure> {
    let mut gateway = gateway::open()?;
    let applied = gateway.apply(&args.config.config, "apply").map_err(tell::refused)?;
    tell::announce(&applied.announcements);
    let document = tell::Document::from(&applied);
    if global.json {
        let mut out = std::io::stdout().lock();
        serde_json::to_writer_pretty(&mut out, &document).map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else if document.unchanged {
        say(format_args!("generation {} is live already: nothing to change", document.generation));
    } else {
        for change in &document.changes {
            println!("{} {}", change.sign, change.text);
        }
        say(format_args!(
            "generation {} is live, after {:.0} ms",
            document.generation, document.milliseconds
        ));
    }
    Ok(0)
}
