//! What goes wrong around the gateway: no bpffs, one that cannot be written, too little memory.

use std::{collections::BTreeSet, fs, process::Command};

use crate::{
    atomic::{SOURCES, rules},
    fixture::Gateway,
    probe::Probe,
    support::{Ended, Tool, assert_clean},
};

/// Senko with this gateway's configuration behind a shell command: in a mount namespace of its own, or under a limit.
fn behind(gateway: &Gateway, shell: &str, args: &[&str]) -> Ended {
    let senko = gateway.command(args);
    let mut command = Command::new("unshare");
    command.args([
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        &format!("{shell} && exec \"$@\""),
        "sh",
    ]);
    command.arg(senko.get_program()).args(senko.get_args());
    command.envs(senko.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Tool::spawn(&mut command).end()
}

/// What is pinned and recorded. Copies of lists are not among it: the next apply that succeeds sweeps those of one that failed.
fn files(gateway: &Gateway) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut left = vec![gateway.place.pins.clone(), gateway.place.run.clone()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(&directory).expect("it can be read") {
            let path = entry.expect("it can be read").path();
            found.insert(path.display().to_string());
            if path.is_dir() && !path.ends_with("files") {
                left.push(path);
            }
        }
    }
    found
}

#[test]
fn a_bpffs_that_is_read_only_or_missing_changes_nothing() {
    const READ_ONLY: &str = "mount -o remount,bind,ro /sys/fs/bpf";
    const MISSING: &str = "umount -l /sys/fs/bpf";
    let gateway = Gateway::new("bpffs");
    let probe = Probe::of(&gateway);
    gateway.write("native", &rules(false));

    // Before there is a gateway.
    behind(&gateway, READ_ONLY, &["apply"]).refused(1, &["Read-only file system", "mount -o remount,rw"]);
    assert_clean(&gateway.lab);
    assert!(!gateway.place.pins.exists());

    gateway.senko(&["apply"]).ok();
    let sources = [SOURCES[0], SOURCES[1], "192.0.2.7"];
    let (before, there) = (gateway.ids(), files(&gateway));
    assert_eq!(probe.passing(&sources), [SOURCES[1], "192.0.2.7"]);
    gateway.write("native", &rules(true));
    behind(&gateway, READ_ONLY, &["apply"]).refused(1, &["Read-only file system", "mount -o remount,rw"]);
    // A bpffs of its own has none of the gateway's pins: the interface is somebody else's.
    behind(&gateway, MISSING, &["apply"]).code(5).says(&["already runs the XDP program", "mounted a bpffs"]);
    assert_eq!(gateway.ids(), before);
    assert_eq!(files(&gateway).symmetric_difference(&there).collect::<Vec<_>>(), Vec::<&String>::new());
    assert_eq!(probe.passing(&sources), [SOURCES[1], "192.0.2.7"]);
    gateway.senko(&["apply"]).ok();
    assert_eq!(probe.passing(&sources), [SOURCES[0], "192.0.2.7"]);
}

/// `ulimit -v` from hardly anything to enough: the process fails wherever it is, by an error or by a signal, and the gateway is
/// the old one or the new one.
#[test]
fn an_apply_without_memory_leaves_the_old_or_the_new() {
    let gateway = Gateway::new("memory");
    let probe = Probe::of(&gateway);
    // Tables of some megabytes.
    let list = gateway.scratch.file("list.txt");
    let prefixes = |salt: u32| -> String {
        (0..60_000_u32).map(|n| format!("10.{}.{}.{}\n", (n >> 16) + salt, n >> 8 & 255, n & 255)).collect()
    };
    let text = |dropped: &str| {
        format!("[sets]\nmany = {{ file = \"list.txt\" }}\n[firewall]\ndrop = [\"@many\", \"{dropped}\"]\n")
    };
    fs::write(&list, prefixes(0)).expect("a file");
    gateway.apply("native", &text(SOURCES[0]));
    let sources = [SOURCES[0], SOURCES[1]];
    let (mut failed, mut done, mut salt) = (0, 0, 0);
    for megabytes in (4..150).step_by(6) {
        salt = 1 - salt;
        let (old, new) = (sources[1 - salt as usize], sources[salt as usize]);
        fs::write(&list, prefixes(salt)).expect("a file");
        gateway.write("native", &text(new));
        let generation = gateway.record().generation;
        let ended = behind(&gateway, &format!("ulimit -v {}", megabytes * 1024), &["apply"]);
        let is_new = gateway.record().generation > generation;
        let dropped = if is_new { new } else { old };
        let passing: Vec<&str> = sources.into_iter().filter(|source| *source != dropped).collect();
        assert_eq!(probe.passing(&sources), passing, "{megabytes} MB: {ended:?}");
        if ended.code == Some(0) {
            assert!(is_new, "{megabytes} MB: {ended:?}");
            done += 1;
        } else {
            failed += 1;
        }
        // What is pinned is what is recorded; and the next one makes it whole.
        gateway.ids();
        gateway.senko(&["apply"]).ok();
        assert_eq!(probe.passing(&sources), [old], "{megabytes} MB");
    }
    assert!(failed > 1 && done > 1, "{failed} failed, {done} were done");
    gateway.senko(&["stop", "--detach"]).ok();
    gateway.assert_gone();
}
