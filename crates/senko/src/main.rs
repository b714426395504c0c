//! `senko`: one binary, one command per verb.

mod args;
mod commands;
mod doctor;
mod failure;
mod foreground;
mod gateway;
mod render;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    commands::completions::answer();
    let cli = args::Cli::parse();
    match commands::run(cli) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => failure.report(),
    }
}
