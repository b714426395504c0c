//! What kill -9 leaves behind is found, named, and removed on request.

mod fixture;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use fixture::{namespace_is_there, senko_lab, state_file_is_there, stderr, stdout, succeed};

/// A process that has built a lab of two hosts and holds it.
fn holder(name: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab-fixture"));
    command.args(["hold", name, "pair"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    child
}

#[test]
fn leftovers_of_a_killed_process_are_named_and_removed() {
    fixture::with_private_run(|| {
        let mut child = holder("crashed");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(namespace_is_there("senko-crashed-h1") && state_file_is_there("crashed"));

        let again = senko_lab(&["up", "crashed"]).output().unwrap();
        assert_eq!(again.status.code(), Some(1));
        assert!(stderr(&again).contains("senko lab down --leftovers"), "{}", stderr(&again));
        let list = succeed(&mut senko_lab(&["list"]));
        assert!(stderr(&list).contains("lab `crashed`") && stdout(&list).contains("left over"));

        let down = succeed(&mut senko_lab(&["down", "--leftovers"]));
        assert_eq!(stdout(&down), "removed lab `crashed`\n");
        assert!(!namespace_is_there("senko-crashed-h1") && !namespace_is_there("senko-crashed-h2"));
        assert!(!state_file_is_there("crashed"));
        assert_eq!(stderr(&succeed(&mut senko_lab(&["down", "--leftovers"]))), "there are no leftovers\n");
    });
}

#[test]
fn a_lab_in_use_is_no_leftover_and_not_taken_away() {
    fixture::with_private_run(|| {
        let mut child = holder("used");
        succeed(&mut senko_lab(&["down", "--leftovers"]));
        let down = senko_lab(&["down", "used"]).output().unwrap();
        assert_eq!(down.status.code(), Some(1));
        assert!(stderr(&down).contains(&child.id().to_string()), "{}", stderr(&down));
        assert!(namespace_is_there("senko-used-h1"));
        // End of input lets it go; it removes its lab itself.
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());
        assert!(!namespace_is_there("senko-used-h1") && !state_file_is_there("used"));
    });
}

#[test]
fn half_made_labs_and_stray_namespaces_are_leftovers() {
    fixture::with_private_run(|| {
        let mut child = holder("half");
        child.kill().unwrap();
        child.wait().unwrap();
        // As if it had been killed before the second host, and another before its first line.
        succeed(Command::new("ip").args(["netns", "delete", "senko-half-h2"]));
        succeed(Command::new("ip").args(["netns", "add", "senko-stray-h1"]));
        succeed(Command::new("ip").args(["netns", "add", "somebody-else"]));
        std::fs::write("/run/senko/lab/broken.json", "{").unwrap();
        let down = succeed(senko_lab(&["down", "--leftovers"]).arg("--json"));
        let document: serde_json::Value = serde_json::from_slice(&down.stdout).unwrap();
        let expected = serde_json::json!({
            "labs": ["half"], "namespaces": ["senko-stray-h1"], "files": ["/run/senko/lab/broken.json"],
        });
        assert_eq!(document["leftovers"], expected);
        let left: Vec<_> = std::fs::read_dir("/run/netns").unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["somebody-else"]);
        assert_eq!(std::fs::read_dir("/run/senko/lab").unwrap().count(), 0);
    });
}
