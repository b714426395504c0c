//! The configuration that the package installs, and the manual page of all that can stand in one.

use std::{fs, path::Path};

use agent::config::{DEFAULT, Memory, Outcome, functions, read};
use policy::{Field, Shape, names};

fn packaged(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging");
    fs::read_to_string(root.join(path)).expect("it is in the repository")
}

/// As it stands, or with all that is commented out taken in: prose has a blank behind its `#`.
fn installed(in_full: bool) -> String {
    let text = packaged("senko.toml");
    let lines = text.lines().map(|line| match line.strip_prefix('#') {
        Some(setting) if in_full && !setting.starts_with([' ', '#']) => setting,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn outcome(text: &str) -> Outcome {
    let files = Memory::new([
        (DEFAULT, text),
        ("/etc/senko/blocklist.txt", "203.0.113.0/24  # somebody\n2001:db8:bad::/48\n"),
        ("/etc/senko/admins.txt", "192.0.2.77\n"),
    ]);
    read(&files, Path::new(DEFAULT), functions())
}

fn said(outcome: &Outcome) -> Vec<&str> {
    outcome.problems.iter().map(|problem| problem.message.as_str()).collect()
}

#[test]
fn it_touches_nothing_as_it_is() {
    let outcome = outcome(&installed(false));
    assert_eq!(said(&outcome), ["there is no [[interface]], so no packet is judged"]);
    let config = outcome.config.expect("that is no error");
    assert!(config.sections.is_empty() && config.sets.is_empty() && config.settings.metrics.is_none());
}

#[test]
fn its_examples_are_sound_and_show_every_function() {
    let outcome = outcome(&installed(true));
    assert!(outcome.problems.is_empty(), "{:?}\n{}", said(&outcome), installed(true));
    let config = outcome.config.expect("there are no errors");
    let shown: Vec<&str> = config.sections.iter().map(|(function, _)| function.name()).collect();
    for function in functions() {
        assert!(shown.contains(&function.name()), "no example of [{}]", function.name());
    }
    assert!(config.settings.metrics.is_some() && !config.sets.is_empty() && !config.interfaces.is_empty());
}

#[test]
fn the_manual_has_every_key_and_every_word() {
    let page = packaged("man/senko.toml.5");
    for section in ["[[interface]]", "[sets]", "[metrics]"] {
        assert!(page.contains(&format!("\n.B {section}\n")), "{section} is not in the manual");
    }
    for function in functions() {
        let start = page.find(&format!("\n.B [{}]\n", function.name()));
        let start = start.unwrap_or_else(|| panic!("[{}] is not in the manual", function.name()));
        let section = page[start + 1..].split("\n.SH ").next().unwrap_or_default();
        for field in function.fields() {
            has(section, field, function.name());
        }
    }
}

/// Asserts that a section of the page explains a key, and names the words that it takes.
fn has(section: &str, field: &Field, of: &str) {
    let entry = section.split("\n.TP\n").find(|entry| entry.starts_with(&format!(".B {}\n", field.name)));
    let entry =
        entry.unwrap_or_else(|| panic!("[{of}] {} is not in the manual: {}", field.name, field.about));
    if let Shape::Choice(words) | Shape::Choices(words) = field.shape {
        for word in names(words) {
            assert!(entry.contains(word), "[{of}] {}: the manual does not say `{word}`", field.name);
        }
    }
}
