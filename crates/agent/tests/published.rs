//! What is published about the configuration: the schema, and the manual.

use std::{fs, path::Path};

use agent::config::{self, Memory, functions, schema};
use policy::Field;
use serde_json::Value;

fn document(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The blocks of a document that are TOML.
fn examples(document: &str) -> Vec<&str> {
    let blocks = document.split("```").skip(1).step_by(2);
    blocks.filter_map(|block| block.strip_prefix("toml\n")).collect()
}

/// A configuration as JSON has it.
fn json(text: &str) -> Value {
    let table: toml::Table = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    serde_json::to_value(table).expect("there are no dates in it")
}

#[test]
fn the_published_schema_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/senko.schema.json");
    let current = serde_json::to_string_pretty(&schema()).expect("plain data") + "\n";
    if std::env::var_os("SENKO_WRITE_DOCS").is_some() {
        fs::write(path, &current).expect("the documents can be written");
    }
    assert!(
        fs::read_to_string(path).is_ok_and(|published| published == current),
        "docs/senko.schema.json is old: run SENKO_WRITE_DOCS=1 cargo test -p agent --test published"
    );
}

#[test]
fn the_schema_takes_every_example() {
    let schema = schema();
    jsonschema::draft202012::meta::validate(&schema).expect("a schema");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let mut tried = 0;
    for name in [
        "docs/config.md",
        "docs/metrics.md",
        "crates/functions/firewall/README.md",
        "crates/functions/redirect/README.md",
        "README.md",
    ] {
        for example in examples(&document(name)) {
            let errors: Vec<String> = validator.iter_errors(&json(example)).map(|e| e.to_string()).collect();
            assert!(errors.is_empty(), "{name}: {errors:?}\n{example}");
            tried += 1;
        }
    }
    assert!(tried >= 9, "{tried} examples");
}

#[test]
fn the_schema_refuses_what_the_reader_refuses() {
    let schema = schema();
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    for wrong in [
        "interface = { name = \"eth0\" }",
        "[[interface]]\nmode = \"auto\"",
        "[[interface]]\nname = \"eth0\"\nmode = \"nativ\"",
        "[[interface]]\nname = \"a-name-of-sixteen\"",
        "[firewal]",
        "[firewall]\ndefault = \"reject\"",
        "[firewall]\ndrop = \"10.0.0.0/8\"",
        "[firewall]\ndrop = [\"example.org\"]",
        "[firewall]\ndrop = [7]",
        "[firewall]\nallowed = []",
        "[counter]\nper = [\"port\"]",
        "[counter]\nicmp_types = 1",
        "[redirect]\ncables = [[\"eth0\"]]",
        "[redirect]\nreflect = [\"udp\"]",
        "[metrics]\nlisten = \"9479\"",
        "[sets]\na = [\"@b\"]",
        "[sets]\na = { watch = true }",
        "[sets]\n\"a b\" = []",
    ] {
        assert!(!validator.is_valid(&json(wrong)), "the schema takes {wrong}");
        let outcome = config::read(&Memory::new([("s.toml", wrong)]), Path::new("s.toml"), functions());
        assert!(outcome.config.is_none(), "the reader takes {wrong}");
    }
}

/// What an example leaves out, as its reader would think it.
fn completed(example: &str) -> String {
    let mut rest = String::new();
    if !example.contains("[[interface]]") {
        rest += &["eth0", "eth1", "eth2"].map(|name| format!("[[interface]]\nname = \"{name}\"\n")).concat();
    }
    if !example.contains("[sets]") {
        rest += "[sets]\noffice = [\"192.0.2.0/24\"]\nblocklist = { file = \"/etc/senko/blocklist.txt\" }\n";
    }
    rest
}

#[test]
fn every_example_of_the_manual_is_sound() {
    let manual = document("docs/config.md");
    let list = manual.split("```text\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a list");
    let examples = examples(&manual);
    assert!(examples.len() >= 7, "{examples:?}");
    for example in examples {
        let rest = completed(example);
        let files = Memory::new([
            ("/etc/senko/senko.toml", example),
            ("/etc/senko/conf.d/rest.toml", &rest),
            ("/etc/senko/blocklist.txt", list),
            ("/etc/senko/admins.txt", "192.0.2.77\n"),
        ]);
        let outcome = config::read(&files, Path::new("/etc/senko/senko.toml"), functions());
        let said: Vec<&str> = outcome.problems.iter().map(|problem| problem.message.as_str()).collect();
        let said: Vec<&&str> = said.iter().filter(|message| !message.ends_with("is not used")).collect();
        assert!(said.is_empty(), "{said:?}\n{example}");
    }
}

#[test]
fn the_manual_has_every_key_as_it_is_declared() {
    let manual = document("docs/config.md");
    let row = |field: &Field| {
        let default = if field.default.is_empty() { String::new() } else { format!(" `{}`", field.default) };
        format!("| `{}` | {} |{default} | {} |\n", field.name, field.shape.wanted(), field.about)
    };
    for function in functions() {
        let heading = format!("\n## [{}]\n\n{}", function.name(), function.about());
        assert!(manual.contains(&heading), "docs/config.md lacks: {heading}");
        for field in function.fields() {
            assert!(manual.contains(&row(field)), "docs/config.md lacks: {}", row(field));
        }
    }
    for field in config::own_fields() {
        assert!(manual.contains(&row(field)), "docs/config.md lacks: {}", row(field));
    }
}
