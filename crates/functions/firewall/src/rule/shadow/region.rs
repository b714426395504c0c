//! Which packets a rule matches, in a form in which two rules can be compared. What cannot be told for sure is said not to be
//! contained.

use std::{borrow::Cow, ops::RangeInclusive};

use policy::{Cidr, Item, Set, Sets, What};
use prefix::{PrefixV4, PrefixV6};

use crate::rule::{
    ast::{Field, Match, Rule, Values},
    check::{self, V4, V6},
    numbers::{Numbers, complement},
};

/// A set of more elements than this is compared by its name alone.
pub const SMALL: usize = 256;

/// Pairs of prefixes that are compared for two conditions at most.
const PAIRS: usize = 4096;

/// The conditions of a rule, by field; `not` is worked in where the field is a number.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Region<'a> {
    conditions: Vec<(Field, Constraint<'a>)>,
    /// Bits of the fields that have a condition.
    fields: u32,
    /// Families of IP that the packets can be of; 0: they need not be IP.
    families: u8,
}

#[derive(Debug, PartialEq, Eq, Hash)]
pub enum Constraint<'a> {
    Numbers(Cow<'a, [RangeInclusive<u32>]>),
    /// A bit for each value of the flags.
    Flags([u64; 4]),
    Macs(Among<[u8; 6]>),
    Interfaces(Among<&'a str>),
    Prefixes(Among<&'a What>),
}

/// Some values, or all but them.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Among<T> {
    values: List<T>,
    pub negated: bool,
}

/// Nearly all rules have one value, for which there is no need to allocate.
#[derive(Debug, PartialEq, Eq, Hash)]
enum List<T> {
    One([T; 1]),
    /// Sorted.
    Many(Vec<T>),
}

impl<T: Ord> Among<T> {
    fn new(mut values: impl ExactSizeIterator<Item = T>, negated: bool) -> Self {
        let first = if values.len() == 1 { values.next() } else { None };
        let values = first.map_or_else(
            || {
                let mut values: Vec<T> = values.collect();
                values.sort_unstable();
                List::Many(values)
            },
            |first| List::One([first]),
        );
        Self { values, negated }
    }

    /// Sorted.
    pub fn values(&self) -> &[T] {
        match &self.values {
            List::One(value) => value,
            List::Many(values) => values,
        }
    }

    fn is_within(&self, outer: &Self) -> bool {
        let all = |few: &Self, many: &Self| {
            few.values().iter().all(|value| many.values().binary_search(value).is_ok())
        };
        match (self.negated, outer.negated) {
            (false, false) => all(self, outer),
            (false, true) => !self.values().iter().any(|value| outer.values().binary_search(value).is_ok()),
            (true, true) => all(outer, self),
            (true, false) => false,
        }
    }
}

impl<'a> Region<'a> {
    pub fn of(rule: &'a Rule, sets: &Sets) -> Self {
        let mut conditions: Vec<(Field, Constraint<'_>)> =
            rule.matches.iter().map(|condition| (condition.field, Constraint::of(condition))).collect();
        conditions.sort_unstable_by_key(|(field, _)| *field);
        let fields = conditions.iter().fold(0, |fields, (field, _)| fields | bit(*field));
        let (mut is_ip, mut families) = (false, V4 | V6);
        for condition in &rule.matches {
            if let Some(of_condition) = check::families(condition, sets) {
                families &= of_condition;
                // `ethertype {ipv4, arp}` alone does not make a packet an IP packet.
                is_ip |= condition.field != Field::Ethertype || is_ip_type(condition);
            }
        }
        let families = if is_ip { families } else { 0 };
        Self { conditions, fields, families }
    }

    pub fn get(&self, field: Field) -> Option<&Constraint<'a>> {
        if self.fields & bit(field) == 0 {
            return None;
        }
        let at = self.conditions.binary_search_by_key(&field, |(known, _)| *known).ok()?;
        Some(&self.conditions[at].1)
    }

    /// The only number that a field can have.
    pub fn number(&self, field: Field) -> Option<u32> {
        match self.get(field)? {
            Constraint::Numbers(ranges) => match &ranges[..] {
                [range] if range.start() == range.end() => Some(*range.start()),
                _ => None,
            },
            _ => None,
        }
    }

    /// Families of IP that all packets are of; 0: they need not be IP.
    pub const fn families(&self) -> u8 {
        self.families
    }

    /// Whether every packet of this rule is one of the other's. `false` when that is not sure.
    pub fn is_within(&self, outer: &Self, sets: &Sets) -> bool {
        // What IP implies of fields that this rule does not name.
        const IMPLIED: u32 =
            bit(Field::Version) | bit(Field::Ethertype) | bit(Field::Source) | bit(Field::Destination);
        let known = self.fields | if self.families == 0 { 0 } else { IMPLIED };
        if outer.fields & !known != 0 {
            return false;
        }
        outer.conditions.iter().all(|(field, outer)| {
            let Some(inner) = self.get(*field) else { return self.implies(*field, outer) };
            match (inner, outer) {
                (Constraint::Numbers(inner), Constraint::Numbers(outer)) => numbers_within(inner, outer),
                (Constraint::Flags(inner), Constraint::Flags(outer)) => {
                    inner.iter().zip(outer).all(|(inner, outer)| inner & !outer == 0)
                }
                (Constraint::Macs(inner), Constraint::Macs(outer)) => inner.is_within(outer),
                (Constraint::Interfaces(inner), Constraint::Interfaces(outer)) => inner.is_within(outer),
                (Constraint::Prefixes(inner), Constraint::Prefixes(outer)) => {
                    prefixes_within(inner, outer, sets) || self.is_covered_by(outer)
                }
                _ => false,
            }
        })
    }

    /// Whether a condition holds for all packets of the families.
    fn implies(&self, field: Field, outer: &Constraint<'_>) -> bool {
        let of = |family: u8, value: u32| (self.families & family != 0).then_some(value..=value);
        let pair = |v4, v6| [of(V4, v4), of(V6, v6)].into_iter().flatten().collect::<Vec<_>>();
        match (field, outer) {
            (Field::Version, Constraint::Numbers(outer)) => numbers_within(&pair(4, 6), outer),
            (Field::Ethertype, Constraint::Numbers(outer)) => numbers_within(&pair(0x0800, 0x86dd), outer),
            (_, Constraint::Prefixes(outer)) => self.is_covered_by(outer),
            _ => false,
        }
    }

    /// Whether all addresses of the families are listed.
    fn is_covered_by(&self, outer: &Among<&What>) -> bool {
        let covered = outer.values().iter().fold(0, |covered, what| match what {
            What::Prefix(Cidr::V4(prefix)) if prefix.len() == 0 => covered | V4,
            What::Prefix(Cidr::V6(prefix)) if prefix.len() == 0 => covered | V6,
            _ => covered,
        });
        !outer.negated && self.families & !covered == 0
    }
}

impl<'a> Constraint<'a> {
    fn of(condition: &'a Match) -> Self {
        let negated = condition.negated;
        match &condition.values {
            Values::Ranges(_) if condition.field == Field::Version => {
                let versions = [4, 6].into_iter().filter(|version| condition.allows(*version));
                Self::Numbers(versions.map(|version| version..=version).collect())
            }
            Values::Ranges(ranges) if negated => {
                Self::Numbers(complement(ranges, Numbers::most(condition.field)).into())
            }
            Values::Ranges(ranges) => Self::Numbers(Cow::Borrowed(ranges)),
            Values::Present => {
                let value = u32::from(!negated);
                Self::Numbers(vec![value..=value].into())
            }
            Values::Flags(flags) => {
                let mut bits = [0; 4];
                for value in 0..=u8::MAX {
                    let is_one = flags.iter().any(|flags| value & flags.mask == flags.value) != negated;
                    bits[usize::from(value >> 6)] |= u64::from(is_one) << (value & 63);
                }
                Self::Flags(bits)
            }
            Values::Macs(macs) => Self::Macs(Among::new(macs.iter().copied(), negated)),
            Values::Interfaces(names) => {
                Self::Interfaces(Among::new(names.iter().map(|name| name.text.as_str()), negated))
            }
            Values::Prefixes(items) => {
                Self::Prefixes(Among::new(items.iter().map(|Item { what, .. }| what), negated))
            }
        }
    }
}

/// Whether an ethertype is one of IP, whichever.
fn is_ip_type(condition: &Match) -> bool {
    let Values::Ranges(ranges) = &condition.values else { return false };
    let is_one = |range: &RangeInclusive<u32>| {
        matches!((*range.start(), *range.end()), (0x0800, 0x0800) | (0x86dd, 0x86dd))
    };
    !condition.negated && ranges.iter().all(is_one)
}

const fn bit(field: Field) -> u32 {
    1 << field as u32
}

/// Both are sorted and without overlaps or neighbours.
fn numbers_within(inner: &[RangeInclusive<u32>], outer: &[RangeInclusive<u32>]) -> bool {
    inner.iter().all(|inner| {
        let at = outer.partition_point(|outer| outer.end() < inner.start());
        outer.get(at).is_some_and(|outer| outer.start() <= inner.start() && inner.end() <= outer.end())
    })
}

fn prefixes_within(inner: &Among<&What>, outer: &Among<&What>, sets: &Sets) -> bool {
    if inner.values().len() * outer.values().len() > PAIRS {
        return (inner.negated || !outer.negated) && inner.is_within(outer);
    }
    let all = |few: &Among<&What>, many: &Among<&What>| {
        few.values().iter().all(|what| is_covered(what, many.values(), sets))
    };
    match (inner.negated, outer.negated) {
        (false, false) => all(inner, outer),
        (true, true) => all(outer, inner),
        (false, true) => are_disjoint(inner.values(), outer.values(), sets),
        (true, false) => false,
    }
}

fn is_covered(what: &What, by: &[&What], sets: &Sets) -> bool {
    match what {
        What::Prefix(prefix) => by.iter().any(|outer| match outer {
            What::Prefix(outer) => outer.contains(*prefix),
            What::Set(name) => sets.get(name).is_some_and(|set| covers(set, *prefix)),
        }),
        What::Set(name) => {
            by.binary_search(&what).is_ok()
                || small(name, sets)
                    .is_some_and(|set| set.iter().all(|prefix| is_covered(&What::Prefix(prefix), by, sets)))
        }
    }
}

fn are_disjoint(inner: &[&What], outer: &[&What], sets: &Sets) -> bool {
    let (Some(inner), Some(outer)) = (expanded(inner, sets), expanded(outer, sets)) else { return false };
    let overlap = |a: Cidr, b: Cidr| a.contains(b) || b.contains(a);
    inner.len() * outer.len() <= PAIRS
        && !inner.iter().any(|inner| outer.iter().any(|outer| overlap(*inner, *outer)))
}

/// All prefixes; `None`: there are too many.
fn expanded(list: &[&What], sets: &Sets) -> Option<Vec<Cidr>> {
    let mut prefixes = Vec::new();
    for what in list {
        match what {
            What::Prefix(prefix) => prefixes.push(*prefix),
            What::Set(name) => prefixes.extend(small(name, sets)?.iter()),
        }
    }
    Some(prefixes)
}

/// A set whose elements may be looked at one by one. Not an empty one: what is true of no packet helps nobody.
pub fn small<'a>(name: &str, sets: &'a Sets) -> Option<&'a Set> {
    sets.get(name).filter(|set| (1..=SMALL).contains(&set.len()))
}

/// Whether an element is the prefix or one around it.
fn covers(set: &Set, prefix: Cidr) -> bool {
    let around = |length| match prefix {
        Cidr::V4(prefix) => PrefixV4::truncated(prefix.addr(), length).map(Cidr::V4),
        Cidr::V6(prefix) => PrefixV6::truncated(prefix.addr(), length).map(Cidr::V6),
    };
    let length = match prefix {
        Cidr::V4(prefix) => prefix.len(),
        Cidr::V6(prefix) => prefix.len(),
    };
    (0..=length).any(|length| around(length).is_some_and(|around| set.contains(around)))
}
