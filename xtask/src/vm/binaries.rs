//! The test binaries that cargo made, and the tests in them.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use xtask::command::cargo;

/// Crates whose tests ask something of the kernel.
const CRATES: [&str; 3] = ["engine", "lab", "senko"];

/// One file of tests.
#[derive(Debug)]
pub struct Binary {
    /// `engine::verifies`, or `engine::src` for the tests beside the code.
    pub name: String,
    pub path: PathBuf,
    /// Where cargo starts it.
    pub directory: PathBuf,
    pub tests: Vec<String>,
}

/// What was built.
#[derive(Debug)]
pub struct Built {
    pub tests: Vec<Binary>,
    /// `senko` and the other programs that tests start.
    pub programs: Vec<PathBuf>,
}

/// Builds the tests as `cargo xtask test` does, so that nothing is built twice.
pub fn build() -> Result<Built> {
    eprintln!("xtask: build the tests");
    let args = ["test", "--workspace", "--lib", "--bins", "--tests", "--no-run"];
    let mut command = cargo(&args);
    command.args(["--message-format=json-render-diagnostics", "--quiet"]).stderr(Stdio::inherit());
    let output = command.output().context("cargo does not start")?;
    if !output.status.success() {
        bail!("the tests do not build");
    }
    let mut built = Built { tests: Vec::new(), programs: Vec::new() };
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let message: Value = serde_json::from_str(line).context("cargo's messages")?;
        let Some(executable) = message["executable"].as_str() else { continue };
        let manifest = Path::new(message["manifest_path"].as_str().context("a manifest's path")?);
        let directory = manifest.parent().context("a manifest is in a folder")?;
        let package = directory.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if !CRATES.contains(&package) {
            continue;
        }
        if message["profile"]["test"] != Value::Bool(true) {
            built.programs.push(executable.into());
            continue;
        }
        let file = match message["target"]["kind"][0].as_str() {
            Some("test") => message["target"]["name"].as_str().context("a target's name")?,
            _ => "src",
        };
        built.tests.push(Binary {
            name: format!("{package}::{file}"),
            tests: list(Path::new(executable))?,
            path: executable.into(),
            directory: directory.into(),
        });
    }
    built.tests.retain(|binary| !binary.tests.is_empty());
    built.tests.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(built)
}

/// The names of a binary's tests.
fn list(binary: &Path) -> Result<Vec<String>> {
    let output = Command::new(binary).args(["--list", "--format", "terse"]).output()?;
    if !output.status.success() {
        bail!("{} does not list its tests", binary.display());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().filter_map(|line| Some(line.strip_suffix(": test")?.to_owned())).collect())
}
