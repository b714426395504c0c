//! Programs of this machine for the guest, with the libraries that they need.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

/// What tests call and busybox has not, or has differently.
const CALLED: [&str; 15] = [
    "bash", "bpftool", "ethtool", "find", "ip", "mount", "nsenter", "ping", "setpriv", "sysctl", "tc",
    "tcpdump", "touch", "umount", "unshare",
];

/// Files for the guest: their path there, and where they are here.
pub type Files = BTreeMap<PathBuf, PathBuf>;

/// Adds the called programs and their libraries.
pub fn add(files: &mut Files) -> Result<()> {
    for name in CALLED {
        let path = find(name)
            .with_context(|| format!("tests call {name}, which is not here: `cargo xtask setup`"))?;
        with_libraries(&path, &path, files)?;
    }
    Ok(())
}

/// Adds a program, which is `contents` here, and its libraries.
pub fn with_libraries(path: &Path, contents: &Path, files: &mut Files) -> Result<()> {
    files.insert(path.into(), contents.into());
    let output = Command::new("ldd").arg(contents).output().context("ldd does not start")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if text.contains("not found") {
        bail!("{}: {text}", contents.display());
    }
    for library in libraries(&text) {
        files.insert(library.into(), library.into());
    }
    Ok(())
}

/// The static busybox of Debian's package.
pub fn busybox() -> Result<PathBuf> {
    find("busybox").context("busybox is not here: `cargo xtask setup`")
}

/// Paths in what `ldd` prints: the loader's is alone, the others are behind an arrow.
fn libraries(ldd: &str) -> impl Iterator<Item = &str> {
    ldd.lines().filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')))
}

fn find(name: &str) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(PathBuf::from);
    let path =
        std::env::split_paths(&paths).chain(system).map(|dir| dir.join(name)).find(|path| path.exists())?;
    // Directories that are links here (`/bin`) are none there.
    Some(fs::canonicalize(path.parent()?).ok()?.join(name))
}

#[cfg(test)]
mod tests {
    #[test]
    fn libraries_are_read_from_ldd() {
        let text = "\tlinux-vdso.so.1 (0x0)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x0)\n\t/lib64/ld-linux-x86-64.so.2 (0x0)\n";
        let found: Vec<&str> = super::libraries(text).collect();
        assert_eq!(found, ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"]);
        assert_eq!(super::libraries("\tstatically linked\n").count(), 0);
    }
}
