//! Rules from distributions.

use std::collections::HashSet;

use super::{
    ANY_ADDRESS, ANY_PORT, Family, FiveTuple, Prefix,
    dice::Dice,
    profile::{self, Ports, Profile, Wild},
    tree,
};

const HIGH: (u16, u16) = (1024, u16::MAX);
const LOW: (u16, u16) = (0, 1023);

/// What a set has to choose from.
struct Choice {
    profile: &'static Profile,
    sources: Vec<Prefix>,
    destinations: Vec<Prefix>,
    ports: Vec<u16>,
    ranges: Vec<(u16, u16)>,
}

impl Choice {
    fn new(dice: &mut Dice, profile: &'static Profile, count: usize) -> Self {
        let sources = tree::pool(dice, &profile.source, count, &[], 0);
        let destinations = tree::pool(dice, &profile.destination, count, &sources, profile.common);
        let mut ports = profile::KNOWN_PORTS.to_vec();
        ports.extend((0..profile::OTHER_PORTS).map(|_| dice.between((1024, 49151))));
        let mut ranges = profile::KNOWN_RANGES.to_vec();
        ranges.extend((0..profile::OTHER_RANGES).map(|_| {
            let first = dice.between((1025, 40000));
            (first, first + dice.between((1, 2000)))
        }));
        Self { profile, sources, destinations, ports, ranges }
    }

    fn pair(&self, dice: &mut Dice) -> (Prefix, Prefix) {
        let (source, destination) = (*dice.sloping(&self.sources), *dice.sloping(&self.destinations));
        match dice.weighted(self.profile.wild) {
            Wild::Neither => (source, destination),
            Wild::Source => (ANY_ADDRESS, destination),
            Wild::Destination => (source, ANY_ADDRESS),
            Wild::Both => (ANY_ADDRESS, ANY_ADDRESS),
        }
    }

    fn range(&self, dice: &mut Dice, class: Ports) -> (u16, u16) {
        match class {
            Ports::Any => ANY_PORT,
            Ports::High => HIGH,
            Ports::Low => LOW,
            Ports::Range => *dice.popular(&self.ranges),
            Ports::Exact => {
                let port = *dice.popular(&self.ports);
                (port, port)
            }
        }
    }

    fn rule(&self, dice: &mut Dice, (source, destination): (Prefix, Prefix)) -> FiveTuple {
        let (protocol, source_port, destination_port) = *dice.weighted(self.profile.services);
        let (source_port, destination_port) =
            (self.range(dice, source_port), self.range(dice, destination_port));
        FiveTuple { source, destination, source_port, destination_port, protocol, drop: false }
    }
}

/// Exactly `count` rules, no two with the same box: the same ones for the same family, count and seed.
///
/// In ClassBench's order, by scope: the smaller box first (ToN 2007, section IV). So no rule lies in one before it; only
/// several together can hide one.
pub fn rules(family: Family, count: usize, seed: u64) -> Vec<FiveTuple> {
    let profile = family.profile();
    let mut dice = Dice::new(seed, family as u64);
    let choice = Choice::new(&mut dice, profile, count);
    let mut seen = HashSet::with_capacity(count);
    let mut rules = Vec::with_capacity(count);
    // Ends: the pairs without a wildcard, times the services, are many more than `count`.
    while rules.len() < count {
        let pair = choice.pair(&mut dice);
        loop {
            let rule = choice.rule(&mut dice, pair);
            if seen.insert(rule.clone()) {
                rules.push(FiveTuple { drop: dice.chance(profile.drop), ..rule });
            }
            if rules.len() == count || !dice.chance(profile.another) {
                break;
            }
        }
    }
    rules.sort_by_cached_key(FiveTuple::volume);
    rules
}

impl Family {
    pub(super) fn profile(self) -> &'static Profile {
        match self {
            Self::Acl => &profile::ACL,
            Self::Firewall => &profile::FIREWALL,
            Self::IpChain => &profile::IP_CHAIN,
        }
    }
}
