//! The Debian package, from `dpkg -i` to `dpkg -P`, and its service, in a copy of this system that has booted.

mod service;
mod system;

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use serde_json::Value;
use xtask::package::{Packing, debian};

use self::system::System;

/// A system with the package's file in it. Of the debug build, which the test run made already.
fn system(word: &str) -> System {
    let out = std::env::temp_dir().join(format!("senko-deb-{}-{word}", std::process::id()));
    let package = debian(Path::new(env!("CARGO_BIN_EXE_senko")), &out, Packing::Quick);
    let package = package.expect("the package is made");
    let content = fs::read(&package).expect("it was written");
    fs::remove_dir_all(&out).expect("it is ours");
    let system = System::boot(word);
    system.put(&content, "/run/senko.deb");
    system
}

#[test]
fn it_installs_works_and_leaves_nothing() {
    let system = system("install");
    // All it needs must be here and new enough: dpkg refuses otherwise.
    let depends = system.run("dpkg-deb", &["-f", "/run/senko.deb", "Depends"]);
    assert!(depends.contains("libc6 (>= 2.") && depends.contains("libgcc-s1"), "{depends}");
    let before = system.changes();

    system.run("dpkg", &["-i", "/run/senko.deb"]);
    assert!(system.changes().contains("/etc/senko/conf.d d 0755 0:0"), "changes are seen at all");
    let files = installed(&system);
    the_program_works(&system);
    every_command_has_a_manual_page(&system, &files);
    shells_complete(&system);
    let group = system.run("getent", &["group", "senko"]);
    assert!(group.starts_with("senko:x:"), "{group}");
    assert_eq!(system.ask("systemctl", &["is-active", "senko"]), "inactive", "nothing is started");
    assert_eq!(system.ask("systemctl", &["is-enabled", "senko"]), "disabled");

    // What somebody wrote survives the next version, and a removal.
    system.run("sh", &["-c", "echo '# mine' >> /etc/senko/senko.toml; touch /etc/senko/conf.d/10-more.toml"]);
    system.run("dpkg", &["-i", "/run/senko.deb"]);
    assert!(system.run("cat", &["/etc/senko/senko.toml"]).ends_with("# mine\n"));
    assert_eq!(system.ask("systemctl", &["is-active", "senko"]), "inactive", "nothing is started");

    system.run("dpkg", &["-r", "senko"]);
    let kept: Vec<&String> = files.iter().filter(|file| exists(&system, file)).collect();
    assert_eq!(kept, ["/etc/senko/senko.toml"]);

    system.run("dpkg", &["-P", "senko"]);
    let left: Vec<String> = system.changes().symmetric_difference(&before).cloned().collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

/// The files of the package, all of root's and not writable by others.
fn installed(system: &System) -> BTreeSet<String> {
    let listed = system.run("dpkg", &["-L", "senko"]);
    let mut files = BTreeSet::new();
    for path in listed.lines() {
        let kind = system.run("stat", &["-c", "%F %U:%G %a", path]);
        let executable = path == "/usr/bin/senko";
        match kind.trim() {
            "directory root:root 755" => {}
            "regular file root:root 644" if !executable => drop(files.insert(path.to_owned())),
            "regular file root:root 755" if executable => drop(files.insert(path.to_owned())),
            // Folders of this system that other packages have, too.
            other => assert!(other.starts_with("directory root:root"), "{path}: {other}"),
        }
    }
    for file in [
        "/usr/bin/senko",
        "/usr/lib/systemd/system/senko.service",
        "/usr/lib/sysusers.d/senko.conf",
        "/etc/senko/senko.toml",
        "/usr/share/doc/senko/copyright",
        "/usr/share/doc/senko/changelog.gz",
        "/usr/share/doc/senko/changelog.Debian.gz",
        "/usr/share/doc/senko/docs/metrics.md",
        "/usr/share/senko/grafana/senko.json",
        "/usr/share/senko/prometheus/alerts.yml",
        "/usr/share/man/man5/senko.toml.5.gz",
    ] {
        assert!(files.contains(file), "{file} is missing: {files:?}");
    }
    files
}

fn exists(system: &System, path: &str) -> bool {
    system.try_run("test", &["-e", path]).status.success()
}

fn the_program_works(system: &System) {
    assert_eq!(system.run("senko", &["--version"]), format!("senko {}\n", env!("CARGO_PKG_VERSION")));
    let report: Value = serde_json::from_str(&system.run("senko", &["doctor", "--json"])).expect("JSON");
    assert_eq!(report["kernel"]["bpffs"], true);
    assert!(report["verdict"]["state"].is_string(), "{}", report["verdict"]);
}

/// Also of commands that are added after this test was written: the help says which there are.
fn every_command_has_a_manual_page(system: &System, files: &BTreeSet<String>) {
    let help = system.run("senko", &["--help"]);
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands = commands.take_while(|line| !line.is_empty());
    // Further in is the rest of a description.
    let commands = commands.filter_map(|line| line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')));
    let names: Vec<&str> = commands.filter_map(|line| line.split(' ').next()).collect();
    assert!(names.len() > 10, "{help}");
    for name in names.into_iter().filter(|name| *name != "help") {
        let page = format!("/usr/share/man/man1/senko-{name}.1.gz");
        assert!(files.contains(&page), "no {page}");
    }
    for page in files.iter().filter(|file| file.starts_with("/usr/share/man/")) {
        let out = system.try_run("man", &["--warnings", "-l", page]);
        let (text, complaints) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        assert!(out.status.success() && complaints.is_empty(), "{page}: {complaints}");
        assert!(text.contains("NAME") && text.contains("SEE ALSO"), "{page}: {text}");
    }
    assert!(system.run("man", &["senko-count"]).contains("senko-count - "), "man finds it by its name");
    assert!(system.run("man", &["senko.toml"]).contains("configuration of the gateway"));
}

fn shells_complete(system: &System) {
    // As bash does it at a Tab behind `senko count `.
    let script = ". /usr/share/bash-completion/completions/senko; COMP_WORDS=(senko count ''); COMP_CWORD=2; \
                  _clap_complete_senko senko '' count; printf '%s\\n' \"${COMPREPLY[@]}\"";
    let words = system.run("bash", &["-c", script]);
    assert!(words.lines().any(|word| word.trim() == "lo"), "no interface among\n{words}");
    for (shell, file) in [
        ("zsh", "/usr/share/zsh/vendor-completions/_senko"),
        ("fish", "/usr/share/fish/vendor_completions.d/senko.fish"),
    ] {
        assert!(system.run("cat", &[file]).contains("COMPLETE"), "{shell}");
    }
}

/// Maintainer scripts run as root on machines whose network this is.
#[test]
fn scripts_start_nothing() {
    for script in ["postinst", "prerm", "postrm"] {
        let path = xtask::command::root().join("packaging/debian").join(script);
        let text = fs::read_to_string(&path).expect("it is in the repository");
        assert!(text.contains("\nset -e\n"), "{script} goes on after a failure");
        for line in text.lines().map(str::trim).filter(|line| line.contains("systemctl ")) {
            let verb = line.trim_start_matches("systemctl ").split(' ').next().unwrap_or_default();
            assert!(["daemon-reload", "try-restart", "disable"].contains(&verb), "{script}: {line}");
        }
        let checked = Command::new("sh").arg("-n").arg(&path).status().expect("it starts");
        assert!(checked.success(), "{script}");
    }
}
