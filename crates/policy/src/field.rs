//! What may stand in a section, declared: the reader, the schema and the manual are made of it.

use crate::words::one_of;

/// What may stand behind a key. A word may have aliases: `native|drv` is read as `native`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One of these words.
    Choice(&'static [&'static str]),
    /// An array of some of these words.
    Choices(&'static [&'static str]),
    Bool,
    /// A whole number from 1 to this.
    Count(u32),
    /// An array of prefixes, addresses and `@set`.
    Prefixes,
    /// An array of names of interfaces.
    Interfaces,
    /// An array of pairs of interface names: `[["eth0", "eth1"]]`.
    Cables,
    /// `ADDRESS:PORT`.
    Listen,
    Text,
    /// An array of texts, which the function reads.
    Texts,
}

/// A key that a section may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    pub name: &'static str,
    pub shape: Shape,
    /// One sentence.
    pub about: &'static str,
    /// As it would be written; `""`: none.
    pub default: &'static str,
}

impl Shape {
    /// What the key wants, in words that follow `wants`.
    pub fn wanted(self) -> String {
        match self {
            Self::Choice(words) => one_of(names(words)),
            Self::Choices(words) => format!("an array of {}", one_of(names(words))),
            Self::Bool => "true or false".into(),
            Self::Count(most) => format!("a whole number from 1 to {most}"),
            Self::Prefixes => "an array of prefixes, addresses and \"@set\"".into(),
            Self::Interfaces => "an array of names of interfaces".into(),
            Self::Cables => "an array of pairs of interfaces, as [[\"eth0\", \"eth1\"]]".into(),
            Self::Listen => "an address and a port, as \"127.0.0.1:9479\"".into(),
            Self::Text => "a text in quotes".into(),
            Self::Texts => "an array of texts in quotes".into(),
        }
    }
}

/// The words without their aliases.
pub fn names(words: &'static [&'static str]) -> impl Iterator<Item = &'static str> {
    words.iter().map(|word| word.split('|').next().unwrap_or(word))
}

/// The word that a text stands for, by its name or an alias.
pub fn word(words: &'static [&'static str], text: &str) -> Option<&'static str> {
    let found = words.iter().find(|word| word.split('|').any(|name| name == text))?;
    found.split('|').next()
}
