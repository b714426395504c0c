//! `cargo xtask fuzz`: compiled rules against the list read one by one, and inputs that reach ever more code.

mod targets;

use std::{
    process::ExitCode,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::Result;
use clap::Args;
use xtask::command::{cargo, is_root, needs_root, step};

use crate::setup::{self, Purpose};

/// Of so many pairs the kernel has one: each of its lists is a program that the verifier walks through.
const KERNEL: u64 = 200;

#[derive(Debug, Args)]
pub struct FuzzArgs {
    /// Only this: `rules`, or one of the targets packet, object, configuration, filter, pcapng
    only: Option<String>,
    /// Where to begin; without it, elsewhere each time
    #[arg(long)]
    seed: Option<u64>,
    /// Pairs of a list and a packet that must agree
    #[arg(long, default_value_t = 10_000_000)]
    pairs: u64,
    /// Give up when one of the two parts of `rules`, in this process and in the kernel, takes longer
    #[arg(long, value_name = "SECONDS", default_value_t = 1800)]
    time: u64,
    /// How long each target is tried
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    each: u64,
}

const RULES: &str = "rules";

pub fn run(args: &FuzzArgs) -> Result<ExitCode> {
    let wants = |name: &str| args.only.as_deref().is_none_or(|only| only == name);
    let chosen = targets::NAMES.into_iter().filter(|name| wants(name)).collect::<Vec<_>>();
    if chosen.is_empty() && !wants(RULES) {
        anyhow::bail!("there is `{RULES}`, and there are the targets {}", targets::NAMES.join(", "));
    }
    setup::run(Purpose::Build)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let seed = args.seed.unwrap_or(now.as_secs());
    eprintln!("xtask: fuzz with seed {seed}");
    if !chosen.is_empty() {
        targets::run(&chosen, seed, args.each)?;
    }
    if wants(RULES) { rules(args, seed) } else { Ok(ExitCode::SUCCESS) }
}

fn rules(args: &FuzzArgs, seed: u64) -> Result<ExitCode> {
    let begun = Instant::now();
    let part = |name: &str, package: &str, test: &str, filter: &str, pairs: u64| {
        let args_of = ["test", "--release", "--quiet", "--package", package, "--test", test, filter];
        step(
            name,
            cargo(&args_of)
                .args(["--", "--exact", "--nocapture"])
                .env("SENKO_FUZZ_SEED", seed.to_string())
                .env("SENKO_FUZZ_PAIRS", pairs.to_string())
                .env("SENKO_FUZZ_SECONDS", args.time.to_string()),
        )
    };
    part("compiled rules against the list", "firewall", "ruled", "fuzz::fuzz_compiled_rules", args.pairs)?;
    if !is_root() {
        println!("{} pairs agree (seed {seed}); none was tried in the kernel", args.pairs);
        return Ok(needs_root("the kernel's part", "cargo xtask fuzz"));
    }
    let of_kernel = args.pairs.div_ceil(KERNEL);
    part("the kernel against the list", "engine", "fuzz_rules", "fuzz_rules_in_the_kernel", of_kernel)?;
    println!(
        "{} pairs agree, and {of_kernel} in the kernel (seed {seed}, {:.0} s)",
        args.pairs,
        begun.elapsed().as_secs_f64()
    );
    Ok(ExitCode::SUCCESS)
}
