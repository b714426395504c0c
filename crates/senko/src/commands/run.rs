//! `senko run`: the daemon.

use clap::Args;

use crate::{
    failure::Failure,
    gateway::{ConfigArgs, tell},
    render::say,
};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  senko run\n  senko run -c gateway.toml\n\nSIGHUP reads the configuration again; \
                        SIGTERM ends it and leaves the data path in place."
)]
pub struct RunArgs {
    #[command(flatten)]
    config: ConfigArgs,
}

pub fn run(args: &RunArgs) -> Result<u8, Failure> {
    if engine::mount::ensure_bpffs()? {
        say(format_args!("mounted a bpffs at {}: there was none", engine::mount::BPFFS));
    }
    agent::daemon::run(&args.config.path(), &|line| say(line)).map_err(tell::refusal)?;
    Ok(0)
}
