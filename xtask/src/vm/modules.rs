//! The kernel modules that tests want, with those that they need, in the order in which they can be inserted.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use object::{Object as _, ObjectSection as _};

/// Interfaces and bridges of labs; classifiers (`accept established`).
const WANTED: [&str; 5] = ["veth", "bridge", "dummy", "sch_ingress", "cls_bpf"];

/// A module, decompressed.
#[derive(Debug)]
pub struct Module {
    pub name: String,
    pub contents: Vec<u8>,
}

/// Reads the modules of a release from `dir`.
pub fn wanted(dir: &Path) -> Result<Vec<Module>> {
    let mut files = HashMap::new();
    walk(&dir.join("kernel"), &mut files)?;
    let builtin = fs::read_to_string(dir.join("modules.builtin")).unwrap_or_default();
    let mut modules = Vec::new();
    for name in WANTED {
        add(name, &files, &builtin, &mut modules)?;
    }
    Ok(modules)
}

fn add(name: &str, files: &HashMap<String, PathBuf>, builtin: &str, modules: &mut Vec<Module>) -> Result<()> {
    if modules.iter().any(|module| module.name == name) {
        return Ok(());
    }
    let Some(path) = files.get(name) else {
        let ending = format!("/{name}.ko");
        if builtin.lines().any(|line| line.replace('-', "_").ends_with(&ending)) {
            return Ok(());
        }
        bail!("this kernel has no module {name}");
    };
    let contents = read(path)?;
    for needed in needs(&contents).with_context(|| path.display().to_string())? {
        add(&needed, files, builtin, modules)?;
    }
    modules.push(Module { name: name.to_owned(), contents });
    Ok(())
}

/// `depends=` in a module's `.modinfo`, a list of strings that end with 0.
fn needs(module: &[u8]) -> Result<Vec<String>> {
    let file = object::File::parse(module)?;
    let info = file.section_by_name(".modinfo").context("no .modinfo")?;
    let list = info.data()?.split(|byte| *byte == 0).find_map(|line| line.strip_prefix(b"depends="));
    let list = String::from_utf8_lossy(list.unwrap_or_default()).replace('-', "_");
    Ok(list.split(',').filter(|name| !name.is_empty()).map(Into::into).collect())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    if path.extension().is_none_or(|ending| ending != "xz") {
        return Ok(fs::read(path)?);
    }
    let output = Command::new("xz").arg("-dc").arg(path).output().context("xz does not start")?;
    if !output.status.success() {
        bail!("xz cannot read {}", path.display());
    }
    Ok(output.stdout)
}

/// Modules by name, in which the kernel writes `_` for `-`.
fn walk(dir: &Path, files: &mut HashMap<String, PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            walk(&path, files)?;
        } else if let Some((name, _)) = entry.file_name().to_string_lossy().split_once(".ko") {
            files.insert(name.replace('-', "_"), path);
        }
    }
    Ok(())
}
