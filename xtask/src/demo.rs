//! `cargo xtask demo`: builds all it needs, then hands over to the demo itself.

use std::{os::unix::process::CommandExt as _, process::ExitCode};

use anyhow::{Context as _, Result};
use xtask::command::{cargo, is_root, needs_root, root, step};

use crate::setup::{self, Purpose};

pub fn run() -> Result<ExitCode> {
    setup::run(Purpose::Demo)?;
    let build = ["build", "--release", "--quiet", "--package", "senko", "--package", "demo"];
    step("build (release)", &mut cargo(&build))?;
    if !is_root() {
        return Ok(needs_root("the demo", "cargo xtask demo"));
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
    let bin = target.join("release");
    // In our place, so that Ctrl-C reaches it directly and its exit code is ours.
    let error = std::process::Command::new(bin.join("senko-demo")).arg(bin.join("senko")).exec();
    Err(error).context("the demo does not start")
}
