//! From rules to what the data path walks.

use classify::{BuildError, Forest};
use policy::{Problems, World};

use super::{
    ast::{Action, Rule},
    lower::{Lowered, MOST_BOXES, MOST_SETS, Unfit, lower},
};

/// Memory that compiled rules may take.
pub const MOST_BYTES: usize = 256 << 20;

/// Rules that a list can have.
pub const MOST_RULES: usize = 1 << 18;

/// Compiled rules. In the forest, a counter's slot is the number of its rule.
#[derive(Debug, Clone)]
pub struct Compiled {
    pub forest: Forest,
    pub lowered: Lowered,
    /// It took so long.
    pub milliseconds: f64,
}

/// Compiles rules, or says why that cannot be done.
pub fn compile(rules: &[Rule], world: &World<'_>, problems: &mut Problems) -> Option<Compiled> {
    if let Some(rule) = rules.get(MOST_RULES) {
        let message = format!("there are {} rules, more than {MOST_RULES}", rules.len());
        problems.error(rule.at, message, Some("put addresses that are treated alike into a set".into()));
        return None;
    }
    if !can_be_done(rules, problems) {
        return None;
    }
    let begun = std::time::Instant::now();
    let lowered = match lower(rules, world) {
        Ok(lowered) => lowered,
        Err(unfit) => {
            let (number, message) = match unfit {
                Unfit::TooManyBoxes(number) => {
                    (number, format!("this rule stands for more than {MOST_BOXES} combinations of values"))
                }
                Unfit::TooManySets(number) => {
                    (number, format!("rules can name {MOST_SETS} sets and long lists, and this is one more"))
                }
            };
            let hint = "put the addresses of several sets, or of a list, into one set";
            problems.error(rules[number].at, message, Some(hint.into()));
            return None;
        }
    };
    match Forest::build(&lowered.lists, MOST_BYTES) {
        Ok(forest) => {
            let milliseconds = begun.elapsed().as_secs_f64() * 1e3;
            Some(Compiled { forest, lowered, milliseconds })
        }
        Err(BuildError::Overlap { rules: count, first, last }) => {
            // An order is twice the rule's number, and one more where it decides.
            let (first, last) = (&rules[first as usize / 2], &rules[last as usize / 2]);
            let message = format!(
                "{count} rules match in one place, from this one on, and nothing tells them apart: a packet would have \
                 to be compared with all of them"
            );
            let hint = "put the addresses or ports that they differ in into one list, {…}, or one set";
            problems.error(first.at, message, Some(hint.into())).also(last.at, "the last of them");
            None
        }
        Err(BuildError::TooLarge) => {
            let message = format!(
                "the rules overlap in so many ways that their tables would take more than {} MiB",
                MOST_BYTES >> 20
            );
            let hint = "fewer rules that leave both addresses open, or narrower ports in them, make the tables smaller";
            problems.error(rules.first().map(|rule| rule.at), message, Some(hint.into()));
            None
        }
    }
}

/// Whether the data path can do what the rules say; what it cannot is refused and never passed over.
fn can_be_done(rules: &[Rule], problems: &mut Problems) -> bool {
    let before = problems.errors();
    for rule in rules {
        let (what, hint) = match &rule.action {
            // The event would show the answer, and not the packet.
            Action::Reject if rule.log.is_some() => (
                "`log` before `reject`: the packet becomes its own answer",
                "write a rule above it: `log` with the same conditions",
            ),
            Action::Limit(_) | Action::Count(_) | Action::Mark(_) if rule.log.is_some() => (
                "`log` before `limit`, `count` or `mark`: it tells of packets that a rule decides, or stands alone",
                "write a rule above it: `log` with the same conditions",
            ),
            _ => continue,
        };
        problems.error(rule.at, format!("a rule cannot have {what}"), Some(hint.into()));
    }
    problems.errors() == before
}
