//! Rules from text, and what is said of them in one line.

use firewall::rule::{
    Place,
    ast::{Action, Flags, Limit, LimitKey, Match, Rule, Values},
    read,
};
use policy::{Problem, Problems, Sources, Span, What};
use testkit::sections::Scene;

pub fn scene() -> Scene {
    let all: &[(&str, &[&str])] = &[
        ("office", &["192.0.2.0/24", "2001:db8:1::/48"]),
        ("bad", &["198.51.100.0/24"]),
        ("six", &["2001:db8:2::/48"]),
        ("nobody", &[]),
        ("nothing", &[]),
    ];
    Scene::new(&["eth0", "eth1", "br-lan", "tcp"], all)
}

/// A rule as it would stand in a file, and what is said of it: `error "port": message; hint`, with the underlined text.
pub fn said(scene: &Scene, text: &str) -> (Option<Rule>, Vec<String>) {
    let line = format!("\"{text}\"");
    let mut sources = Sources::default();
    let source = sources.add("senko.toml", line.clone());
    let at = Span { source, start: 0, end: line.len() };
    let mut problems = Problems::default();
    let rule = read(text, Place::of(at, text), &scene.world(), &mut problems);
    assert_eq!(rule.is_none(), problems.has_errors(), "{text}: {problems:?}");
    (rule, problems.iter().map(|problem| line_of(problem, &sources)).collect())
}

pub fn line_of(problem: &Problem, sources: &Sources) -> String {
    let at = problem.at.map_or("", |at| sources.text(at));
    let also = problem.also.as_ref();
    let also = also.map(|(at, label)| format!(" ({label}: `{}`)", sources.text(*at))).unwrap_or_default();
    let hint = problem.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
    format!("{} `{at}`: {}{also}{hint}", problem.severity.name(), problem.message)
}

pub fn rule(scene: &Scene, text: &str) -> Rule {
    let (rule, said) = said(scene, text);
    rule.unwrap_or_else(|| panic!("{text}: {said:?}"))
}

/// The parts of a rule, written plainly: `drop · protocol 6 · port not 80 443`.
pub fn parts(rule: &Rule) -> String {
    let action = match &rule.action {
        Action::Limit(Limit { packets, per_milliseconds, burst, key }) => {
            let key = match key {
                LimitKey::Rule => "rule".to_owned(),
                LimitKey::Source { v4, v6 } => format!("source {v4} {v6}"),
                LimitKey::Destination { v4, v6 } => format!("destination {v4} {v6}"),
            };
            format!("limit {packets} in {per_milliseconds} ms, {burst} at once, per {key}")
        }
        Action::Redirect(interface) => format!("redirect {}", interface.text),
        Action::Count(name) => format!("count {name}"),
        Action::Mark(mark) => format!("mark {mark}"),
        other => format!("{other:?}").to_lowercase(),
    };
    let log = rule.log.map(|many| format!("log {many} · ")).unwrap_or_default();
    let matches: String = rule.matches.iter().map(|found| format!(" · {}", part(found))).collect();
    format!("{log}{action}{matches}")
}

fn part(found: &Match) -> String {
    let not = if found.negated { " not" } else { "" };
    let list = |values: Vec<String>| format!(" {}", values.join(" "));
    let values = match &found.values {
        Values::Ranges(ranges) => list(
            ranges
                .iter()
                .map(|range| match (range.start(), range.end()) {
                    (first, last) if first == last => first.to_string(),
                    (first, last) => format!("{first}..{last}"),
                })
                .collect(),
        ),
        Values::Prefixes(items) => list(
            items
                .iter()
                .map(|item| match &item.what {
                    What::Prefix(prefix) => prefix.to_string(),
                    What::Set(name) => format!("@{name}"),
                })
                .collect(),
        ),
        Values::Flags(flags) => {
            list(flags.iter().map(|Flags { mask, value }| format!("{value:#04x}/{mask:#04x}")).collect())
        }
        Values::Macs(macs) => list(macs.iter().map(|mac| format!("{mac:x?}")).collect()),
        Values::Interfaces(names) => list(names.iter().map(|name| name.text.clone()).collect()),
        Values::Present => String::new(),
    };
    format!("{:?}{not}{values}", found.field)
}

/// A file of cases: a line, and what belongs to it, indented below it.
pub fn cases(file: &str) -> Vec<(&str, Vec<&str>)> {
    let mut cases: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in file.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match (line.strip_prefix("    "), cases.last_mut()) {
            (Some(answer), Some((_, answers))) => answers.push(answer),
            _ => cases.push((line, Vec::new())),
        }
    }
    cases
}

/// A rule without its places, and with its texts in one spelling.
pub fn bare(rule: &Rule) -> Rule {
    let mut rule = rule.clone();
    let nowhere = Sources::default().add("nowhere", String::new());
    let nowhere = Span { source: nowhere, start: 0, end: 0 };
    rule.text = rule.to_string();
    rule.at = nowhere;
    if let Action::Redirect(interface) = &mut rule.action {
        interface.at = nowhere;
    }
    for found in &mut rule.matches {
        found.at = nowhere;
        match &mut found.values {
            Values::Prefixes(items) => {
                for item in items {
                    (item.at, item.text) = (nowhere, String::new());
                }
            }
            Values::Interfaces(interfaces) => {
                for interface in interfaces {
                    interface.at = nowhere;
                }
            }
            _ => {}
        }
    }
    rule
}
