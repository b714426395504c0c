//! From lists to the tables' contents: which counter each prefix has, and what its value says.

use std::ops::Range;

use prefix::{PrefixV4, PrefixV6};

use crate::{
    cidr::Cidr,
    list::{List, Verdict},
    shared::Value,
};

/// A list with more prefixes than this has one counter for all of them, unless the user asks for more.
pub const COUNTED_EACH: usize = 65_536;

/// A list's counters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    pub name: String,
    pub verdict: Verdict,
    pub prefixes: usize,
    /// One slot for the whole list, or one for each prefix.
    pub slots: Range<u32>,
    /// Whether all prefixes share one counter.
    pub shared: bool,
}

/// What the tables are to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Sorted, without duplicates, as the tables want it.
    pub v4: Vec<(PrefixV4, u32)>,
    pub v6: Vec<(PrefixV6, u32)>,
    pub lists: Vec<Counted>,
    /// Counter slots in use.
    pub slots: u32,
}

/// Lists that contradict each other or themselves.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{prefix} is there twice: {first} and {second}; remove one of them")]
pub struct Twice {
    pub prefix: Cidr,
    pub first: String,
    pub second: String,
}

/// Where a prefix stands: list, line.
type Place = (usize, u32);

impl Policy {
    /// Gives every prefix its value. `each`: a counter for each prefix, however long the list.
    pub fn compile(lists: &[List], each: bool) -> Result<Self, Twice> {
        let mut policy = Self::default();
        let mut v4: Vec<(PrefixV4, u32, Place)> = Vec::new();
        let mut v6: Vec<(PrefixV6, u32, Place)> = Vec::new();
        for (number, list) in lists.iter().enumerate().filter(|(_, list)| !list.prefixes.is_empty()) {
            let shared = !each && list.prefixes.len() > COUNTED_EACH;
            let first = policy.slots;
            for (prefix, line) in &list.prefixes {
                let slot = policy.slots;
                policy.slots += u32::from(!shared);
                let value = match list.verdict {
                    Verdict::Drop => Value::drop(slot),
                    Verdict::Allow => Value::allow(slot),
                };
                match prefix {
                    Cidr::V4(prefix) => v4.push((*prefix, value.0, (number, *line))),
                    Cidr::V6(prefix) => v6.push((*prefix, value.0, (number, *line))),
                }
            }
            policy.slots += u32::from(shared);
            policy.lists.push(Counted {
                name: list.name.clone(),
                verdict: list.verdict,
                prefixes: list.prefixes.len(),
                slots: first..policy.slots,
                shared,
            });
        }
        policy.v4 = sorted(v4, lists, Cidr::V4)?;
        policy.v6 = sorted(v6, lists, Cidr::V6)?;
        Ok(policy)
    }
}

fn sorted<P: Copy + Ord>(
    mut entries: Vec<(P, u32, Place)>,
    lists: &[List],
    cidr: impl Fn(P) -> Cidr,
) -> Result<Vec<(P, u32)>, Twice> {
    entries.sort_unstable_by_key(|(prefix, _, place)| (*prefix, *place));
    if let Some(pair) = entries.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        let place = |(list, line): Place| {
            let List { name, verdict, .. } = &lists[list];
            let unit = if name.starts_with("--") { "argument" } else { "line" };
            format!("{} by {name}, {unit} {line}", verdict.name())
        };
        return Err(Twice { prefix: cidr(pair[0].0), first: place(pair[0].2), second: place(pair[1].2) });
    }
    Ok(entries.into_iter().map(|(prefix, value, _)| (prefix, value)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(name: &str, verdict: Verdict, prefixes: &[&str]) -> List {
        let args: Vec<String> = prefixes.iter().map(|p| (*p).into()).collect();
        List::from_args(name, verdict, &args).expect("sound prefixes")
    }

    #[test]
    fn a_prefix_twice_names_both_places() {
        let lists = [
            list("--drop", Verdict::Drop, &["10.0.0.0/8", "192.0.2.0/24"]),
            list("ours.txt", Verdict::Allow, &["::/0", "10.0.0.0/8"]),
        ];
        let twice = Policy::compile(&lists, false).expect_err("10/8 is in both");
        assert_eq!(
            twice.to_string(),
            "10.0.0.0/8 is there twice: drop by --drop, argument 1 and allow by ours.txt, line 2; remove one of them"
        );
    }

    #[test]
    fn a_long_list_has_one_counter_unless_asked() {
        let prefixes = (0..=COUNTED_EACH as u32)
            .map(|i| (Cidr::V4(PrefixV4::new(i << 8, 24).expect("no host bits")), i + 1))
            .collect();
        let lists = [
            List { name: "long".into(), verdict: Verdict::Drop, prefixes },
            list("--allow", Verdict::Allow, &["10.0.0.0/8"]),
        ];
        let policy = Policy::compile(&lists, false).expect("no duplicates");
        assert_eq!((policy.slots, policy.lists[0].slots.clone()), (2, 0..1));
        assert!(policy.lists[0].shared && !policy.lists[1].shared);
        let policy = Policy::compile(&lists, true).expect("no duplicates");
        assert_eq!(policy.slots as usize, COUNTED_EACH + 2);
    }
}
