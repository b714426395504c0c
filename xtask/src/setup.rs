//! `cargo xtask setup`: the eBPF toolchain, and the programs that tests and demo call.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    sync::Once,
};

use anyhow::{Context as _, Result, bail};
use toolchain::{BPF_LINKER_VERSION, Compiler, DEBIAN_COMPILER_PACKAGES};
use xtask::command::{cargo, is_root, step};

/// Programs that the lab and the demo call, and Debian's packages that hold them.
const LAB: [(&str, &str); 4] =
    [("ip", "iproute2"), ("ping", "iputils-ping"), ("ethtool", "ethtool"), ("tcpdump", "tcpdump")];

/// What the tests call beside those.
const TESTS: [(&str, &str); 7] = [
    ("cpio", "cpio"),
    ("clang", "clang"),
    ("bpftool", "bpftool"),
    ("dpkg-deb", "dpkg"),
    ("strip", "binutils"),
    ("man", "man-db"),
    ("systemd-analyze", "systemd"),
];

/// What guests are made of and run by.
const GUESTS: [(&str, &str); 3] =
    [("qemu-system-x86_64", "qemu-system-x86"), ("busybox", "busybox-static"), ("xz", "xz-utils")];

/// What senko is measured beside, and what tests look at marks with.
const BENCH: [(&str, &str); 1] = [("nft", "nftables")];

/// Headers for the C objects of the tests.
const BPF_HEADERS: (&str, &str) = ("/usr/include/bpf/bpf_helpers.h", "libbpf-dev");

/// What is going to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    Build,
    Demo,
    Bench,
    Tests,
    /// The tests inside other kernels, too.
    Guests,
}

pub fn run(purpose: Purpose) -> Result<ExitCode> {
    let mut done = Vec::new();
    let compiler = compiler(&mut done)?;
    linker(&compiler, &mut done)?;
    if purpose >= Purpose::Demo {
        programs(&LAB, None, &mut done)?;
    }
    if purpose >= Purpose::Bench {
        programs(&BENCH, None, &mut done)?;
    }
    if purpose >= Purpose::Tests {
        programs(&TESTS, Some(BPF_HEADERS), &mut done)?;
        promtool(&mut done)?;
    }
    if purpose >= Purpose::Guests {
        programs(&GUESTS, None, &mut done)?;
    }
    if done.is_empty() {
        eprintln!("xtask: nothing to do: {}, bpf-linker {BPF_LINKER_VERSION}", compiler.describe());
    } else {
        eprintln!("xtask: installed {}", done.join(", "));
    }
    Ok(ExitCode::SUCCESS)
}

fn compiler(done: &mut Vec<String>) -> Result<Compiler> {
    if let Some(compiler) = toolchain::find_compiler() {
        return Ok(compiler);
    }
    if apt_has(DEBIAN_COMPILER_PACKAGES[0]) {
        apt_install(&DEBIAN_COMPILER_PACKAGES.map(String::from))?;
    } else if on_path("rustup") {
        let install =
            ["toolchain", "install", "nightly", "--profile", "minimal", "-c", "rust-src", "-c", "clippy"];
        step("install rustup's nightly with rust-src", Command::new("rustup").args(install))?;
    }
    match toolchain::find_compiler() {
        Some(compiler) => {
            done.push(compiler.describe());
            Ok(compiler)
        }
        None => bail!(
            "no compiler for eBPF: install rustup (https://rustup.rs) and run `rustup toolchain install nightly -c rust-src`"
        ),
    }
}

fn linker(compiler: &Compiler, done: &mut Vec<String>) -> Result<()> {
    if toolchain::find().is_ok() {
        return Ok(());
    }
    let major = compiler.llvm_major();
    if llvm_prefix(major).is_none() && apt_has(&format!("llvm-{major}-dev")) {
        apt_install(&[
            format!("llvm-{major}-dev"),
            format!("libpolly-{major}-dev"),
            "libzstd-dev".into(),
            "zlib1g-dev".into(),
            "libxml2-dev".into(),
        ])?;
    }
    let Some(prefix) = llvm_prefix(major) else {
        bail!(
            "bpf-linker needs LLVM {major} with its headers (llvm-config-{major}); install it and run `cargo xtask setup` again"
        )
    };
    let dir = toolchain::linker_dir(major);
    fs::create_dir_all(&dir)?;
    let feature = format!("llvm-{major}");
    let args =
        ["install", "bpf-linker", "--version", BPF_LINKER_VERSION, "--locked", "--no-default-features"];
    step(
        &format!("build bpf-linker {BPF_LINKER_VERSION} against LLVM {major} (once, about a minute)"),
        cargo(&args).args(["--features", &feature]).arg("--root").arg(&dir).env("LLVM_PREFIX", prefix),
    )?;
    done.push(format!("bpf-linker {BPF_LINKER_VERSION} in {}", dir.display()));
    Ok(())
}

