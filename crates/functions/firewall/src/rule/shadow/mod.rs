//! Rules that can never apply, because of the rules above them.

mod index;
mod names;
mod region;

use policy::{Problems, Sets, words::shown};

use crate::rule::{
    ast::{Action, Rule},
    shadow::{
        index::{Fast, Index, hash},
        region::Region,
    },
};

/// Rules that are named one by one. Of a rule at the top that matches everything, all others would be.
const NAMED: usize = 100;

/// Warns of rules that stand twice, and of rules all of whose packets a rule above decides. Only of those for which that is
/// sure: a rule that several others cover together is not found.
pub fn shadowed(rules: &[Rule], sets: &Sets, problems: &mut Problems) {
    let regions: Vec<Region<'_>> = rules.iter().map(|rule| Region::of(rule, sets)).collect();
    let mut index = Index::new(&regions, sets);
    // Of the rules that let packets go on: the others are in the index.
    let mut first: Fast<u64, usize> = Fast::default();
    let is_same = |one: usize, other: usize| {
        regions[one] == regions[other]
            && rules[one].log == rules[other].log
            && do_the_same(&rules[one].action, &rules[other].action)
    };
    let mut found = Found { rules, count: 0, first_unnamed: None };
    for (at, rule) in rules.iter().enumerate() {
        if let Some(above) = index.above(at) {
            if is_same(above, at) {
                found.twice(at, above, problems);
            } else {
                found.never(at, above, problems);
            }
        } else if is_final(&rule.action) {
            // What is in none of these is in none of those that never apply.
            index.add(at);
        } else {
            let key = hash(&(&regions[at], std::mem::discriminant(&rule.action), rule.log));
            let earlier = *first.entry(key).or_insert(at);
            // Two rules may have the same hash.
            if earlier != at && is_same(earlier, at) {
                found.twice(at, earlier, problems);
            }
        }
    }
    found.rest(problems);
}

/// Whether no packet that a rule matches meets the rules below.
const fn is_final(action: &Action) -> bool {
    matches!(action, Action::Accept | Action::Drop | Action::Reject | Action::Redirect(_))
}

/// Wherever they stand.
fn do_the_same(one: &Action, other: &Action) -> bool {
    match (one, other) {
        (Action::Redirect(one), Action::Redirect(other)) => one.text == other.text,
        _ => one == other,
    }
}

/// What was found, and how much of it was said.
struct Found<'a> {
    rules: &'a [Rule],
    count: usize,
    first_unnamed: Option<usize>,
}

impl Found<'_> {
    /// Whether this one is still named.
    fn counts(&mut self, at: usize) -> bool {
        self.count += 1;
        if self.count > NAMED {
            self.first_unnamed.get_or_insert(at);
        }
        self.count <= NAMED
    }

    fn twice(&mut self, at: usize, earlier: usize, problems: &mut Problems) {
        if self.counts(at) {
            let message = format!("`{}` stands twice", shown(&self.rules[at].text));
            let problem = problems.warning(self.rules[at].at, message, Some("remove one of the two".into()));
            problem.also(self.rules[earlier].at, "first here");
        }
    }

    fn never(&mut self, at: usize, above: usize, problems: &mut Problems) {
        if self.counts(at) {
            let (rule, above) = (&self.rules[at], &self.rules[above]);
            let (text, first) = (shown(&rule.text), shown(&above.text));
            let message = format!("`{text}` never applies: `{first}` decides all its packets before");
            let hint = if do_the_same(&rule.action, &above.action) {
                "remove it: the rule above does the same"
            } else {
                "write it above that rule, or remove it"
            };
            problems.warning(rule.at, message, Some(hint.into())).also(above.at, "decides before");
        }
    }

    fn rest(&self, problems: &mut Problems) {
        if let Some(first) = self.first_unnamed {
            let more = self.count - NAMED;
            let message = format!("{more} more rules never apply or stand twice, beginning with this one");
            let hint = "mend those that were named, and check again";
            problems.warning(self.rules[first].at, message, Some(hint.into()));
        }
    }
}
