use std::path::Path;

use agent::config::{self, Memory, Outcome, functions, render};
use policy::Severity;

const MAIN: &str = "/etc/senko/senko.toml";
const LIST: &str = "/etc/senko/list.txt";

/// A configuration is sound or refused, never both; every problem's place is inside its file, and all of it can be shown.
/// What is behind the first NUL byte is the file `list.txt` beside it.
pub fn configuration(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let mut part = || parts.next().unwrap_or_default();
    outcome(part(), part());
}

/// The same of these two files, and what the reader made of them.
pub fn outcome(main: &[u8], list: &[u8]) -> Outcome {
    let mut files = Memory::default();
    files.0.insert(MAIN.into(), main.to_vec());
    files.0.insert(LIST.into(), list.to_vec());
    let outcome = config::read(&files, Path::new(MAIN), functions());
    let errors = || outcome.problems.iter().filter(|problem| problem.severity == Severity::Error);
    assert_eq!(outcome.config.is_some(), errors().next().is_none());
    for problem in outcome.problems.iter() {
        for at in problem.at.into_iter().chain(problem.also.as_ref().map(|(at, _)| *at)) {
            let text = &outcome.sources.get(at.source).text;
            assert!(at.start <= at.end && at.end <= text.len(), "{problem:?}");
            let (line, column) = outcome.sources.line_column(at);
            let lines: Vec<&str> = text.split('\n').collect();
            assert!((1..=lines.len()).contains(&line), "{problem:?}");
            assert!((1..=lines[line - 1].chars().count() + 1).contains(&column), "{problem:?}");
        }
    }
    let shown = render::text(&outcome.problems, &outcome.sources, false);
    assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
    serde_json::to_string(&render::reports(&outcome.problems, &outcome.sources)).expect("plain data");
    outcome
}
