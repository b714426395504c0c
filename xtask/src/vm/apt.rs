//! Kernel packages out of Debian's archive, by an apt with a state of its own: the machine's sources stay as they are.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result, bail};

use super::series::{Archive, Series};

/// The metapackage that depends on the newest kernel of its suite.
const NEWEST: &str = "linux-image-cloud-amd64";

/// How old apt's lists may be before they are fetched again.
const FRESH: Duration = Duration::from_secs(12 * 3600);

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Brings the newest kernel's packages below `dir` and returns their paths. Without a network, those of the last time.
pub fn packages(series: Series, dir: &Path) -> Result<Vec<PathBuf>> {
    let chosen = dir.join("chosen");
    let have = || -> Option<Vec<PathBuf>> {
        let names = fs::read_to_string(&chosen).ok()?;
        let paths: Vec<PathBuf> = names.lines().map(|name| dir.join("packages").join(name)).collect();
        (!paths.is_empty() && paths.iter().all(|path| path.exists())).then_some(paths)
    };
    let age =
        fs::metadata(&chosen).ok().and_then(|m| SystemTime::now().duration_since(m.modified().ok()?).ok());
    if age.is_some_and(|age| age < FRESH)
        && let Some(paths) = have()
    {
        return Ok(paths);
    }
    match fetch(series, dir) {
        Ok(names) => {
            fs::write(&chosen, names.join("\n"))?;
            have().context("apt-get downloaded packages under other names than it had said")
        }
        Err(error) => match have() {
            Some(paths) => {
                eprintln!("xtask: {}: {error:#}; the kernel of the last run is used", series.name());
                Ok(paths)
            }
            None => Err(error.context(format!(
                "no kernel of the series {} is in {}, and Debian's archive did not give one; guests need one of the two",
                series.name(),
                dir.display()
            ))),
        },
    }
}

/// Updates the lists, asks for the newest kernel and downloads it; file names.
fn fetch(series: Series, dir: &Path) -> Result<Vec<String>> {
    let configuration = configure(series, dir)?;
    let packages = dir.join("packages");
    fs::create_dir_all(&packages)?;
    apt(&configuration, &["update"])?;
    let uris = apt(&configuration, &["install", "-y", "--no-install-recommends", "--print-uris", NEWEST])?;
    let wanted = kernel_packages(&uris);
    if wanted.is_empty() {
        bail!("{NEWEST} brings no kernel: {uris}");
    }
    for package in &wanted {
        if packages.join(&package.file).exists() {
            continue;
        }
        eprintln!("xtask: download {} ({} MB)", package.file, package.bytes.div_ceil(1_000_000));
        // apt checks it against the lists' sums, and names the file as it had said.
        let name = package.name();
        let status = command(&configuration, &["download", name]).current_dir(&packages).status()?;
        if !status.success() {
            bail!("apt-get cannot download {name}");
        }
    }
    Ok(wanted.into_iter().map(|package| package.file).collect())
}

#[derive(Debug, PartialEq, Eq)]
struct Package {
    file: String,
    bytes: u64,
}

impl Package {
    fn name(&self) -> &str {
        self.file.split('_').next().expect("split has a first part")
    }
}

/// Those of `apt-get --print-uris` that hold parts of a kernel: up to 6.16 the image has everything, later it is an empty
/// shell that depends on the parts.
fn kernel_packages(uris: &str) -> Vec<Package> {
    let package = |line: &str| {
        let mut words = line.strip_prefix('\'')?.split(' ');
        let file = words.nth(1)?.to_owned();
        let bytes = words.next()?.parse().ok()?;
        // With a version in their names: not the metapackage, not linux-base.
        let versioned =
            ["linux-image-", "linux-binary-", "linux-modules-", "linux-base-"].iter().any(|part| {
                file.strip_prefix(part).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
            });
        versioned.then_some(Package { file, bytes })
    };
    uris.lines().filter_map(package).collect()
}

