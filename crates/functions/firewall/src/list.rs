//! Lists of prefixes: of the command line, and of files with a prefix a line.

use crate::cidr::{Cidr, CidrError};

/// What a list's prefixes do with the frames they match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Drop,
    Allow,
}

impl Verdict {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Allow => "allow",
        }
    }
}

/// A list and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// `--drop`, `--allow`, or the file's path.
    pub name: String,
    pub verdict: Verdict,
    /// Each with its line in the file, or its position on the command line, from 1.
    pub prefixes: Vec<(Cidr, u32)>,
}

/// A list that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    #[error("{name}, line {line}: {error}")]
    Line { name: String, line: u32, error: CidrError },
    #[error("{name}: {error}")]
    Argument { name: String, error: CidrError },
    #[error("{name} is not text in UTF-8 (byte {at})")]
    NotText { name: String, at: usize },
}

impl List {
    /// A list of the command line.
    pub fn from_args(name: &str, verdict: Verdict, args: &[String]) -> Result<Self, ListError> {
        let mut prefixes = Vec::with_capacity(args.len());
        for (text, position) in args.iter().zip(1..) {
            let prefix = text.parse().map_err(|error| ListError::Argument { name: name.into(), error })?;
            prefixes.push((prefix, position));
        }
        Ok(Self { name: name.into(), verdict, prefixes })
    }

    /// A file's contents: a prefix a line, `#` begins a comment, empty lines do not count.
    pub fn from_file(name: &str, verdict: Verdict, contents: &[u8]) -> Result<Self, ListError> {
        let text = std::str::from_utf8(contents)
            .map_err(|error| ListError::NotText { name: name.into(), at: error.valid_up_to() })?;
        let mut prefixes = Vec::with_capacity(text.len() / 16);
        for (line, number) in text.lines().zip(1..) {
            let text = line.split_once('#').map_or(line, |(text, _)| text).trim();
            if text.is_empty() {
                continue;
            }
            let prefix =
                text.parse().map_err(|error| ListError::Line { name: name.into(), line: number, error })?;
            prefixes.push((prefix, number));
        }
        Ok(Self { name: name.into(), verdict, prefixes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_empty_lines_do_not_count() {
        let file = b"# block list\n\n192.0.2.0/24 # documentation\r\n\t2001:db8::/32\n";
        let list = List::from_file("l", Verdict::Drop, file).expect("a sound list");
        let lines: Vec<(String, u32)> =
            list.prefixes.iter().map(|(c, line)| (c.to_string(), *line)).collect();
        assert_eq!(lines, [("192.0.2.0/24".into(), 3), ("2001:db8::/32".into(), 4)]);
    }

    #[test]
    fn a_broken_line_is_named() {
        let mut file: String =
            (0..69_999).map(|i| format!("10.{}.{}.0/24\n", i >> 8 & 255, i & 255)).collect();
        file += "10.0.0.0/\n";
        let error =
            List::from_file("bad.txt", Verdict::Drop, file.as_bytes()).expect_err("line 70000 is broken");
        assert!(
            error.to_string().starts_with("bad.txt, line 70000: `10.0.0.0/` is no IP address"),
            "{error}"
        );
    }
}
