//! `cargo xtask bench`: the figures of docs/performance.md.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use xtask::command::{cargo, is_root, needs_root, root, step};

use crate::setup::{self, Purpose};

#[derive(Debug, Args)]
pub struct BenchArgs {
    /// `firewall`: only its rows, of rules, lists, limits, live frames and beside nftables. The rest is passed on to
    /// `senko bench`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

/// Beginnings of the firewall's rows.
const FIREWALL: [&str; 4] = ["--only", "firewall", "--only", "rules:"];

pub fn run(args: &BenchArgs) -> Result<ExitCode> {
    setup::run(Purpose::Bench)?;
    step("build (release)", &mut cargo(&["build", "--release", "--quiet", "--package", "senko"]))?;
    if !is_root() {
        return Ok(needs_root("the bench", "cargo xtask bench"));
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
    let (chosen, rest) = match args.rest.split_first() {
        Some((word, rest)) if word == "firewall" => (&FIREWALL[..], rest),
        _ => (&[][..], &args.rest[..]),
    };
    let mut bench = std::process::Command::new(target.join("release/senko"));
    let status = bench.arg("bench").args(chosen).args(rest).status()?;
    match status.code() {
        Some(code) => Ok(ExitCode::from(code as u8)),
        None => bail!("senko bench was killed"),
    }
}
