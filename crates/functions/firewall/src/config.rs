//! The section `[firewall]`.

use std::{collections::BTreeMap, sync::Arc};

use policy::{Field, Function, Item, Problems, Section, Shape, Span, Valid, What, World, words::shown};

use crate::{
    list::Verdict,
    rule::{
        self, Place,
        compile::{self, Compiled},
    },
    shared::fragments,
};

/// Entries that `allow` and `drop` have together at most. Each has a counter.
pub const MOST_ENTRIES: usize = 8192;

const FIELDS: &[Field] = &[
    Field {
        name: "default",
        shape: Shape::Choice(&["accept", "drop"]),
        about: "What becomes of IP packets that neither a list nor a rule decides.",
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
    Field {
        name: "rules",
        shape: Shape::Texts,
        about: "Rules in order: the first that matches decides. They judge what no list has decided. See docs/rules.md.",
        default: "",
    },
    Field {
        name: "fragments",
        shape: Shape::Choice(&["first-only", "drop", "pass"]),
        about: "What rules do with fragments: judge them all, though later ones have no ports; drop them all; let later ones pass.",
        default: "\"first-only\"",
    },
    Field {
        name: "flows",
        shape: Shape::Count(MOST_FLOWS),
        about: "Flows that `established` has room for; each takes 32 to 64 bytes. Beyond, those that have least time left make way.",
        default: "262144",
    },
];

/// As many as the table's largest size has room for.
const MOST_FLOWS: u32 = 4 << 20;

/// The function in `senko.toml`.
pub struct Firewall;

impl Function for Firewall {
    fn name(&self) -> &'static str {
        "firewall"
    }

    fn about(&self) -> &'static str {
        "Drops packets by the prefix of their source and by rules."
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
        let allow = allow.into_iter().map(|item| Entry { verdict: Verdict::Allow, item });
        let drop = drop.into_iter().map(|item| Entry { verdict: Verdict::Drop, item });
        let entries = once_each(allow.chain(drop), problems);
        if let Some(rule) = entries.get(MOST_ENTRIES) {
            let message =
                format!("`allow` and `drop` have {} entries, more than {MOST_ENTRIES}", entries.len());
            let hint = "put prefixes into a set, which counts as one: [sets] name = { file = \"name.txt\" }";
            problems.error(rule.item.at, message, Some(hint.into()));
        }
        let fragments = section.choice("fragments", problems);
        let flows = section.count("flows", problems);
        let mut rules = Vec::new();
        for written in section.texts("rules", problems) {
            rules.extend(rule::read(&written.text, Place::of(written.at, &written.text), world, problems));
        }
        let default = default.filter(|_| problems.errors() == before)?;
        rule::shadowed(&rules, world.sets, problems);
        let compiled = if rules.is_empty() { None } else { Some(compile::compile(&rules, world, problems)?) };
        let drops = default.word == "drop";
        let accepts = |rule: &rule::ast::Rule| rule.action == rule::ast::Action::Accept;
        if drops && !entries.iter().any(|entry| entry.verdict == Verdict::Allow) && !rules.iter().any(accepts)
        {
            let hint = "name those that shall come through in `allow` or in a rule, yourself among them";
            problems.warning(
                default.at,
                "this drops every IP packet: nothing is accepted",
                Some(hint.into()),
            );
        }
        let default_at = default.at;
        let flows = flows?;
        let default = if drops { Verdict::Drop } else { Verdict::Allow };
        let fragments = match fragments.map(|word| word.word) {
            Some("drop") => fragments::DROP,
            Some("pass") => fragments::PASS,
            _ => fragments::FIRST_ONLY,
        };
        let compiled = compiled.map(Arc::new);
        Some(Box::new(Rules { default, default_at, entries, rules, compiled, fragments, flows }))
    }
}

/// A sound section.
#[derive(Debug, Clone)]
pub struct Rules {
    pub default: Verdict,
    /// The section, where it is not written.
    pub default_at: Span,
    /// All of `allow`, then all of `drop`. Where two have the very same prefix, the first decides.
    pub entries: Vec<Entry>,
    pub rules: Vec<rule::ast::Rule>,
    /// `None`: there are no rules.
    pub compiled: Option<Arc<Compiled>>,
    /// Of [`fragments`].
    pub fragments: u8,
    /// That there shall be room for.
    pub flows: u32,
}

/// An entry of one of the lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub verdict: Verdict,
    pub item: Item,
}

impl Entry {
    /// `drop @blocklist`: the name of its counter.
    pub fn text(&self) -> String {
        format!("{} {}", self.verdict.name(), self.item.text)
    }
}

/// Leaves out entries that an earlier one makes meaningless.
fn once_each(rules: impl Iterator<Item = Entry>, problems: &mut Problems) -> Vec<Entry> {
    let mut first: BTreeMap<What, (Verdict, Span)> = BTreeMap::new();
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
