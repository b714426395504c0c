//! docs/json.md names every field that a real run prints, in the chapter of its command.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, Command, Stdio},
};

use lab::{Host, Lab, Topology, ping};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

fn document() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/json.md");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The chapter of a command, without its examples: a field must be explained, not only occur.
fn chapter(document: &str, command: &str) -> String {
    let heading = format!("## {command}\n");
    let (_, rest) =
        document.split_once(&heading).unwrap_or_else(|| panic!("docs/json.md has no chapter {command}"));
    let text = rest.split("\n## ").next().unwrap_or_default();
    text.split("```").step_by(2).collect()
}

fn fields(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                into.insert(name.clone());
                fields(value, into);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| fields(item, into)),
        _ => {}
    }
}

/// Fields of the text that the chapter does not name, as `name` or `.name` or `parent[].name` in backquotes.
fn unnamed(chapter: &str, json: &str) -> Vec<String> {
    let mut found = BTreeSet::new();
    for value in serde_json::Deserializer::from_str(json).into_iter::<Value>() {
        fields(&value.expect("JSON"), &mut found);
    }
    assert!(!found.is_empty(), "nothing was printed");
    let words: BTreeSet<&str> = chapter
        .split('`')
        .skip(1)
        .step_by(2)
        .flat_map(|code| code.split('.'))
        .map(|word| word.trim_end_matches("[]"))
        .collect();
    found.into_iter().filter(|name| !words.contains(name.as_str())).collect()
}

fn senko(host: &Host, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_senko"));
    command.args(["--json", "--netns", host.ns_name()]).args(arguments).stdin(Stdio::null());
    command
}

fn document_of(host: &Host, arguments: &[&str]) -> String {
    let output = senko(host, arguments).output().expect("senko runs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// A tool that runs; killed when the test fails.
struct Tool(Child);

impl Tool {
    /// Returns when it is attached.
    fn start(host: &Host, arguments: &[&str]) -> Self {
        let mut child = senko(host, arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("senko starts");
        let stderr = child.stderr.take().expect("a pipe was asked for");
        let tool = Self(child);
        let mut lines = BufReader::new(stderr).lines();
        assert!(
            lines.any(|line| line.is_ok_and(|line| line.contains("attached"))),
            "{arguments:?} did not attach"
        );
        // Its pipe stays open until it ends.
        std::thread::spawn(move || lines.for_each(drop));
        tool
    }

    /// Ctrl-C, and what it printed.
    fn stop(mut self) -> String {
        kill(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGINT).expect("it runs");
        let mut text = String::new();
        self.0.stdout.take().expect("a pipe was asked for").read_to_string(&mut text).expect("UTF-8");
        assert!(self.0.wait().expect("it ran").success());
        text
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn every_field_of_a_run_is_documented() {
    assert!(nix::unistd::geteuid().is_root(), "this test makes network namespaces: run it as root");
    let name = format!("json-doc-{}", std::process::id());
    let lab = Lab::builder(name).topology(Topology::Pair).build().expect("a lab");
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    let document = document();
    let mut all = Vec::new();
    let mut check = |command: &str, json: &str| {
        all.extend(
            unnamed(&chapter(&document, command), json).into_iter().map(|name| format!("{command}: {name}")),
        );
    };

    let source = format!("{}/32", h1.ipv4());
    for (arguments, answered) in [
        (&["count", "to-h1", "--icmp-types"][..], 3),
        (&["dump", "to-h1", "-x"], 3),
        (&["firewall", "to-h1", "--drop", &source], 0),
        (&["redirect", "to-h1", "--reflect", "icmp"], 3),
    ] {
        let tool = Tool::start(h2, &[arguments, &["--duration", "1m"]].concat());
        let report = ping(h1, h2.ipv4().into(), 3).expect("ping runs");
        let json = tool.stop();
        assert_eq!(report.received, answered, "{arguments:?}: {json}");
        check(arguments[0], &json);
    }
    let running = Tool::start(h2, &["count", "to-h1", "--duration", "1m"]);
    check("status", &document_of(h2, &["status"]));
    check("doctor", &document_of(h2, &["doctor", "to-h1"]));
    drop(running);
    assert_eq!(all, [""; 0], "docs/json.md does not say what these are");
}

#[test]
fn every_field_of_a_check_is_documented() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("senko.toml");
    let sound = "interface = [{ name = \"lan\" }]\nsets = { bad = [\"192.0.2.0/24\"] }\n";
    let document = document();
    for rest in ["firewall = { drop = [\"@bad\", \"@bad\"] }", "firewall = { drp = [] }"] {
        fs::write(&config, format!("{sound}{rest}")).expect("there is room");
        let mut senko = Command::new(env!("CARGO_BIN_EXE_senko"));
        let output = senko.args(["check", "--json"]).arg(&config).output().expect("senko runs");
        let json = String::from_utf8(output.stdout).expect("UTF-8");
        assert_eq!(unnamed(&chapter(&document, "check"), &json), [""; 0], "{json}");
    }
}

/// Gone with what it counted when dropped.
struct Gateway<'a>(&'a Host);

impl Drop for Gateway<'_> {
    fn drop(&mut self) {
        let ended = senko(self.0, &["stop", "--detach"]).output();
        assert!(ended.is_ok_and(|output| output.status.success()) || std::thread::panicking());
    }
}

#[test]
fn every_field_of_the_gateway_is_documented() {
    assert!(nix::unistd::geteuid().is_root(), "this test makes network namespaces: run it as root");
    let name = format!("json-gateway-{}", std::process::id());
    let lab = Lab::builder(name).topology(Topology::Pair).build().expect("a lab");
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("senko.toml");
    let text = "interface = [{ name = \"to-h1\" }]\ncounter = { icmp_types = true }\n\
                sets = { bad = [\"192.0.2.0/24\"] }\nfirewall = { drop = [\"@bad\", \"192.0.2.9\"] }\n";
    fs::write(&config, text).expect("there is room");
    document_of(h2, &["apply", "-c", config.to_str().expect("UTF-8")]);
    let gateway = Gateway(h2);
    document_of(h2, &["block", "198.51.100.7", "--why", "scans"]);
    assert_eq!(ping(h1, h2.ipv4().into(), 1).expect("ping runs").received, 1);
    let document = document();
    for (command, arguments) in [
        ("stats", &["stats"][..]),
        ("status", &["status"]),
        ("explain", &["explain", "to-h1", "udp from 192.0.2.1 to 203.0.113.1"]),
        ("explain", &["explain", "to-h1", "icmp from 198.51.100.7 to 203.0.113.1"]),
    ] {
        let unnamed = unnamed(&chapter(&document, command), &document_of(h2, arguments));
        assert_eq!(unnamed, [""; 0], "docs/json.md does not say what these are: {command}");
    }
    document_of(h2, &["block", &h1.ipv4().to_string()]);
    assert_eq!(ping(h1, h2.ipv4().into(), 1).expect("ping runs").received, 0);
    let events = document_of(h2, &["events"]);
    assert_eq!(
        unnamed(&chapter(&document, "events"), &events),
        [""; 0],
        "docs/json.md does not say what these are"
    );
    drop(gateway);
}

#[test]
fn a_field_that_is_not_named_is_found() {
    let chapter = "| `time`, `a.b[]` | `.tag` | ```";
    assert_eq!(unnamed(chapter, r#"{"time":1,"b":[{"tag":0}],"bytes":2}"#), ["bytes"]);
}
