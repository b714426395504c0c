//! Building one eBPF crate into one object file.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Stdio,
};

use crate::{TARGET_CPU, Toolchain};

const TARGET: &str = "bpfel-unknown-none";

/// An eBPF crate to build.
#[derive(Debug, Clone, Copy)]
pub struct Object<'a> {
    /// The folder of its `Cargo.toml`.
    pub manifest_dir: &'a Path,
    /// Its binary's name.
    pub bin: &'a str,
    pub features: &'a [&'a str],
    /// Cargo's target folder: never the one of a cargo that is running, which holds its lock.
    pub target_dir: &'a Path,
}

#[derive(Debug)]
pub enum BuildError {
    Spawn(io::Error),
    /// Cargo's own messages.
    Cargo(String),
    Copy(PathBuf, io::Error),
}

impl std::fmt::Display for BuildError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Spawn(error) => {
                write!(f, "cargo for eBPF does not start: {error}; run `cargo xtask setup`")
            }
            Self::Cargo(messages) => write!(f, "the eBPF build failed:\n{messages}"),
            Self::Copy(path, error) => write!(f, "cannot read the object {}: {error}", path.display()),
        }
    }
}

impl std::error::Error for BuildError {}

/// Builds `object` and returns the path of the linked ELF file.
pub fn build(toolchain: &Toolchain, object: &Object<'_>) -> Result<PathBuf, BuildError> {
    let flags = [
        format!("-Ctarget-cpu={TARGET_CPU}"),
        "-Cdebuginfo=2".into(),
        "-Clink-arg=--btf".into(),
        format!("-Clinker={}", toolchain.linker.display()),
        "--cfg=bpf_target_arch=\"x86_64\"".into(),
    ];
    let mut cargo = toolchain.compiler.cargo();
    cargo
        .current_dir(object.manifest_dir)
        .args(["build", "--release", "-Zbuild-std=core", "--target", TARGET, "--bin", object.bin])
        .arg("--features")
        .arg(object.features.join(","))
        .arg("--target-dir")
        .arg(object.target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        // The outer cargo's choices are about the host's compiler.
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("RUSTC_WRAPPER")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("CARGO_PROFILE_RELEASE_DEBUG")
        .stdin(Stdio::null());
    let out = cargo.output().map_err(BuildError::Spawn)?;
    if !out.status.success() {
        return Err(BuildError::Cargo(String::from_utf8_lossy(&out.stderr).into_owned()));
    }
    let built = object.target_dir.join(TARGET).join("release").join(object.bin);
    fs::metadata(&built).map_err(|error| BuildError::Copy(built.clone(), error))?;
    Ok(built)
}
