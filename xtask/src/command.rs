//! Running other programs.

use std::{
    path::Path,
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result, bail};

/// The workspace's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is inside the workspace")
}

/// Cargo, in the workspace's root.
pub fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(root());
    command
}

/// Runs a step and says which one it is; fails when it does.
pub fn step(name: &str, command: &mut Command) -> Result<()> {
    eprintln!("xtask: {name}");
    let status = command.status().with_context(|| format!("{name}: {command:?} does not start"))?;
    if !status.success() {
        bail!("{name}: failed ({status})");
    }
    Ok(())
}

pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Exit code 3 and the command that has the rights.
pub fn needs_root(what: &str, command: &str) -> ExitCode {
    eprintln!("xtask: {what} needs root (network namespaces and eBPF): run");
    eprintln!("  sudo -E env \"PATH=$PATH\" {command}");
    ExitCode::from(3)
}