/// Writes a configuration that keeps everything below `dir`, and the machine's way to its mirrors (proxies, dates).
fn configure(series: Series, dir: &Path) -> Result<PathBuf> {
    let none = dir.join("none");
    for folder in ["lists/partial", "archives/partial", "none"] {
        fs::create_dir_all(dir.join(folder))?;
    }
    fs::write(dir.join("status"), "")?;
    let sources: String = series
        .suites()
        .iter()
        .map(|(archive, suite)| {
            format!("deb [arch=amd64 signed-by={KEYRING}] {} {suite} main\n", mirror(*archive))
        })
        .collect();
    fs::write(dir.join("sources.list"), sources)?;

    let acquire = Command::new("apt-config").args(["dump", "Acquire"]).stderr(Stdio::null()).output();
    let acquire = acquire.context("apt is needed: guests run Debian's kernels")?.stdout;
    let at = dir.display();
    let none = none.display();
    let own = format!(
        r#"
Dir::State "{at}"; Dir::State::lists "{at}/lists"; Dir::State::status "{at}/status";
Dir::Cache "{at}"; Dir::Cache::archives "{at}/archives";
Dir::Etc::sourcelist "{at}/sources.list"; Dir::Etc::sourceparts "{none}";
Dir::Etc::main "{none}/none"; Dir::Etc::parts "{none}";
Dir::Etc::preferences "{none}/none"; Dir::Etc::preferencesparts "{none}";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::Languages "none";
APT::Update::Error-Mode "any";
APT::Architecture "amd64"; APT::Architectures "amd64"; APT::Sandbox::User "";
"#
    );
    let path = dir.join("apt.conf");
    fs::write(&path, [acquire.as_slice(), own.as_bytes()].concat())?;
    Ok(path)
}

/// The mirror that the machine's own sources name, else Debian's.
fn mirror(archive: Archive) -> String {
    let (ending, debian) = match archive {
        Archive::Main => ("/debian", "http://deb.debian.org/debian"),
        Archive::Security => ("/debian-security", "http://deb.debian.org/debian-security"),
    };
    let files = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten();
    let files =
        files.filter_map(|entry| Some(entry.ok()?.path())).chain([PathBuf::from("/etc/apt/sources.list")]);
    let text: String = files.filter_map(|path| fs::read_to_string(path).ok()).collect();
    mirror_in(&text, ending).unwrap_or(debian).to_owned()
}

/// The first address of a source that ends like this.
fn mirror_in<'a>(sources: &'a str, ending: &str) -> Option<&'a str> {
    let lines = sources.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let words = lines.flat_map(str::split_whitespace).filter(|word| word.contains("://"));
    words.map(|word| word.trim_end_matches('/')).find(|word| word.ends_with(ending))
}

fn command(configuration: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command
        .arg("-qq")
        .args(args)
        .env("APT_CONFIG", configuration)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("LC_ALL", "C")
        .stdin(Stdio::null());
    command
}

fn apt(configuration: &Path, args: &[&str]) -> Result<String> {
    let output = command(configuration, args).output().context("apt-get does not start")?;
    if !output.status.success() {
        bail!("apt-get {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_kernel_are_told_from_what_comes_with_them() {
        let uris = "'http://d/linux-base_4.17_all.deb' linux-base_4.17_all.deb 26028 MD5Sum:82\n\
            'http://d/kmod_34_amd64.deb' kmod_34_amd64.deb 9 MD5Sum:1\n\
            'http://d/x' linux-base-7.2.13+deb14-cloud-amd64_7.2.13-1_amd64.deb 417436 MD5Sum:3\n\
            'http://d/x' linux-binary-7.2.13+deb14-cloud-amd64_7.2.13-1_amd64.deb 13717736 MD5Sum:1\n\
            'http://d/x' linux-image-7.2.13+deb14-cloud-amd64_7.2.13-1_amd64.deb 1916 \n\
            'http://d/x' linux-image-cloud-amd64_7.2.13-1_amd64.deb 1708 MD5Sum:c\n";
        let found = kernel_packages(uris);
        let names: Vec<&str> = found.iter().map(Package::name).collect();
        let parts = ["linux-base", "linux-binary", "linux-image"];
        assert_eq!(names, parts.map(|part| format!("{part}-7.2.13+deb14-cloud-amd64")));
        assert_eq!(found[1].bytes, 13_717_736);
    }

    #[test]
    fn the_machines_mirror_is_found_in_both_formats() {
        let deb822 =
            "Types: deb\n# http://old.example/debian\nURIs: http://m.example/debian/\nSuites: bookworm\n";
        let one_line = "deb [arch=amd64] https://m.example/debian-security bookworm-security main\n";
        assert_eq!(mirror_in(deb822, "/debian"), Some("http://m.example/debian"));
        assert_eq!(mirror_in(deb822, "/debian-security"), None);
        assert_eq!(mirror_in(one_line, "/debian-security"), Some("https://m.example/debian-security"));
        assert_eq!(mirror_in(one_line, "/debian"), None);
    }
}
