//! The section `[firewall]`.

use std::collections::BTreeMap;

use policy::{Field, Function, Item, Problems, Section, Shape, Valid, What, World, words::shown};

use crate::list::Verdict;

/// Entries that `allow` and `drop` have together at most. Each has a counter.
pub const MOST_RULES: usize = 8192;

const FIELDS: &[Field] = &[
    Field {
        name: "default",
        shape: Shape::Choice(&["accept", "drop"]),
        about: "What becomes of IP packets whose source no list has.",
        default: "\"accept\"",
    },
    Field {
        name: "allow",
        shape: Shape::Prefixes,
        about: "Sources whose packets go on. The longest prefix that covers the source decides, whichever list it is in.",
        default: "",
    },
    Field {
        name: "drop",
        shape: Shape::Prefixes,
        about: "Sources whose packets are dropped. Where `allow` has the very same prefix, `allow` decides.",
        default: "",
    },
];

/// The function in `senko.toml`.
pub struct Firewall;

impl Function for Firewall {
    fn name(&self) -> &'static str {
        "firewall"
    }

    fn about(&self) -> &'static str {
        "Drops packets by the prefix of their source."
    }

    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn read(
        &self,
        section: &Section<'_>,
        world: &World<'_>,
        problems: &mut Problems,
    ) -> Option<Box<dyn Valid>> {
        let before = problems.errors();
        let default = section.choice("default", problems);
        let allow = section.prefixes("allow", world, problems);
        let drop = section.prefixes("drop", world, problems);
        let allow = allow.into_iter().map(|item| Rule { verdict: Verdict::Allow, item });
        let drop = drop.into_iter().map(|item| Rule { verdict: Verdict::Drop, item });
        let rules = once_each(allow.chain(drop), problems);
        if let Some(rule) = rules.get(MOST_RULES) {
            let message = format!("`allow` and `drop` have {} entries, more than {MOST_RULES}", rules.len());
            let hint = "put prefixes into a set, which counts as one: [sets] name = { file = \"name.txt\" }";
            problems.error(rule.item.at, message, Some(hint.into()));
        }
        let default = default.filter(|_| problems.errors() == before)?;
        let drops = default.word == "drop";
        if drops && !rules.iter().any(|rule| rule.verdict == Verdict::Allow) {
            let hint = "name those that shall come through in `allow`, yourself among them";
            problems.warning(default.at, "this drops every IP packet: `allow` is empty", Some(hint.into()));
        }
        let default = if drops { Verdict::Drop } else { Verdict::Allow };
        Some(Box::new(Rules { default, rules }))
    }
}

/// A sound section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    pub default: Verdict,
    /// All of `allow`, then all of `drop`. Where two have the very same prefix, the first decides.
    pub rules: Vec<Rule>,
}

/// An entry of one of the lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub verdict: Verdict,
    pub item: Item,
}

impl Rule {
    /// `drop @blocklist`: the name of its counter.
    pub fn text(&self) -> String {
        format!("{} {}", self.verdict.name(), self.item.text)
    }
}

/// Leaves out entries that an earlier one makes meaningless.
fn once_each(rules: impl Iterator<Item = Rule>, problems: &mut Problems) -> Vec<Rule> {
    let mut first: BTreeMap<What, (Verdict, policy::Span)> = BTreeMap::new();
    let mut kept = Vec::new();
    for rule in rules {
        let Item { what, text, at } = &rule.item;
        let Some((verdict, earlier)) = first.get(what) else {
            first.insert(what.clone(), (rule.verdict, *at));
            kept.push(rule);
            continue;
        };
        let (message, label) = if *verdict == rule.verdict {
            (format!("`{}` stands twice in `{}`", shown(text), verdict.name()), "first here")
        } else {
            (format!("`{}` is allowed already, so nothing is dropped here", shown(text)), "allowed here")
        };
        problems.warning(*at, message, Some("remove one of the two".into())).also(*earlier, label);
    }
    kept
}
