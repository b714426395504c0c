//! `senko bench`: ns per packet against the bare floor, of senko's own data path or of any object.

mod cable;
mod configured;
mod elements;
mod flows;
mod frames;
mod gateway;
mod limits;
mod lists;
mod live;
mod measure;
mod nft;
mod objects;
mod report;
mod rules;
mod suite;
mod trace;

use std::path::PathBuf;

use clap::Args;

use self::report::Report;
use crate::{args::Global, failure::Failure};

#[derive(Debug, Args)]
#[command(
    after_help = "Every figure is the median of 5 rounds on one CPU; each round begins with the floor, a program that \
                  only drops. Compare ratios of one run: machines are noisy.\n\nExamples:\n  \
                  senko bench\n  senko bench my_program.o"
)]
pub struct BenchArgs {
    /// Object files to measure; without any, senko's own data path
    #[arg(value_name = "OBJECT")]
    objects: Vec<PathBuf>,
    /// Only rows whose name contains this; can be given several times
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
    /// Print the table as Markdown, with the machine and its kernel
    #[arg(long)]
    markdown: bool,
    /// Exit 7 when a row misses its bar
    #[arg(long)]
    strict: bool,
}

pub fn run(args: &BenchArgs, global: &Global) -> Result<u8, Failure> {
    measure::pin_to_one_cpu()?;
    let mut report = Report::new(args.only.clone());
    if args.objects.is_empty() {
        suite::run(&mut report)?;
        rules::run(&mut report)?;
        limits::run(&mut report)?;
        live::run(&mut report)?;
        flows::run(&mut report)?;
        gateway::run(&mut report)?;
        elements::run(&mut report)?;
    } else {
        for path in &args.objects {
            objects::run(&mut report, path)?;
        }
    }
    report.write(&mut std::io::stdout().lock(), args.markdown, global.json)?;
    Ok(if args.strict && report.misses() { engine::exit::DIFFERS } else { 0 })
}
