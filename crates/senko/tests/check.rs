//! `senko check`: what is said of good and of bad configurations.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::TempDir;

/// A directory with these files.
fn files(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    for (name, text) in files {
        let path: PathBuf = dir.path().join(name);
        fs::create_dir_all(path.parent().expect("inside")).expect("a directory");
        fs::write(path, text).expect("written");
    }
    dir
}

fn check(dir: &TempDir, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_senko"));
    command.arg("check").args(args).current_dir(dir.path()).env_remove("SENKO_CONFIG");
    command.output().expect("senko runs")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

fn good() -> TempDir {
    let main = r#"
[[interface]]
name = "lan"
[[interface]]
name = "wan"
[sets]
office = ["192.0.2.0/24", "2001:db8:1::/48"]
blocklist = { file = "blocklist.txt", watch = true }
[firewall]
allow = ["@office"]
drop = ["@blocklist"]
[counter]
"#;
    let list: String = (0..2000).map(|i| format!("10.{}.{}.0/24\n", i >> 8, i & 255)).collect();
    files(&[("senko.toml", main), ("blocklist.txt", &list)])
}

#[test]
fn a_sound_configuration_says_what_it_takes() {
    let output = check(&good(), &["senko.toml"]);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{err}");
    assert_eq!(err, "senko: senko.toml is sound\n");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], "set        IPv4  IPv6  from", "{out}");
    assert_eq!(lines[1], "blocklist  2000     0  blocklist.txt (watched)", "{out}");
    assert_eq!(lines[2], "office        1     1", "{out}");
    assert!(lines.iter().any(|line| line.starts_with("FIREWALL_HITS ")), "{out}");
    assert!(lines.iter().any(|line| line.starts_with("FIREWALL_LINES_V4 ")), "{out}");
    assert!(lines.last().is_some_and(|line| line.starts_with("while it is applied ")), "{out}");
}

#[test]
fn the_document_has_it_all() {
    let output = check(&good(), &["-c", "senko.toml", "--json"]);
    let document: Value = serde_json::from_slice(&output.stdout).expect("one document");
    assert_eq!(text(&output.stderr), "");
    assert_eq!(document["valid"], true);
    assert_eq!(document["problems"], Value::Array(Vec::new()));
    assert_eq!(document["sections"], serde_json::json!(["counter", "firewall"]));
    assert_eq!(document["interfaces"][1], serde_json::json!({ "name": "wan", "mode": "auto" }));
    let set = serde_json::json!({
        "name": "blocklist", "ipv4": 2000, "ipv6": 0, "file": "blocklist.txt", "watch": true
    });
    assert_eq!(document["sets"][0], set);
    // The two interfaces are told the same.
    assert_eq!(document["programs"], 1, "this test loads a program: run it as root");
    let maps = document["maps"].as_array().expect("maps");
    let bytes = |map: &Value| map["bytes"].as_u64().expect("a number");
    assert_eq!(document["bytes"].as_u64(), Some(maps.iter().map(bytes).sum()));
    let hits = maps.iter().find(|map| map["map"] == "FIREWALL_HITS").expect("the firewall's counters");
    assert_eq!(bytes(hits), 16 * 16_384 * engine::possible_cpus() as u64);
    let of_once = |map: &&Value| {
        ["COUNTS", "ETHERTYPE_COUNTS", "EVENTS", "EVENT_CLOCK", "FIREWALL_HITS", "REASONS"]
            .contains(&map["map"].as_str().unwrap_or(""))
    };
    let once: u64 = maps.iter().filter(of_once).map(bytes).sum();
    assert_eq!(document["apply_bytes"].as_u64(), document["bytes"].as_u64().map(|all| 2 * all - once));
}

const BAD: &str =
    "[[interface]]\nname = \"lan\"\n[firewal]\n[counter]\nper = [\"port\"]\n[sets]\nspare = []\n";

#[test]
fn everything_that_is_wrong_is_shown_at_once() {
    let dir = files(&[("senko.toml", BAD), ("conf.d/a.toml", "[firewall]\ndrop = [\"10.0.0.1/8\"]\n")]);
    let output = check(&dir, &["senko.toml"]);
    let err = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert_eq!(text(&output.stdout), "");
    for part in [
        "error: there is no section `firewal`\n --> senko.toml:3:2\n",
        "3 | [firewal]\n  |  ^^^^^^^\n",
        "= help: did you mean `firewall`?",
        "error: `per` wants \"protocol\" or \"interface\", not \"port\"\n --> senko.toml:5:8\n",
        "warning: the set `spare` is empty\n --> senko.toml:7:1\n",
        "did you mean 10.0.0.0/8?\n --> conf.d/a.toml:2:9\n",
    ] {
        assert!(err.contains(part), "{part}\nis not in\n{err}");
    }
    assert!(err.ends_with("senko: senko.toml has 3 errors and 2 warnings; nothing was changed\n"), "{err}");
    assert!(!err.contains('\x1b'), "no colours where nobody sees them");
}

#[test]
fn problems_are_a_document_too() {
    let output = check(&files(&[("senko.toml", BAD)]), &["senko.toml", "--json"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stderr), "");
    let document: Value = serde_json::from_slice(&output.stdout).expect("one document");
    assert_eq!(document["valid"], false);
    assert_eq!((document["errors"].as_u64(), document["warnings"].as_u64()), (Some(2), Some(2)));
    assert_eq!(
        document["problems"][0],
        serde_json::json!({
            "severity": "error", "message": "there is no section `firewal`", "file": "senko.toml", "line": 3,
            "column": 2, "end_column": 9, "text": "firewal", "hint": "did you mean `firewall`?",
        })
    );
    assert!(document.get("maps").is_none());
}

#[test]
fn a_missing_file_is_named_with_the_way_out() {
    let dir = files(&[]);
    let output = check(&dir, &["nothing.toml"]);
    assert_eq!(output.status.code(), Some(2));
    let err = text(&output.stderr);
    assert!(err.starts_with("error: there is no configuration at nothing.toml\n"), "{err}");
    assert!(err.contains("help: write one (docs/config.md has examples), or name another file"), "{err}");
}

/// A million prefixes are no reason to wait.
#[test]
fn a_long_list_is_checked_too() {
    let list: String = (0..1_000_000_u32)
        .map(|i| format!("{}.{}.{}.{}\n", 1 + (i >> 18), i >> 10 & 255, i >> 2 & 255, i & 3))
        .collect();
    let main = "[[interface]]\nname = \"lan\"\n[sets]\nbig = { file = \"big.txt\" }\n[firewall]\ndrop = [\"@big\"]\n";
    let output = check(&files(&[("senko.toml", main), ("big.txt", &list)]), &["senko.toml", "--json"]);
    let document: Value = serde_json::from_slice(&output.stdout).expect("one document");
    assert_eq!(document["sets"][0]["ipv4"], 1_000_000);
}
