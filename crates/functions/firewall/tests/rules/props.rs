//! Any rule is written and read again, and nothing that can be written makes the reader fall over.

use std::cell::Cell;

use firewall::rule::{Place, read};
use policy::{Problems, Severity, Sources, Span};
use proptest::{collection::vec, prelude::*, sample::select, test_runner::TestRunner};
use testkit::sections::Scene;

use crate::{
    language::{bare, cases, said, scene},
    random,
};

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

#[test]
fn the_canonical_text_is_read_as_the_same_rule() {
    let scene = scene();
    let result = TestRunner::new(config(1000)).run(&random::rule(), |rule| {
        let (again, problems) = said(&scene, &rule.text);
        let again = again.map(|again| bare(&again));
        prop_assert_eq!(again, Some(bare(&rule)), "{}: {:?}", rule.text, problems);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

/// Reads a text, and wants every problem to have a place inside it and a way out.
fn survives(scene: &Scene, text: &str) -> Result<bool, TestCaseError> {
    let line = format!("\"{text}\"");
    let mut sources = Sources::default();
    let source = sources.add("senko.toml", line.clone());
    let mut problems = Problems::default();
    let at = Span { source, start: 0, end: line.len() };
    let rule = read(text, Place::of(at, text), &scene.world(), &mut problems);
    prop_assert_eq!(rule.is_none(), problems.has_errors(), "{}", text);
    let mut last = 0;
    for problem in problems.iter() {
        let hint = problem.hint.as_deref();
        let at = problem.at.expect("a place");
        prop_assert!(at.start < at.end && line.get(at.start..at.end).is_some(), "{text}: {problem:?}");
        prop_assert!(last <= at.start, "{text}: {problem:?}");
        prop_assert!(hint.is_some_and(|hint| !hint.contains(char::is_control)), "{text}: {problem:?}");
        prop_assert!(!problem.message.contains(char::is_control), "{text}: {problem:?}");
        last = at.start;
    }
    if let Some(rule) = &rule {
        // What was read is written and read again.
        let (again, problems) = said(scene, &rule.to_string());
        prop_assert_eq!(again.map(|again| bare(&again)), Some(bare(rule)), "{}: {:?}", rule, problems);
        prop_assert!(problems.iter().all(|line| line.starts_with(Severity::Warning.name())));
    }
    Ok(rule.is_some())
}

#[test]
fn any_text_is_a_rule_or_a_complaint() {
    let scene = scene();
    let result = TestRunner::new(config(1000))
        .run(&"\\PC{0,60}|[ -~é\t\u{1b}]{0,40}", |text| survives(&scene, &text).map(|_| ()));
    result.unwrap_or_else(|error| panic!("{error}"));
}

/// Words of the language in any order come nearer to a rule than letters do.
#[test]
fn any_words_are_a_rule_or_a_complaint() {
    let scene = scene();
    let file = concat!(include_str!("rules.txt"), include_str!("mistakes.txt"));
    let rules: Vec<&str> = cases(file).into_iter().map(|(rule, _)| rule).collect();
    let spaced = rules.join(" ").replace('{', " { ").replace('}', " } ").replace(',', " , ");
    let mut words: Vec<&str> = spaced.split_whitespace().collect();
    words.sort_unstable();
    words.dedup();
    let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
    let result = TestRunner::new(config(2000))
        .run(&vec(select(words), 0..12), |words| survives(&scene, &words.join(" ")).map(|_| ()));
    result.unwrap_or_else(|error| panic!("{error}"));
}

/// Sound rules with a character or a word more, less or other.
#[test]
fn damaged_rules_are_rules_or_complained_of() {
    let scene = scene();
    let (sound, broken) = (Cell::new(0), Cell::new(0));
    let damage = vec((any::<prop::sample::Index>(), 0..6_u8, any::<char>()), 1..4);
    let result = TestRunner::new(config(2000)).run(&(random::rule(), damage), |(rule, damage)| {
        let mut text: Vec<char> = rule.text.chars().collect();
        for (at, how, c) in damage {
            let at = at.index(text.len() + 1);
            match how {
                0 => text.insert(at, c),
                1 => text.insert(at, ' '),
                2 if at < text.len() => drop(text.remove(at)),
                3 if at + 1 < text.len() => text.swap(at, at + 1),
                4 => text.truncate(at.max(1)),
                _ => text.insert(at, ['{', '}', ',', '<', '/', '-'][at % 6]),
            }
        }
        let is_sound = survives(&scene, &text.into_iter().collect::<String>())?;
        let count = if is_sound { &sound } else { &broken };
        count.set(count.get() + 1);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    assert!(sound.get() > 50 && broken.get() > 500, "{} {}", sound.get(), broken.get());
}
