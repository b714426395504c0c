//! Which tests run in the guests: all of them but those that are left out, by a list with a reason for each.

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use super::binaries::Binary;

const LIST: &str = include_str!("left_out.toml");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    left_out: Vec<LeftOut>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LeftOut {
    /// Names as the guests print them, or their first parts: `senko::tour`.
    tests: Vec<String>,
    why: String,
    /// Only for the time they take: whoever names them or asks for slow ones gets them.
    #[serde(default)]
    slow: bool,
}

/// Which tests a guest runs.
#[derive(Debug, Clone, Copy)]
pub enum Wanted<'a> {
    /// All but slow ones.
    Quick,
    /// All that a guest may run.
    All,
    /// Those whose name contains this, slow or not.
    Named(&'a str),
}

/// Takes what is left out, and what is not wanted, from the binaries' tests.
pub fn select(binaries: &mut Vec<Binary>, wanted: Wanted<'_>) -> Result<()> {
    let list: List = toml::from_str(LIST).context("xtask/src/vm/left_out.toml")?;
    choose(&list, binaries, wanted)
}

fn choose(list: &List, binaries: &mut Vec<Binary>, wanted: Wanted<'_>) -> Result<()> {
    let mut of_no_test = Vec::new();
    for entry in &list.left_out {
        if entry.why.trim().is_empty() {
            bail!("left_out.toml: {:?} has no reason", entry.tests);
        }
        for pattern in &entry.tests {
            let mut found = false;
            for binary in binaries.iter_mut() {
                let name = binary.name.clone();
                let is_meant = |test: &String| matches(pattern, &format!("{name}::{test}"));
                found |= binary.tests.iter().any(is_meant);
                if !entry.slow || matches!(wanted, Wanted::Quick) {
                    binary.tests.retain(|test| !is_meant(test));
                }
            }
            if !found {
                of_no_test.push(pattern.as_str());
            }
        }
    }
    if !of_no_test.is_empty() {
        bail!("left_out.toml names no test by {}: take it out or correct it", of_no_test.join(", "));
    }
    if let Wanted::Named(filter) = wanted {
        for binary in binaries.iter_mut() {
            let name = binary.name.clone();
            binary.tests.retain(|test| format!("{name}::{test}").contains(filter));
        }
    }
    binaries.retain(|binary| !binary.tests.is_empty());
    if binaries.is_empty() {
        bail!("no test of the guests is named like this: {wanted:?}");
    }
    Ok(())
}

/// Whether a name is the pattern or goes on after it.
fn matches(pattern: &str, name: &str) -> bool {
    name.strip_prefix(pattern).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(name: &str, tests: &[&str]) -> Binary {
        Binary {
            name: name.into(),
            path: "/nowhere".into(),
            directory: "/".into(),
            tests: tests.iter().map(|test| (*test).into()).collect(),
        }
    }

    fn chosen(list: &str, wanted: Wanted<'_>) -> Result<Vec<String>> {
        let mut binaries = vec![binary("a::x", &["one", "two"]), binary("b::x", &["m::one", "m::ones"])];
        choose(&toml::from_str(list)?, &mut binaries, wanted)?;
        let names = |b: Binary| b.tests.iter().map(|test| format!("{}::{test}", b.name)).collect::<Vec<_>>();
        Ok(binaries.into_iter().flat_map(names).collect())
    }

    #[test]
    fn names_and_first_parts_of_names_are_left_out() {
        let list = "left_out = [{ tests = [\"a\", \"b::x::m::one\"], why = \"slow\" }]";
        assert_eq!(chosen(list, Wanted::Quick).expect("it fits"), ["b::x::m::ones"]);
    }

    #[test]
    fn slow_ones_run_where_they_are_asked_for() {
        let list = "left_out = [{ tests = [\"b\"], why = \"minutes\", slow = true }]";
        assert_eq!(chosen(list, Wanted::Quick).expect("it fits"), ["a::x::one", "a::x::two"]);
        assert_eq!(chosen(list, Wanted::All).expect("it fits").len(), 4);
        assert_eq!(chosen(list, Wanted::Named("m::one")).expect("it fits").len(), 2);
    }

    #[test]
    fn a_filter_is_a_part_of_the_whole_name() {
        assert_eq!(
            chosen("left_out = []", Wanted::Named("x::m::one")).expect("two"),
            ["b::x::m::one", "b::x::m::ones"]
        );
        assert!(chosen("left_out = []", Wanted::Named("nothing")).is_err());
    }

    #[test]
    fn an_entry_without_a_test_or_a_reason_is_an_error() {
        assert!(chosen("left_out = [{ tests = [\"a::y\"], why = \"slow\" }]", Wanted::All).is_err());
        assert!(chosen("left_out = [{ tests = [\"a\"], why = \" \" }]", Wanted::All).is_err());
    }
}
