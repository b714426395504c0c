//! The naive longest-prefix match that tests compare a table with: one map, tried from the longest length down.

use std::collections::HashMap;

use crate::address::Address;
use crate::span::Prefix;

#[derive(Clone, Debug, Default)]
pub struct Model<A> {
    prefixes: HashMap<Prefix<A>, u32>,
}

impl<A: Address> Model<A> {
    pub fn new(list: &[(Prefix<A>, u32)]) -> Self {
        Self { prefixes: list.iter().copied().collect() }
    }

    pub fn insert(&mut self, prefix: Prefix<A>, value: u32) -> Option<u32> {
        self.prefixes.insert(prefix, value)
    }

    pub fn remove(&mut self, prefix: Prefix<A>) -> Option<u32> {
        self.prefixes.remove(&prefix)
    }

    /// The value of the longest prefix that covers `addr`, 0 when none does.
    pub fn lookup(&self, addr: A) -> u32 {
        (0..=A::WIDTH)
            .rev()
            .filter_map(|len| Prefix::truncated(addr, len))
            .find_map(|prefix| self.prefixes.get(&prefix))
            .map_or(0, |value| *value)
    }
}
