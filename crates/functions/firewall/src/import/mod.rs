//! Rules of other firewalls, translated: `iptables-save`, `nft -j list ruleset`, and lists like xdp-filter's.
//!
//! What a rule of the other says and ours cannot say is listed with its line and the reason. A rule is translated whole or
//! not at all.

mod conditions;
mod draft;
mod iptables;
mod nft;
mod range;
mod xdp_filter;

use std::{collections::BTreeSet, fmt::Write};

pub use iptables::iptables;
pub use nft::nft;
pub use xdp_filter::xdp_filter;

/// What became of the rules of another firewall.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imported {
    /// In order, as they are to stand in `rules = [...]`; each can be read.
    pub rules: Vec<Translated>,
    /// `None`: the other said nothing that we have.
    pub default: Option<Policy>,
    /// Rules that mean nearly, but not exactly, what they meant there.
    pub notes: Vec<Remark>,
    /// What is not among the rules.
    pub not_translated: Vec<Remark>,
    /// Interfaces that the rules name: each needs its `[[interface]]`.
    pub interfaces: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translated {
    /// Where it comes from, from 1.
    pub line: usize,
    pub rule: String,
}

/// What packets meet that no rule decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    Accept,
    Drop,
}

impl Policy {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Drop => "drop",
        }
    }
}

/// A line of the other firewall, and what is to be said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// From 1.
    pub line: usize,
    /// As it stands there.
    pub text: String,
    pub why: String,
}

impl Imported {
    /// The section `[firewall]`, with all remarks as comments.
    pub fn toml(&self) -> String {
        let mut toml = String::new();
        for (title, remarks) in
            [("not translated", &self.not_translated), ("not quite the same", &self.notes)]
        {
            for Remark { line, text, why } in remarks {
                let _ = writeln!(toml, "# {title}: line {line}: {}", one_line(text));
                let _ = writeln!(toml, "#   {}", one_line(why));
            }
        }
        toml += "[firewall]\n";
        if let Some(policy) = self.default {
            let _ = writeln!(toml, "default = \"{}\"", policy.name());
        }
        toml += "rules = [\n";
        for Translated { rule, .. } in &self.rules {
            let _ = writeln!(toml, "  \"{}\",", in_a_string(rule));
        }
        toml + "]\n"
    }
}

/// As a basic string of TOML has it.
fn in_a_string(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '"' => escaped.extend(['\\', c]),
            // A name of the other firewall may have any.
            c if c.is_control() => {
                let _ = write!(escaped, "\\u{:04X}", u32::from(c));
            }
            c => escaped.push(c),
        }
    }
    escaped
}

/// A comment ends with its line.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