/// Programs on the path, and a file, with the packages that hold them.
fn programs(
    programs: &[(&'static str, &'static str)],
    file: Option<(&'static str, &'static str)>,
    done: &mut Vec<String>,
) -> Result<()> {
    let missing = programs.iter().copied().filter(|(program, _)| !on_path(program));
    let missing: Vec<_> = missing.chain(file.filter(|(path, _)| !Path::new(path).exists())).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<String> = missing.iter().map(|(_, package)| (*package).into()).collect();
    if !apt_has(&packages[0]) {
        let names: Vec<&str> = missing.iter().map(|(program, _)| *program).collect();
        bail!("these are called and not here: {}; install them", names.join(", "));
    }
    apt_install(&packages)?;
    done.extend(packages);
    Ok(())
}

/// Prometheus' checker, out of Debian's package: the server that it comes with is not installed.
fn promtool(done: &mut Vec<String>) -> Result<()> {
    if toolchain::promtool().is_some() {
        return Ok(());
    }
    if !apt_has("prometheus") {
        bail!("tests call promtool, which is not here: install Prometheus' tools");
    }
    let dir = toolchain::promtool_dir();
    let unpacked = dir.join("unpacked");
    fs::create_dir_all(&unpacked)?;
    let download = ["-o", "APT::Sandbox::User=root", "download", "prometheus"];
    step("download promtool (19 MB)", apt(&download).current_dir(&unpacked))?;
    let package = fs::read_dir(&unpacked)?.next().context("apt-get downloaded nothing")??.path();
    step("unpack promtool", Command::new("dpkg-deb").arg("-x").args([&package, &unpacked]))?;
    fs::rename(unpacked.join("usr/bin/promtool"), dir.join("promtool"))?;
    fs::remove_dir_all(&unpacked)?;
    done.push(format!("promtool in {}", dir.display()));
    Ok(())
}

/// The command `cargo fuzz`, and what it and its targets' first inputs need.
pub fn cargo_fuzz() -> Result<PathBuf> {
    const VERSION: &str = "0.13.2";
    let mut done = Vec::new();
    programs(&[("g++", "g++"), ("clang", "clang")], Some(BPF_HEADERS), &mut done)?;
    let dir = toolchain::cache().join(format!("cargo-fuzz-{VERSION}"));
    let command = dir.join("bin/cargo-fuzz");
    if !command.exists() {
        let args = ["install", "cargo-fuzz", "--version", VERSION, "--locked"];
        step(&format!("build cargo-fuzz {VERSION} (once)"), cargo(&args).arg("--root").arg(&dir))?;
    }
    Ok(command)
}

/// Where LLVM with headers is: Debian's folder, or what `llvm-config-N` says.
fn llvm_prefix(major: u32) -> Option<PathBuf> {
    let debian = PathBuf::from(format!("/usr/lib/llvm-{major}"));
    if debian.join("include/llvm-c").exists() {
        return Some(debian);
    }
    let out =
        Command::new(format!("llvm-config-{major}")).arg("--prefix").stderr(Stdio::null()).output().ok()?;
    out.status.success().then(|| PathBuf::from(String::from_utf8_lossy(&out.stdout).trim()))
}

fn on_path(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")])
        .any(|dir| dir.join(program).exists())
}

/// Whether apt knows the package.
fn apt_has(package: &str) -> bool {
    if !on_path("apt-get") {
        return false;
    }
    fetch_lists();
    let out = Command::new("apt-cache").args(["show", "--no-all-versions", package]).output();
    out.is_ok_and(|out| out.status.success() && !out.stdout.is_empty())
}

/// An image's lists are as old as the image, and name a compiler from before its security updates, or packages that are
/// gone: they are fetched once, before anything is looked up. Without a network the old ones must do.
fn fetch_lists() {
    static ONCE: Once = Once::new();
    if is_root() {
        ONCE.call_once(|| {
            let _ = step("fetch apt's lists", &mut apt(&["update"]));
        });
    }
}

fn apt_install(packages: &[String]) -> Result<()> {
    if !is_root() {
        bail!("missing packages: run\n  sudo apt-get install -y {}", packages.join(" "));
    }
    fetch_lists();
    let name = format!("apt-get install {}", packages.join(" "));
    step(&name, apt(&["install", "-y", "--no-install-recommends"]).args(packages))
}

fn apt(args: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command
        .arg("-q")
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

/// Debian's clippy for its own compiler; installed when it is missing.
pub fn debian_clippy() -> Result<PathBuf> {
    let driver = PathBuf::from("/usr/bin/clippy-driver");
    if !driver.exists() {
        apt_install(&["rust-web-clippy".into()])?;
    }
    if driver.exists() { Ok(driver) } else { bail!("Debian's rust-web-clippy has no {}", driver.display()) }
}
