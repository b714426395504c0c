//! `senko doctor`: can this system and these interfaces run XDP, and what fixes what is missing.

use std::{io::Write as _, time::SystemTime};

use clap::Args;
use engine::exit;

use crate::{
    args::Global,
    doctor::{Report, gather, render},
    failure::Failure,
};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  senko doctor\n  senko doctor eth0 --probe\n  senko doctor eth0 --strict --json | jq .verdict"
)]
pub struct DoctorArgs {
    /// Interfaces to look at closely; without any, one line for each
    #[arg(value_name = "IFACE")]
    interfaces: Vec<String>,
    /// Attach a program that passes everything for a moment, to see whether the driver takes it; many drivers pause
    /// traffic while they do. Never on an interface that has a program
    #[arg(short, long, requires = "interfaces")]
    probe: bool,
    /// Exit with 7 when something needed is missing, with 3 when it took more privileges to find out
    #[arg(short, long)]
    strict: bool,
    /// Show every check on its own line, also those that passed
    #[arg(short, long)]
    all: bool,
}

pub fn run(args: &DoctorArgs, global: &Global) -> Result<u8, Failure> {
    let system = gather::system();
    let interfaces = gather::interfaces(&args.interfaces, args.probe, global.netns.as_deref())?;
    let report = Report::new(&system, &interfaces, &args.interfaces, SystemTime::now());

    let mut out = std::io::stdout().lock();
    if global.json {
        serde_json::to_writer_pretty(&mut out, &report).map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else {
        render::report(&mut out, &report, args.all)?;
    }
    out.flush()?;

    Ok(match &report.verdict {
        _ if !args.strict => 0,
        verdict if !verdict.missing.is_empty() => exit::DIFFERS,
        verdict if !verdict.undecided.is_empty() => exit::NOT_PERMITTED,
        _ => 0,
    })
}
