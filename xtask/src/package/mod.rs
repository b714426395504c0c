//! `cargo xtask package`: the Debian package.

mod control;
mod depends;
mod tree;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use self::{depends::Needs, tree::Tree};
use crate::command::{cargo, root, step};

#[derive(Debug, Args)]
pub struct PackageArgs {
    /// Package the debug build, packed quickly: to try the package, not to hand it on
    #[arg(long)]
    dev: bool,
    /// Where the package goes [default: target/package]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// How hard to compress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    Quick,
    Small,
}

/// Builds and packs; the package's path is alone on standard output.
pub fn run(args: &PackageArgs) -> Result<ExitCode> {
    let mut build = cargo(&["build", "--quiet", "--package", "senko", "--locked"]);
    let (profile, packing) = if args.dev { ("debug", Packing::Quick) } else { ("release", Packing::Small) };
    if !args.dev {
        build.arg("--release");
    }
    step(&format!("build ({profile})"), &mut build)?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
    let out = args.out.clone().unwrap_or_else(|| target.join("package"));
    println!("{}", debian(&target.join(profile).join("senko"), &out, packing)?.display());
    Ok(ExitCode::SUCCESS)
}

/// Makes the package of a `senko` that was built, in the folder `out`.
pub fn debian(senko: &Path, out: &Path, packing: Packing) -> Result<PathBuf> {
    let elf = fs::read(senko).with_context(|| format!("cannot read {}", senko.display()))?;
    let needs = Needs::of(&elf).with_context(|| senko.display().to_string())?;
    drop(elf);
    let name = format!("senko_{}_{}", control::VERSION, needs.architecture);
    let tree = Tree::new(out.join(&name))?;
    program(&tree, senko)?;
    manual(&tree, senko)?;
    completions(&tree, senko)?;
    data(&tree)?;
    let epoch = epoch();
    documents(&tree, epoch)?;
    let control = control::text(&needs.packages()?, needs.architecture, tree.kibibytes()?);
    tree.text("DEBIAN/control", &control)?;
    tree.text("DEBIAN/conffiles", "/etc/senko/senko.toml\n")?;
    for script in ["postinst", "prerm", "postrm"] {
        tree.program(&format!("DEBIAN/{script}"), &root().join("packaging/debian").join(script))?;
    }
    let package = out.join(format!("{name}.deb"));
    let packing: &[&str] = match packing {
        Packing::Quick => &["-Zgzip", "-z1"],
        Packing::Small => &["-Zxz"],
    };
    let mut pack = Command::new("dpkg-deb");
    pack.arg("--root-owner-group").args(packing).arg("--build").arg(tree.root()).arg(&package);
    output(pack.env("SOURCE_DATE_EPOCH", epoch.to_string()))?;
    fs::remove_dir_all(tree.root())?;
    Ok(package)
}

fn program(tree: &Tree, senko: &Path) -> Result<()> {
    tree.program("usr/bin/senko", senko)?;
    output(Command::new("strip").arg("--strip-unneeded").arg(tree.path("usr/bin/senko"))).map(drop)
}

/// The binary knows its own commands.
fn manual(tree: &Tree, senko: &Path) -> Result<()> {
    let pages = tree.path("pages");
    output(Command::new(senko).arg("man").arg(&pages))?;
    for page in fs::read_dir(&pages)? {
        let page = page?;
        let name = page.file_name().into_string().unwrap_or_default();
        tree.compressed(&format!("usr/share/man/man1/{name}.gz"), &fs::read(page.path())?)?;
    }
    fs::remove_dir_all(&pages)?;
    let page = fs::read(root().join("packaging/man/senko.toml.5"))?;
    tree.compressed("usr/share/man/man5/senko.toml.5.gz", &page)
}

fn completions(tree: &Tree, senko: &Path) -> Result<()> {
    let script = |shell: &str| output(Command::new(senko).args(["completions", shell]));
    tree.text("usr/share/bash-completion/completions/senko", &script("bash")?)?;
    tree.text("usr/share/fish/vendor_completions.d/senko.fish", &script("fish")?)?;
    // zsh reads the file at the first Tab, as the body of the function `_senko`: it must answer that one, too.
    let answer = "[[ $funcstack[1] == _senko ]] && _clap_dynamic_completer_senko \"$@\"\n";
    tree.text("usr/share/zsh/vendor-completions/_senko", &(script("zsh")? + answer))
}

fn data(tree: &Tree) -> Result<()> {
    let packaging = root().join("packaging");
    let files = [
        ("usr/lib/systemd/system/senko.service", "systemd/senko.service"),
        ("usr/lib/sysusers.d/senko.conf", "systemd/senko.sysusers"),
        ("etc/senko/senko.toml", "senko.toml"),
        ("usr/share/senko/grafana/senko.json", "grafana/senko.json"),
        ("usr/share/senko/prometheus/alerts.yml", "prometheus/alerts.yml"),
    ];
    for (to, from) in files {
        tree.copy(to, &packaging.join(from))?;
    }
    tree.folder("etc/senko/conf.d")
}

/// Documents, with the links between them as in the sources.
fn documents(tree: &Tree, epoch: u64) -> Result<()> {
    let doc = "usr/share/doc/senko";
    tree.copy(&format!("{doc}/copyright"), &root().join("packaging/debian/copyright"))?;
    for file in ["README.md", "ARCHITECTURE.md"] {
        tree.copy(&format!("{doc}/{file}"), &root().join(file))?;
    }
    for document in fs::read_dir(root().join("docs"))? {
        let document = document?;
        let name = document.file_name().into_string().unwrap_or_default();
        tree.copy(&format!("{doc}/docs/{name}"), &document.path())?;
    }
    tree.compressed(&format!("{doc}/changelog.gz"), &fs::read(root().join("CHANGELOG.md"))?)?;
    let date = output(Command::new("date").args(["-R", "-u", "-d", &format!("@{epoch}")]))?;
    let changes = control::changelog(date.trim());
    tree.compressed(&format!("{doc}/changelog.Debian.gz"), changes.as_bytes())
}

/// The newest time in the package, so that equal sources make equal packages: that of the commit.
fn epoch() -> u64 {
    let given = std::env::var("SOURCE_DATE_EPOCH").ok();
    let commit = || output(Command::new("git").args(["log", "-1", "--format=%ct"]).current_dir(root())).ok();
    given.or_else(commit).and_then(|time| time.trim().parse().ok()).unwrap_or(0)
}

/// Standard output of a program that must succeed.
fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let out = command
        .output()
        .with_context(|| format!("`{name}` does not start; `cargo xtask setup` installs what is needed"))?;
    if !out.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&out.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}
