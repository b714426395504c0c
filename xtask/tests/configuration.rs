//! The configuration that is installed, and its manual page.

use std::{collections::BTreeSet, fs};

use toml::{Table, Value};
use xtask::command::root;

fn installed() -> String {
    fs::read_to_string(root().join("packaging/senko.toml")).expect("it is in the repository")
}

/// With all that is commented out taken in. Prose has a blank behind its `#`.
fn in_full() -> String {
    let lines = installed();
    let lines = lines.lines().map(|line| match line.strip_prefix('#') {
        Some(setting) if !setting.starts_with([' ', '#']) => setting,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn it_touches_nothing_as_it_is() {
    let table: Table = installed().parse().expect("it is TOML");
    for (section, value) in &table {
        assert!(value.as_table().is_some_and(Table::is_empty), "[{section}] is not empty");
    }
    assert!(!table.contains_key("interface"));
}

#[test]
fn its_examples_are_toml_and_all_keys_are_in_the_manual() {
    let table: Table = in_full().parse().unwrap_or_else(|error| panic!("{error}\n{}", in_full()));
    let expected = ["interface", "sets", "firewall", "counter", "metrics"];
    let page =
        fs::read_to_string(root().join("packaging/man/senko.toml.5")).expect("it is in the repository");
    for section in expected {
        let value = table.get(section).unwrap_or_else(|| panic!("no example of [{section}]"));
        assert!(page.contains(&format!("[{section}]")), "[{section}] is not in the manual");
        for key in keys(section, value) {
            assert!(page.contains(&format!("\n.B {key}\n")), "[{section}] {key} is not in the manual");
        }
    }
}

/// Keys that senko gives a meaning: of sets, those of their tables, since their names are the user's.
fn keys(section: &str, value: &Value) -> BTreeSet<String> {
    let tables: Vec<&Table> = match value {
        Value::Array(items) => items.iter().filter_map(Value::as_table).collect(),
        Value::Table(sets) if section == "sets" => sets.values().filter_map(Value::as_table).collect(),
        other => other.as_table().into_iter().collect(),
    };
    tables.into_iter().flat_map(|table| table.keys().cloned()).collect()
}
