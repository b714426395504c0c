//! The words and signs of a rule.

use std::ops::Range;

/// A word, a brace, a comma or a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token<'a> {
    pub text: &'a str,
    /// Bytes of the rule.
    pub at: Range<usize>,
}

impl Token<'_> {
    pub fn is_word(&self) -> bool {
        !self.text.starts_with(is_sign)
    }
}

fn is_sign(c: char) -> bool {
    matches!(c, '{' | '}' | ',' | '<' | '>' | '=' | '!')
}

/// All of them, in order.
pub fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::with_capacity(text.len() / 4);
    let mut start = 0;
    while let Some(first) = text[start..].chars().next() {
        let rest = &text[start..];
        let length = match first {
            '{' | '}' | ',' => 1,
            '<' | '>' | '=' | '!' => 1 + usize::from(rest[1..].starts_with('=')),
            _ if first.is_whitespace() => {
                start += first.len_utf8();
                continue;
            }
            _ => rest.find(|c: char| c.is_whitespace() || is_sign(c)).unwrap_or(rest.len()),
        };
        tokens.push(Token { text: &rest[..length], at: start..start + length });
        start += length;
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_part_words() {
        let texts = |text| tokens(text).into_iter().map(|token| token.text).collect::<Vec<_>>();
        assert_eq!(texts(" drop  port\t{80,443 } "), ["drop", "port", "{", "80", ",", "443", "}"]);
        assert_eq!(
            texts("ttl<5 length>=9 a=b != é"),
            ["ttl", "<", "5", "length", ">=", "9", "a", "=", "b", "!=", "é"]
        );
        assert_eq!(texts(""), [""; 0]);
    }
}
