//! What a guest said: its lines in, a verdict for each test out.

use std::collections::BTreeMap;

use serde_json::Value;

/// One line that is worth printing.
#[derive(Debug, PartialEq)]
pub enum Said {
    Nothing,
    Up {
        release: String,
    },
    Passed {
        test: String,
        seconds: f64,
    },
    Failed {
        test: String,
        why: String,
    },
    /// A file of tests is through.
    Ended {
        file: String,
    },
    /// Something went wrong outside of a test.
    Trouble(String),
}

/// Collects the lines of one guest.
#[derive(Debug, Default)]
pub struct Report {
    pub release: Option<String>,
    binary: String,
    pub passed: BTreeMap<String, f64>,
    pub failed: Vec<String>,
    /// Standard error of a file of tests that failed.
    pub stderr: Vec<String>,
    /// Files that tests wrote for the host, by name.
    pub files: BTreeMap<String, String>,
    file: String,
}

impl Report {
    pub fn line(&mut self, line: &str) -> Said {
        if let Some(rest) = line.strip_prefix('@') {
            return self.own(rest);
        }
        match serde_json::from_str::<Value>(line) {
            Ok(event) => self.event(&event),
            Err(_) if line.trim().is_empty() => Said::Nothing,
            Err(_) => Said::Trouble(line.to_owned()),
        }
    }

    /// Lines of the guest's first process.
    fn own(&mut self, line: &str) -> Said {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "up" => {
                self.release = Some(rest.to_owned());
                Said::Up { release: rest.to_owned() }
            }
            "run" => {
                self.binary = rest.to_owned();
                Said::Nothing
            }
            "ended" if rest.ends_with(" 137") => {
                Said::Trouble(format!("{}: took too long and was ended", self.binary))
            }
            "ended" => Said::Ended { file: self.binary.clone() },
            "done" => Said::Nothing,
            "stderr" => {
                self.stderr.push(format!("{}: {rest}", self.binary));
                Said::Nothing
            }
            "file" => {
                self.file = rest.to_owned();
                self.files.insert(self.file.clone(), String::new());
                Said::Nothing
            }
            "|" => {
                let file = self.files.entry(self.file.clone()).or_default();
                file.push_str(rest);
                file.push('\n');
                Said::Nothing
            }
            _ => Said::Trouble(line.to_owned()),
        }
    }

    /// libtest's.
    fn event(&mut self, event: &Value) -> Said {
        if event["type"] != "test" {
            return Said::Nothing;
        }
        let test = format!("{}::{}", self.binary, event["name"].as_str().unwrap_or("?"));
        match event["event"].as_str() {
            Some("ok") => {
                let seconds = event["exec_time"].as_f64().unwrap_or(0.0);
                self.passed.insert(test.clone(), seconds);
                Said::Passed { test, seconds }
            }
            // `timeout`: it has run for a minute, and goes on.
            Some("started" | "timeout") => Said::Nothing,
            Some("failed") => {
                self.failed.push(test.clone());
                Said::Failed { test, why: shortened(event["stdout"].as_str().unwrap_or_default()) }
            }
            // Also `ignored`: a test that does not run says nothing about this kernel.
            other => {
                self.failed.push(test.clone());
                Said::Failed { test, why: format!("{other:?}") }
            }
        }
    }

    /// Tests that should have run and of which nothing was heard.
    pub fn missing<'a>(&self, expected: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
        expected
            .filter(|test| !self.passed.contains_key(*test) && !self.failed.iter().any(|f| f == test))
            .collect()
    }
}

/// The beginning and the end of a long text: a verifier's log can have a million lines.
fn shortened(text: &str) -> String {
    const LINES: usize = 12;
    const WIDTH: usize = 400;
    let lines: Vec<String> = text.trim().lines().map(|line| line.chars().take(WIDTH).collect()).collect();
    if lines.len() <= 2 * LINES {
        return lines.join("\n");
    }
    let end = lines.len() - LINES;
    format!("{}\n[{} lines]\n{}", lines[..LINES].join("\n"), end - LINES, lines[end..].join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(lines: &[&str]) -> (Report, Vec<Said>) {
        let mut report = Report::default();
        let said = lines.iter().map(|line| report.line(line)).filter(|said| *said != Said::Nothing).collect();
        (report, said)
    }

    #[test]
    fn a_guest_that_ran_two_tests() {
        let (report, said) = heard(&[
            "@up 5.10.0-46-cloud-amd64",
            "@run engine::verifies",
            r#"{ "type": "suite", "event": "started", "test_count": 2 }"#,
            r#"{ "type": "test", "event": "started", "name": "loads" }"#,
            r#"{ "type": "test", "name": "loads", "event": "ok", "exec_time": 1.5 }"#,
            r#"{ "type": "test", "name": "runs", "event": "failed", "exec_time": 0.1, "stdout": "line\nline" }"#,
            "@stderr what a child said",
            "@ended engine::verifies 101",
            "@file budgets",
            "@| a = 1",
            "@|  b",
            "@done",
        ]);
        assert_eq!(
            said,
            [
                Said::Up { release: "5.10.0-46-cloud-amd64".into() },
                Said::Passed { test: "engine::verifies::loads".into(), seconds: 1.5 },
                Said::Failed { test: "engine::verifies::runs".into(), why: "line\nline".into() },
                Said::Ended { file: "engine::verifies".into() },
            ]
        );
        assert_eq!(
            report.missing(["engine::verifies::loads", "engine::verifies::lost"].into_iter()),
            ["engine::verifies::lost"]
        );
        assert_eq!(report.files["budgets"], "a = 1\n b\n");
        assert_eq!(report.stderr, ["engine::verifies: what a child said"]);
    }

    #[test]
    fn long_texts_keep_their_ends() {
        let text: Vec<String> = (0..100).map(|n| format!("line {n}")).collect();
        let short = shortened(&text.join("\n"));
        assert!(short.starts_with("line 0\n") && short.ends_with("line 99") && short.contains("[76 lines]"));
        assert_eq!(shortened("one\ntwo\n"), "one\ntwo");
    }

    #[test]
    fn what_is_not_understood_is_trouble() {
        let (_, said) = heard(&["@run a::b", "garbage", "@ended a::b 137", "@module veth"]);
        assert_eq!(said.len(), 3, "{said:?}");
    }

    #[test]
    fn an_ignored_test_is_a_failure() {
        let (report, _) = heard(&["@run a::b", r#"{ "type": "test", "name": "t", "event": "ignored" }"#]);
        assert_eq!(report.failed, ["a::b::t"]);
    }
}
