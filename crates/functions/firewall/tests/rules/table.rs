//! What rules come to, and what is said of mistakes.

use firewall::rule::{Place, ast::Field, read};
use policy::{Problems, Sources, Span};

use crate::language::{bare, cases, parts, rule, said, scene};

/// Every match and action: its parts, and its canonical text.
#[test]
fn rules_come_to_this() {
    let scene = scene();
    for (text, expected) in cases(include_str!("rules.txt")) {
        let (read, problems) = said(&scene, text);
        let read = read.unwrap_or_else(|| panic!("{text}: {problems:?}"));
        assert_eq!((problems, read.text.as_str()), (Vec::new(), text), "{text}");
        assert_eq!(vec![parts(&read), format!("= {read}")], expected, "{text}");
        assert_eq!(bare(&rule(&scene, &read.to_string())), bare(&read), "{text}");
    }
}

/// With the text that is underlined, and the hint.
#[test]
fn mistakes_are_named() {
    let scene = scene();
    for (text, expected) in cases(include_str!("mistakes.txt")) {
        assert_eq!(said(&scene, text).1, expected, "{text}");
    }
}

#[test]
fn a_condition_is_underlined_as_a_whole_and_a_value_alone() {
    let text = "drop  tcp from not {192.0.2.1,\t@office}   not fragment";
    let line = format!("rules = [\"{text}\"]");
    let mut sources = Sources::default();
    let source = sources.add("senko.toml", line.clone());
    let at = Span { source, start: 9, end: line.len() - 1 };
    let mut problems = Problems::default();
    let rule = read(text, Place::of(at, text), &scene().world(), &mut problems).expect("a rule");
    let shown = |span| sources.text(span);
    let matches: Vec<(Field, &str)> =
        rule.matches.iter().map(|found| (found.field, shown(found.at))).collect();
    let from = "from not {192.0.2.1,\t@office}";
    assert_eq!(matches, [(Field::Protocol, "tcp"), (Field::Source, from), (Field::Fragment, "not fragment")]);
    let firewall::rule::ast::Values::Prefixes(items) = &rule.matches[1].values else { panic!("{rule:?}") };
    let items: Vec<(&str, &str)> = items.iter().map(|item| (item.text.as_str(), shown(item.at))).collect();
    assert_eq!(items, [("192.0.2.1", "192.0.2.1"), ("@office", "@office")]);
    assert_eq!(rule.text, "drop tcp from not {192.0.2.1, @office} not fragment");
    assert_eq!(shown(rule.at), format!("\"{text}\""));
}

/// Where the source is not the text, all of the string is underlined.
#[test]
fn a_string_with_escapes_is_underlined_whole() {
    for written in [r#""drop\u0020tcpp""#, "\"\"\"drop tcpp\"\"\"", "\"\"\"\ndrop tcpp\"\"\"", "'drop tcpp'"]
    {
        let mut sources = Sources::default();
        let source = sources.add("senko.toml", written.into());
        let mut problems = Problems::default();
        let at = Span { source, start: 0, end: written.len() };
        read("drop tcpp", Place::of(at, "drop tcpp"), &scene().world(), &mut problems);
        let shown: Vec<&str> =
            problems.iter().filter_map(|problem| Some(sources.text(problem.at?))).collect();
        let expected = if written == "'drop tcpp'" { "tcpp" } else { written };
        assert_eq!(shown, [expected], "{written}");
    }
}

/// A line of any length is read in a time that grows with it, and without recursion.
#[test]
fn a_long_line_is_no_danger() {
    let scene = scene();
    for word in ["log ", "not ", "{", "drop ", "tcp ", "and ", "port {80, ", "flags syn,", "x", "from 1 "] {
        let text = word.repeat(20_000);
        assert!(said(&scene, &text).0.is_none(), "{word}");
        assert!(said(&scene, &format!("drop {text}")).0.is_none(), "{word}");
    }
}

/// What the manual shows works as it stands there.
#[test]
fn examples_of_the_manual_are_rules() {
    let manual = include_str!("../../../../../docs/rules.md");
    let scene = scene();
    let mut seen = 0;
    let mut works = |text: &str| {
        let (rule, problems) = said(&scene, text);
        assert!(rule.is_some() && problems.is_empty(), "{text}: {problems:?}");
        seen += 1;
    };
    for line in manual.lines() {
        if let Some(rule) = line.strip_prefix("  \"").and_then(|line| line.strip_suffix("\",")) {
            works(rule);
        }
        // The last column of conditions.
        let example = line.strip_suffix("` |").and_then(|line| line.rsplit_once("| `"));
        if let Some((_, example)) = example {
            let is_whole = ["accept", "drop"].iter().any(|action| example.starts_with(action));
            let protocol = if example.starts_with("from") { "tcp " } else { "" };
            works(&if is_whole { example.to_owned() } else { format!("drop {protocol}{example}") });
        }
    }
    assert_eq!(seen, 6 + 17);
}
