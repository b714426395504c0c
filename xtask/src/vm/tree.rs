//! The guest's file system: busybox, the called programs, senko and the tests where cargo put them, this kernel's modules.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{BufWriter, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use xtask::command::root;

use super::{
    binaries::Built,
    cpio::Archive,
    image::Image,
    modules,
    programs::{self, Files},
};

const INIT: &str = include_str!("init.sh");

/// Where the vectors are that tests read: in each function's `tests/vectors`.
const FUNCTIONS: &str = "crates/functions";

/// Writes the part that all guests share.
pub fn common(built: &Built, dir: &Path) -> Result<PathBuf> {
    let mut files = Files::new();
    programs::add(&mut files)?;
    let stripped = dir.join("stripped");
    fs::create_dir_all(&stripped)?;
    for path in built.tests.iter().map(|binary| &binary.path).chain(&built.programs) {
        programs::with_libraries(path, &strip(path, &stripped)?, &mut files)?;
    }
    let vectors = vectors()?;
    for path in &vectors {
        files.insert(path.clone(), path.clone());
    }

    let path = dir.join("common.cpio");
    let mut archive = Archive::new(BufWriter::new(File::create(&path)?));
    for directory in ["proc", "sys", "dev", "run", "tmp", "root", "modules", "boot", "var/tmp"] {
        archive.directory(directory)?;
    }
    archive.link("/var/run", "/run")?;
    archive.character_device("/dev/console", 5, 1)?;
    archive.file(
        "/etc/passwd",
        0o644,
        b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\ntcpdump:x:101:102::/:/bin/false\n",
    )?;
    archive.file("/etc/group", 0o644, b"root:x:0:\ntcpdump:x:102:\nnogroup:x:65534:\n")?;
    archive.file("/init", 0o755, INIT.as_bytes())?;
    busybox(&mut archive, &files)?;
    archive.directory(&text(&root().join("crates/testkit"))?)?;
    for binary in &built.tests {
        archive.directory(&text(&binary.directory)?)?;
        if let Some(target) = binary.path.ancestors().nth(3) {
            // CARGO_TARGET_TMPDIR
            archive.directory(&text(&target.join("tmp"))?)?;
        }
    }
    for (path, contents) in &files {
        let mode = fs::metadata(contents)?.permissions().mode() & 0o777;
        let contents = fs::read(contents).with_context(|| contents.display().to_string())?;
        archive.file(&text(path)?, mode, &contents)?;
    }
    archive.finish()?;
    Ok(path)
}

/// The files of vectors. Tests find them beside their crate, so that its directory must be there, too.
fn vectors() -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for function in fs::read_dir(root().join(FUNCTIONS))? {
        let Ok(entries) = fs::read_dir(function?.path().join("tests/vectors")) else { continue };
        for entry in entries {
            paths.push(entry?.path());
        }
    }
    if paths.is_empty() {
        bail!("no vectors below {FUNCTIONS}");
    }
    Ok(paths)
}

/// Writes one guest's whole archive: the common part, and behind it what is this kernel's.
pub fn of_guest(common: &Path, image: &Image, built: &Built, dir: &Path, write: bool) -> Result<PathBuf> {
    let path = dir.join(format!("{}.cpio", image.series.name()));
    fs::copy(common, &path).with_context(|| path.display().to_string())?;
    let mut archive = Archive::new(Vec::new());
    let mut order = String::new();
    for module in modules::wanted(&image.modules)? {
        writeln!(order, "{}", module.name)?;
        archive.file(&format!("/modules/{}.ko", module.name), 0o644, &module.contents)?;
    }
    archive.file("/modules/order", 0o644, order.as_bytes())?;
    archive.file(&format!("/boot/config-{}", image.release), 0o644, &fs::read(&image.config)?)?;
    archive.file("/tests.sh", 0o644, script(built, image.series.name(), write)?.as_bytes())?;
    let own = archive.finish()?;
    fs::OpenOptions::new().append(true).open(&path)?.write_all(&own)?;
    Ok(path)
}

/// What the guest's first process reads: a line for each file of tests.
fn script(built: &Built, kernel: &str, write: bool) -> Result<String> {
    let mut script = format!("export SENKO_KERNEL={kernel}\n");
    if write {
        script.push_str("export SENKO_WRITE_BUDGETS=1\n");
    }
    let is_senko = |path: &&PathBuf| path.file_name().is_some_and(|name| name == "senko");
    let senko = built.programs.iter().find(is_senko).context("cargo built no senko")?;
    writeln!(script, "'{}' doctor --json >/run/report/doctor.json 2>/dev/null", text(senko)?)?;
    for binary in &built.tests {
        let (directory, path) = (text(&binary.directory)?, text(&binary.path)?);
        write!(script, "run {} '{directory}' '{path}' {}", binary.name, super::PATIENCE_OF_A_FILE.as_secs())?;
        for test in &binary.tests {
            write!(script, " {test}")?;
        }
        script.push('\n');
    }
    Ok(script)
}

fn busybox<W: std::io::Write>(archive: &mut Archive<W>, files: &Files) -> Result<()> {
    let busybox = programs::busybox()?;
    archive.file("/bin/busybox", 0o755, &fs::read(&busybox)?)?;
    let list = Command::new(&busybox).arg("--list").output().context("busybox does not start")?;
    for applet in String::from_utf8_lossy(&list.stdout).lines() {
        let path = format!("/bin/{applet}");
        // Busybox's shell prefers its own programs to those on the path, and its `ip` knows no namespaces.
        if applet != "busybox" && applet != "sh" && !files.contains_key(Path::new(&path)) {
            archive.link(&path, "busybox")?;
        }
    }
    archive.link("/bin/sh", "/usr/bin/bash")
}

/// A copy without symbols, a tenth of the size; made again when the binary is newer.
fn strip(path: &Path, dir: &Path) -> Result<PathBuf> {
    let to = dir.join(path.file_name().context("a binary has a name")?);
    let modified = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified());
    let is_new = modified(&to).is_ok_and(|copy| modified(path).is_ok_and(|original| copy > original));
    if !is_new {
        let status =
            Command::new("strip").arg("-o").args([&to, path]).status().context("strip does not start")?;
        if !status.success() {
            bail!("strip fails on {}", path.display());
        }
    }
    Ok(to)
}

fn text(path: &Path) -> Result<String> {
    path.to_str().map(Into::into).with_context(|| format!("{} is no text", path.display()))
}
