//! `cargo xtask vm`: the kernel's and the lab's tests inside Debian's kernels, emulated by QEMU.

mod apt;
mod binaries;
mod cpio;
mod features;
mod guest;
mod image;
mod modules;
mod programs;
mod record;
mod report;
mod selection;
mod series;
mod tree;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use clap::Args;
use xtask::command::root;

use self::series::Series;
use self::{
    binaries::Built,
    guest::End,
    report::{Report, Said},
    series::Choice,
};
use crate::setup::{self, Purpose};

/// What one guest may take, and what one file of tests may take in it.
const PATIENCE: Duration = Duration::from_secs(900);
const PATIENCE_OF_A_FILE: Duration = Duration::from_secs(200);

/// Guests that run beside each other; each takes one processor.
const AT_ONCE: usize = 2;

#[derive(Debug, Args)]
pub struct VmArgs {
    /// Which kernel
    #[arg(long, value_enum, default_value = "all")]
    kernel: Choice,
    /// Only tests whose name, as the guests print it, contains this
    #[arg(long, value_name = "NAME")]
    test: Option<String>,
    /// Write what programs cost in the kernels into the budgets and, without --test, what they say into docs/kernels.md
    #[arg(long)]
    write: bool,
}

pub fn run(args: &VmArgs) -> Result<ExitCode> {
    setup::run(Purpose::Guests)?;
    if args.write && args.kernel != Choice::All {
        bail!("--write wants all kernels: docs/kernels.md has a column for each");
    }
    let passed = guests(&args.kernel.series(), args.test.as_deref(), args.write)?;
    println!("{passed} passed, 0 failed");
    Ok(ExitCode::SUCCESS)
}

/// Runs the tests in a guest of each series, and returns how many passed. An error if one failed, or did not run.
pub fn guests(series: &[Series], filter: Option<&str>, write: bool) -> Result<u64> {
    let begun = Instant::now();
    let mut built = binaries::build()?;
    selection::select(&mut built.tests, filter)?;
    let dir = target_dir().join("vm");
    fs::create_dir_all(&dir)?;
    let common = tree::common(&built, &dir)?;

    let mut reports: Vec<Option<Result<Report>>> = series.iter().map(|_| None).collect();
    let next = Mutex::new(series.iter().zip(&mut reports));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(series.len()) {
            scope.spawn(|| {
                loop {
                    let Some((series, report)) = next.lock().expect("nobody panics with it").next() else {
                        break;
                    };
                    *report = Some(one(*series, &built, &common, &dir, write));
                }
            });
        }
    });
    let mut good = Vec::new();
    let mut failed = Vec::new();
    for (series, report) in series.iter().zip(reports) {
        match report.expect("each was run") {
            Ok(report) => good.push((series.name(), report)),
            Err(error) => failed.push(format!("{}: {error:#}", series.name())),
        }
    }
    eprintln!("xtask: guests: {:.0} s", begun.elapsed().as_secs_f64());
    if !failed.is_empty() {
        bail!("{}", failed.join("\n"));
    }
    let reports: Vec<(&str, &Report)> = good.iter().map(|(name, report)| (*name, report)).collect();
    if write {
        record::write_budgets(&reports)?;
        if filter.is_none() {
            record::write_kernels(&reports)?;
        }
    } else if filter.is_none() && series.len() == Series::ALL.len() {
        record::check(&reports)?;
    }
    Ok(good.iter().map(|(_, report)| report.passed.len() as u64).sum())
}

/// Runs one guest and prints a line for each test.
fn one(series: Series, built: &Built, common: &Path, dir: &Path, write: bool) -> Result<Report> {
    let image = image::newest(series, &toolchain::cache().join("kernels"))?;
    let archive = tree::of_guest(common, &image, built, dir, write)?;
    let name = series.name();
    let begun = Instant::now();
    let mut file_begun = begun;
    let mut report = Report::default();
    let end = guest::run(&image, &archive, dir, PATIENCE, |line| match report.line(line) {
        Said::Nothing => {}
        Said::Up { release } => {
            file_begun = Instant::now();
            println!("{name:<6}  Linux {release} is up after {:.1} s", begun.elapsed().as_secs_f64());
        }
        Said::Passed { test, seconds } => println!("{name:<6}  {test} ... ok ({seconds:.1} s)"),
        Said::Failed { test, why } => println!("{name:<6}  {test} ... FAILED\n{}", why.trim_end()),
        // A test's seconds are the guest's; these are what it costs here.
        Said::Ended { file } => {
            println!("{name:<6}  {file}: {:.0} s", file_begun.elapsed().as_secs_f64());
            file_begun = Instant::now();
        }
        Said::Trouble(line) => println!("{name:<6}  {line}"),
    });
    let _ = fs::remove_file(&archive);
    let expected: Vec<String> = built
        .tests
        .iter()
        .flat_map(|binary| binary.tests.iter().map(|test| format!("{}::{test}", binary.name)))
        .collect();
    let missing = report.missing(expected.iter().map(String::as_str));
    let mut wrong = Vec::new();
    match end? {
        End::Done => {}
        End::Died(console) => wrong.push(format!("the guest ended by itself:\n{console}")),
        End::TooSlow(patience, console) => wrong.push(format!("not done after {patience:?}:\n{console}")),
    }
    if !report.failed.is_empty() {
        wrong.push(format!("failed: {}", report.failed.join(", ")));
    }
    if !missing.is_empty() {
        wrong.push(format!("not run: {}", missing.join(", ")));
    }
    println!(
        "{name:<6}  {} passed, {} failed, {} not run ({:.0} s)",
        report.passed.len(),
        report.failed.len(),
        missing.len(),
        begun.elapsed().as_secs_f64()
    );
    if !wrong.is_empty() {
        for line in &report.stderr {
            println!("{name:<6}  {line}");
        }
        bail!("{}", wrong.join("\n"));
    }
    Ok(report)
}

fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}
