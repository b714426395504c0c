//! `cargo xtask test`: what CI runs, and what a person runs. With `--guests`, Debian's kernels come last.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use toolchain::{Compiler, Toolchain};
use xtask::command::{cargo, is_root, needs_root, root, step};

use crate::{
    setup::{self, Purpose},
    vm::{self, Series, Wanted},
};

#[derive(Debug, Args)]
pub struct TestArgs {
    /// Only tests whose name contains this
    filter: Option<String>,
    /// Also in Debian's kernels, as guests
    #[arg(long, conflicts_with = "filter")]
    guests: bool,
}

/// Packages whose tests load eBPF programs or make network namespaces.
const NEED_ROOT: [&str; 3] = ["engine", "lab", "senko"];

pub fn run(args: &TestArgs) -> Result<ExitCode> {
    // Guests are for the whole suite; whoever names a test has `cargo xtask vm --test NAME`.
    let with_guests = is_root() && args.guests;
    setup::run(if with_guests { Purpose::Guests } else { Purpose::Tests })?;
    let toolchain = toolchain::find()?;
    step("format", &mut cargo(&["fmt", "--all", "--check"]))?;
    let lints = ["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"];
    step("clippy, host", &mut cargo(&lints))?;
    step("clippy, eBPF", &mut bpf_clippy(&toolchain)?)?;

    let mut tests = vec!["test", "--workspace"];
    if !is_root() {
        for package in NEED_ROOT {
            tests.extend(["--exclude", package]);
        }
    }
    tests.extend(["--lib", "--bins", "--tests"]);
    if let Some(filter) = &args.filter {
        tests.push(filter);
    }
    // Documentation's examples first: cargo prints a summary for each package, and the last line is the one to read.
    let mut examples = vec!["test", "--workspace", "--doc", "--quiet"];
    if !is_root() {
        for package in NEED_ROOT {
            examples.extend(["--exclude", package]);
        }
    }
    let mut passed = counted("documentation", &mut cargo(&examples))?;
    passed += counted("tests", &mut cargo(&tests))?;
    if with_guests {
        eprintln!("xtask: the tests in Debian's kernels");
        passed += vm::guests(&Series::ALL, Wanted::Quick, false)?;
    }
    println!("{passed} passed, 0 failed");
    if is_root() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("xtask: not run: the kernel and lab tests ({})", NEED_ROOT.join(", "));
    Ok(needs_root("that part", "cargo xtask test"))
}

/// Runs tests, shows their output, and returns how many passed.
fn counted(name: &str, command: &mut Command) -> Result<u64> {
    eprintln!("xtask: {name}");
    let mut child =
        command.stdout(Stdio::piped()).spawn().with_context(|| format!("{name}: cargo does not start"))?;
    let stdout = child.stdout.take().context("the pipe was asked for")?;
    let mut passed = 0;
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        println!("{line}");
        passed += line
            .strip_prefix("test result: ok. ")
            .and_then(|rest| rest.split(' ').next()?.parse::<u64>().ok())
            .unwrap_or(0);
    }
    if !child.wait()?.success() {
        bail!("{name}: failed");
    }
    Ok(passed)
}

/// Clippy as the eBPF compiler's own driver: rustup's stable one cannot read the other compiler's `core`.
fn bpf_clippy(toolchain: &Toolchain) -> Result<Command> {
    let mut command = toolchain.compiler.cargo();
    let check = ["-Zbuild-std=core", "--target", "bpfel-unknown-none", "--quiet"];
    match &toolchain.compiler {
        Compiler::RustupNightly { .. } => {
            command.arg("clippy").args(check).args(["--", "-D", "warnings"]);
        }
        Compiler::Debian { .. } => {
            let driver = setup::debian_clippy()?;
            command.arg("check").args(check);
            command.env("RUSTC_WORKSPACE_WRAPPER", driver).env("CLIPPY_ARGS", "-Dwarnings");
        }
    }
    command
        .current_dir(root().join("crates/dataplane"))
        .arg("--target-dir")
        .arg(target_dir().join("bpf-clippy"))
        .env("CARGO_ENCODED_RUSTFLAGS", "--cfg=bpf_target_arch=\"x86_64\"");
    if matches!(toolchain.compiler, Compiler::Debian { .. }) {
        command.env_remove("RUSTUP_TOOLCHAIN");
    }
    Ok(command)
}

fn target_dir() -> std::path::PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| Path::new(&dir).into())
}
