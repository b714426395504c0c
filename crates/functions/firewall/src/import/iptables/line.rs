//! A line of a chain: words, and what they come to.

use crate::{
    import::{conditions::Conditions, draft::Origin, iptables::options},
    rule::ast::Limit,
};

/// A rule of a chain.
#[derive(Debug)]
pub struct Line {
    pub origin: Origin,
    /// One of them must hold; nearly always there is one. The error is why they cannot be said.
    pub conditions: Result<Vec<Conditions>, String>,
    pub target: Target,
    /// How far the translation differs.
    pub notes: Vec<String>,
    /// What exceeds it meets the target.
    pub limit: Option<Limit>,
}

/// What becomes of the packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Accept,
    Drop,
    /// What the sender is told.
    Reject(String),
    Return,
    Jump(String),
    Goto(String),
    Log,
    Mark(u32),
    /// It is counted, and nothing else.
    Nothing,
    /// Why it has no counterpart.
    Unknown(String),
}

/// A chain's name and the rule that is added to it.
pub fn read(text: &str, origin: Origin, families: u8) -> Result<(String, Line), String> {
    let words = words(text)?;
    let [_add, chain, options @ ..] = &words[..] else { return Err("the chain is missing".into()) };
    let mut found = options::Found::new(families);
    let conditions = found.read(options);
    let options::Found { target, notes, limit, .. } = found;
    Ok((chain.clone(), Line { origin, conditions, target, notes, limit }))
}

/// Words, some of them in quotes with backslashes.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let mut word = String::new();
        let mut quoted = false;
        let mut chars = rest.char_indices();
        let end = loop {
            match chars.next() {
                None if quoted => return Err("a quotation mark is not closed".into()),
                None => break rest.len(),
                Some((_, '"')) => quoted = !quoted,
                Some((_, '\\')) if quoted => word.extend(chars.next().map(|(_, c)| c)),
                Some((at, c)) if c.is_whitespace() && !quoted => break at,
                Some((_, c)) => word.push(c),
            }
        };
        words.push(word);
        rest = rest[end..].trim_start();
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    #[test]
    fn quoted_words_are_one() {
        let words = super::words(r#"-A INPUT -m comment --comment "a \"b\" c" -j LOG --log-prefix "x: " "#);
        let expected =
            ["-A", "INPUT", "-m", "comment", "--comment", "a \"b\" c", "-j", "LOG", "--log-prefix", "x: "];
        assert_eq!(words.expect("closed"), expected);
        assert!(super::words("-A INPUT \"open").is_err());
    }
}
