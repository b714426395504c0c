//! `cargo xtask build-bpf DIR`: somebody's own eBPF crate, with the toolchain that `setup` made.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use toolchain::Object;
use xtask::command::root;

#[derive(Debug, Args)]
pub struct BuildBpfArgs {
    /// Folder of the crate: its binary, named as the package, becomes the object
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

/// Prints the object's path, alone on standard output, so that `$(cargo xtask build-bpf DIR)` is an argument.
pub fn run(args: &BuildBpfArgs) -> Result<ExitCode> {
    let toolchain = toolchain::find()?;
    let bin = package_name(&args.dir)?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
    // Absolute, since cargo runs in the crate's folder.
    let target = std::path::absolute(target.join("build-bpf"))?;
    let object = Object { manifest_dir: &args.dir, bin: &bin, features: &[], target_dir: &target };
    println!("{}", toolchain::build(&toolchain, &object)?.display());
    Ok(ExitCode::SUCCESS)
}

fn package_name(dir: &Path) -> Result<String> {
    let path = dir.join("Cargo.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let manifest: toml::Table = text.parse().with_context(|| path.display().to_string())?;
    match manifest.get("package").and_then(|package| package.get("name")?.as_str()) {
        Some(name) => Ok(name.into()),
        None => bail!("{} has no package.name", path.display()),
    }
}
