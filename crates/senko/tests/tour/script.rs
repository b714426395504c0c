//! The commands of a document and what it says of their output.

/// A command, and what is below it.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    /// In the document, from 1.
    pub line: usize,
    pub command: String,
    /// Lines that must occur in this order.
    pub expected: Vec<String>,
    pub exit: i32,
    pub background: bool,
}

#[derive(Debug, Default)]
pub struct Script {
    pub steps: Vec<Step>,
    /// The text of each `console` block.
    pub blocks: Vec<String>,
}

impl Script {
    pub fn parse(text: &str) -> Self {
        let mut script = Self::default();
        let mut inside = false;
        for (at, line) in text.lines().enumerate() {
            if line.starts_with("```") {
                inside = line == "```console";
                if inside {
                    script.blocks.push(String::new());
                }
                continue;
            }
            if !inside {
                continue;
            }
            if let Some(block) = script.blocks.last_mut() {
                *block += line;
                block.push('\n');
            }
            script.line(at + 1, line);
        }
        script
    }

    fn line(&mut self, number: usize, line: &str) {
        if let Some(command) = line.strip_prefix("# ") {
            self.steps.push(Step {
                line: number,
                command: command.into(),
                expected: Vec::new(),
                exit: 0,
                background: command.ends_with('&'),
            });
            return;
        }
        let step = self.steps.last_mut().unwrap_or_else(|| panic!("line {number} belongs to no command"));
        match line.strip_prefix("[exit code ").and_then(|rest| rest.strip_suffix(']')) {
            Some(code) => step.exit = code.parse().unwrap_or_else(|_| panic!("line {number}: {code}")),
            None => step.expected.push(line.into()),
        }
    }
}

/// Whether a line is what the pattern says; `…` stands for any text.
pub fn matches(pattern: &str, line: &str) -> bool {
    let parts: Vec<&str> = pattern.trim_end().split('…').collect();
    let [first, middle @ .., last] = &parts[..] else { return pattern.trim_end() == line };
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// The first pattern that is not found, in order, among the lines.
pub fn missing<'a>(expected: &'a [String], lines: &[String]) -> Option<&'a str> {
    let mut lines = lines.iter();
    // `…` alone: lines that are left out, if there are any.
    let patterns = expected.iter().filter(|pattern| pattern.as_str() != "…");
    patterns.map(String::as_str).find(|pattern| !lines.any(|line| matches(pattern, line)))
}
