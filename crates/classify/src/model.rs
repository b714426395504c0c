//! The meaning of a list of rules, said naively.

use crate::{BoxRule, Key};

/// The lowest order among the rules that match.
pub fn first_match(rules: &[BoxRule], key: &Key) -> Option<u32> {
    rules.iter().filter(|rule| rule.matches(key)).map(|rule| rule.verdict.order).min()
}

/// The orders of all rules that match, ascending, once each.
pub fn each_match(rules: &[BoxRule], key: &Key) -> Vec<u32> {
    let mut orders: Vec<u32> =
        rules.iter().filter(|rule| rule.matches(key)).map(|rule| rule.verdict.order).collect();
    orders.sort_unstable();
    orders.dedup();
    orders
}
