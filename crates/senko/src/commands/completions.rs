//! `senko completions`.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::{args::Cli, failure::Failure};

#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// bash, zsh, fish, elvish or powershell
    shell: Shell,
}

pub fn run(args: &CompletionsArgs) -> Result<u8, Failure> {
    clap_complete::generate(args.shell, &mut Cli::command(), "senko", &mut std::io::stdout());
    Ok(0)
}
