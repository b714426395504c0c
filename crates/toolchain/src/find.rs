//! Which compiler and linker are on this machine.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{BPF_LINKER_VERSION, OLDEST_LLVM};

/// A compiler that can build `core` for BPF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compiler {
    /// `rustup run nightly`, with the component `rust-src`.
    RustupNightly { llvm_major: u32 },
    /// Debian's `rustc-web`; any stable cargo drives it with `RUSTC_BOOTSTRAP=1`.
    Debian { rustc: PathBuf, llvm_major: u32 },
}

impl Compiler {
    /// LLVM's major version, which the linker's must equal: bitcode of a newer one cannot be read.
    pub fn llvm_major(&self) -> u32 {
        match self {
            Self::RustupNightly { llvm_major } | Self::Debian { llvm_major, .. } => *llvm_major,
        }
    }

    pub fn describe(&self) -> String {
        match self {
            Self::RustupNightly { llvm_major } => format!("rustup nightly with rust-src (LLVM {llvm_major})"),
            Self::Debian { rustc, llvm_major } => {
                format!("Debian's rustc-web at {} (LLVM {llvm_major})", rustc.display())
            }
        }
    }

    /// A `cargo` that compiles with this compiler.
    pub fn cargo(&self) -> Command {
        match self {
            Self::RustupNightly { .. } => {
                let mut command = Command::new("rustup");
                command.args(["run", "nightly", "cargo"]);
                command.env_remove("RUSTC");
                command
            }
            Self::Debian { rustc, .. } => {
                let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
                command.env("RUSTC", rustc).env("RUSTC_BOOTSTRAP", "1");
                command
            }
        }
    }
}

/// What building needs: a compiler and its linker.
#[derive(Debug, Clone)]
pub struct Toolchain {
    pub compiler: Compiler,
    pub linker: PathBuf,
}

/// What is not there. The display text is what a user reads at the end of a failed `cargo build`.
#[derive(Debug, PartialEq, Eq)]
pub enum Missing {
    Compiler,
    Linker { llvm_major: u32 },
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Compiler => write!(
                f,
                "no compiler for eBPF (rustup nightly with rust-src, or Debian's rustc-web with rust-web-src): run `cargo xtask setup`"
            ),
            Self::Linker { llvm_major } => write!(
                f,
                "no bpf-linker {BPF_LINKER_VERSION} built against LLVM {llvm_major}: run `cargo xtask setup`"
            ),
        }
    }
}

impl std::error::Error for Missing {}

/// The toolchain of this machine.
pub fn find() -> Result<Toolchain, Missing> {
    let compiler = find_compiler().ok_or(Missing::Compiler)?;
    let llvm_major = compiler.llvm_major();
    let linker = linker_path(llvm_major).ok_or(Missing::Linker { llvm_major })?;
    Ok(Toolchain { compiler, linker })
}

/// The compiler of this machine: rustup's where it can, because it is what most developers update.
pub fn find_compiler() -> Option<Compiler> {
    rustup_nightly()
        .or_else(|| debian(Path::new("/usr/bin/rustc")))
        .filter(|compiler| compiler.llvm_major() >= OLDEST_LLVM)
}

/// Where `cargo xtask setup` installs the linker for one LLVM; a second version never overwrites the first.
pub fn linker_dir(llvm_major: u32) -> PathBuf {
    cache().join(format!("bpf-linker-{BPF_LINKER_VERSION}-llvm{llvm_major}"))
}

/// The folder for what setup installs.
pub fn cache() -> PathBuf {
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).unwrap_or_else(|| home().join(".cache"));
    cache.join("senko")
}

fn linker_path(llvm_major: u32) -> Option<PathBuf> {
    if let Some(path) = env::var_os("BPF_LINKER") {
        return Some(path.into());
    }
    let path = linker_dir(llvm_major).join("bin/bpf-linker");
    path.exists().then_some(path)
}

fn home() -> PathBuf {
    env::var_os("HOME").unwrap_or_else(|| OsString::from("/root")).into()
}

fn rustup_nightly() -> Option<Compiler> {
    let run = |args: &[&str]| output(Command::new("rustup").args(["run", "nightly", "rustc"]).args(args));
    let sysroot = run(&["--print", "sysroot"])?;
    let sources = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/core");
    let llvm_major = llvm_major(&run(&["-vV"])?)?;
    sources.exists().then_some(Compiler::RustupNightly { llvm_major })
}

fn debian(rustc: &Path) -> Option<Compiler> {
    let sysroot = output(Command::new(rustc).args(["--print", "sysroot"]))?;
    let sources = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/core");
    let llvm_major = llvm_major(&output(Command::new(rustc).arg("-vV"))?)?;
    sources.exists().then(|| Compiler::Debian { rustc: rustc.into(), llvm_major })
}

/// Cargo hands its own toolchain to build scripts through these, which would make rustup's proxies answer
/// for the wrong one.
fn output(command: &mut Command) -> Option<String> {
    let out = command.env_remove("RUSTUP_TOOLCHAIN").env_remove("RUSTC").output().ok()?;
    out.status.success().then(|| String::from_utf8_lossy(&out.stdout).into_owned())
}

fn llvm_major(version: &str) -> Option<u32> {
    let line = version.lines().find_map(|line| line.strip_prefix("LLVM version: "))?;
    line.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn llvm_major_is_read_from_rustc_vv() {
        assert_eq!(llvm_major("rustc 1.96.0\nrelease: 1.96.0\nLLVM version: 22.1.8\n"), Some(22));
        assert_eq!(llvm_major("rustc 1.96.0\n"), None);
    }

    #[test]
    fn what_is_missing_names_the_command_that_installs_it() {
        for missing in [Missing::Compiler, Missing::Linker { llvm_major: 22 }] {
            assert!(missing.to_string().ends_with("run `cargo xtask setup`"));
        }
    }
}
