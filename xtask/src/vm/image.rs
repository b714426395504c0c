//! A kernel, unpacked: where its packages put the image, the configuration and the modules.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use xtask::command::step;

use super::{apt, series::Series};

#[derive(Debug)]
pub struct Image {
    pub series: Series,
    /// As `uname -r` says it.
    pub release: String,
    pub vmlinuz: PathBuf,
    pub config: PathBuf,
    pub modules: PathBuf,
}

/// The newest kernel of a series, below `cache`.
pub fn newest(series: Series, cache: &Path) -> Result<Image> {
    let dir = cache.join(series.name());
    let packages = apt::packages(series, &dir)?;
    let tree = dir.join("tree");
    let of = dir.join("tree-of");
    let names: Vec<String> =
        packages.iter().filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect();
    if fs::read_to_string(&of).ok().as_deref() != Some(&names.join("\n")) {
        let _ = fs::remove_dir_all(&tree);
        fs::create_dir_all(&tree)?;
        for (package, name) in packages.iter().zip(&names) {
            step(&format!("unpack {name}"), Command::new("dpkg-deb").arg("-x").args([package, &tree]))?;
        }
        fs::write(&of, names.join("\n"))?;
    }
    find(series, &tree).with_context(|| format!("{}: the packages' layout is a new one", tree.display()))
}

/// Up to 6.16 image and configuration are in /boot and modules in /lib; since 6.12 the latter are in /usr/lib, and in 7.x
/// everything is.
fn find(series: Series, tree: &Path) -> Result<Image> {
    let modules =
        ["lib/modules", "usr/lib/modules"].iter().map(|dir| tree.join(dir)).find(|dir| dir.exists());
    let modules = modules.context("no directory lib/modules")?;
    let entry = fs::read_dir(&modules)?.next().context("no release in it")??;
    let release = entry.file_name().into_string().ok().context("a release's name is text")?;
    let modules = entry.path();
    let file = |name: &str| {
        let places = [tree.join("boot").join(format!("{name}-{release}")), modules.join(name)];
        places.into_iter().find(|path| path.exists()).with_context(|| format!("no {name}"))
    };
    Ok(Image { series, vmlinuz: file("vmlinuz")?, config: file("config")?, release, modules })
}
