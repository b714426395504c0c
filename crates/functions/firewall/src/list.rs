//! Lists of prefixes: of the command line, and of files with a prefix a line.

use policy::list::{Line, lines};

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
        for Line { number, text, .. } in lines(text) {
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
