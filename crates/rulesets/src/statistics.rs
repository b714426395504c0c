//! What a set looks like, to compare it with others.

use std::{collections::HashSet, hash::Hash};

use super::{ANY_PORT, FiveTuple, Prefix, host_bits};

/// Distinct values of each field, rules with wildcards, and how prefixes nest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    pub rules: usize,
    pub sources: usize,
    pub destinations: usize,
    /// Of source and destination together.
    pub pairs: usize,
    pub source_ports: usize,
    pub destination_ports: usize,
    pub protocols: usize,
    pub any_source: usize,
    pub any_destination: usize,
    pub any_addresses: usize,
    pub any_source_port: usize,
    pub any_destination_port: usize,
    pub any_protocol: usize,
    pub source_nesting: Nesting,
    pub destination_nesting: Nesting,
}

/// How many of the other prefixes lie around one; `0.0.0.0/0` does not count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nesting {
    pub most: usize,
    /// By number of prefixes around, how many prefixes.
    pub prefixes: Vec<usize>,
}

impl Nesting {
    fn of(prefixes: impl Iterator<Item = Prefix>) -> Self {
        let prefixes: HashSet<Prefix> = prefixes.filter(|prefix| prefix.1 > 0).collect();
        let mut by_depth = vec![0; 33];
        for (bits, length) in &prefixes {
            let shorter = 1..*length;
            let around = shorter.filter(|&n| prefixes.contains(&(bits & !host_bits(n), n))).count();
            by_depth[around] += 1;
        }
        let most = by_depth.iter().rposition(|&n| n > 0).unwrap_or(0);
        by_depth.truncate(most + 1);
        Self { most, prefixes: by_depth }
    }
}

pub fn statistics(rules: &[FiveTuple]) -> Statistics {
    fn distinct<T: Eq + Hash>(rules: &[FiveTuple], field: impl FnMut(&FiveTuple) -> T) -> usize {
        rules.iter().map(field).collect::<HashSet<_>>().len()
    }
    let share = |is: fn(&FiveTuple) -> bool| rules.iter().filter(|rule| is(rule)).count();
    Statistics {
        rules: rules.len(),
        sources: distinct(rules, |rule| rule.source),
        destinations: distinct(rules, |rule| rule.destination),
        pairs: distinct(rules, |rule| (rule.source, rule.destination)),
        source_ports: distinct(rules, |rule| rule.source_port),
        destination_ports: distinct(rules, |rule| rule.destination_port),
        protocols: distinct(rules, |rule| rule.protocol),
        any_source: share(|rule| rule.source.1 == 0),
        any_destination: share(|rule| rule.destination.1 == 0),
        any_addresses: share(|rule| rule.source.1 == 0 && rule.destination.1 == 0),
        any_source_port: share(|rule| rule.source_port == ANY_PORT),
        any_destination_port: share(|rule| rule.destination_port == ANY_PORT),
        any_protocol: share(|rule| rule.protocol.is_none()),
        source_nesting: Nesting::of(rules.iter().map(|rule| rule.source)),
        destination_nesting: Nesting::of(rules.iter().map(|rule| rule.destination)),
    }
}
