//! The rules that may match all packets of a given one, without a look at every rule.
//!
//! A rule is found under its source, its destination and up to four numbers that it wants exactly: protocol, ports, and one
//! field more. The rules that contain another have the same numbers or none there, and prefixes around its own: few
//! combinations, most of which no rule has.

use std::{
    collections::HashMap,
    hash::{BuildHasher, BuildHasherDefault, Hash, Hasher},
};

use policy::Sets;

use crate::rule::{
    ast::Field,
    shadow::{
        names::{ANY, Names},
        region::{Constraint, Region},
    },
};

/// Under more places than this a rule is not registered: it is then looked at for every source or destination.
const PLACES: usize = 64;

/// Looks at places and rules for one rule, and for all of them. Rules that are alike in all that is looked up are not
/// searched to the end.
const EFFORT_EACH: usize = 4096;
const EFFORT: usize = 4_000_000;

/// What a rule may look at when all of that is used up.
const LEAST: usize = 32;

/// No further entry.
const NONE: u32 = u32::MAX;

/// Fields that are compared exactly in the fourth place, the first that a rule has.
const OTHERS: [Field; 8] = [
    Field::IcmpType,
    Field::Vlan,
    Field::Interface,
    Field::SourceMac,
    Field::DestinationMac,
    Field::Ethertype,
    Field::Length,
    Field::Ttl,
];

pub type Fast<K, V> = HashMap<K, V, BuildHasherDefault<Mix>>;

pub struct Index<'a> {
    regions: &'a [Region<'a>],
    sets: &'a Sets,
    sources: Names<'a>,
    destinations: Names<'a>,
    /// Which combinations of exact numbers the rules of a place have: a bit for each of the sixteen.
    places: Fast<(u32, u32), u16>,
    /// The first and the last of the entries with a key.
    rules: Fast<(u32, u32, [u32; 4]), (u32, u32)>,
    /// Rules in ascending order, each with the entry of the next one that has the same key.
    entries: Vec<(u32, u32)>,
    effort: usize,
    /// Kept, since there would be four for each rule.
    buffers: (Vec<u32>, Vec<u32>),
}

impl<'a> Index<'a> {
    pub fn new(regions: &'a [Region<'a>], sets: &'a Sets) -> Self {
        Self {
            regions,
            sets,
            sources: Names::new(regions, Field::Source, sets),
            destinations: Names::new(regions, Field::Destination, sets),
            places: Fast::with_capacity_and_hasher(regions.len(), Default::default()),
            rules: Fast::with_capacity_and_hasher(regions.len(), Default::default()),
            entries: Vec::with_capacity(regions.len()),
            effort: EFFORT,
            buffers: Default::default(),
        }
    }

    /// Makes a rule known that may contain others. Rules come in their order.
    pub fn add(&mut self, at: usize) {
        let region = &self.regions[at];
        let (mut sources, mut destinations) = std::mem::take(&mut self.buffers);
        self.sources.of(at, region, &mut sources);
        self.destinations.of(at, region, &mut destinations);
        if sources.len() * destinations.len() > PLACES {
            let shorter = if sources.len() < destinations.len() { &mut sources } else { &mut destinations };
            shorter.splice(.., [ANY]);
        }
        for list in [&mut sources, &mut destinations] {
            if list.len() > PLACES {
                list.splice(.., [ANY]);
            }
        }
        let exact = Exact::of(region);
        let [protocol, source_port, destination_port] = exact.numbers;
        let other = exact.others.into_iter().find(|other| *other != ANY).unwrap_or(ANY);
        let numbers = [protocol, source_port, destination_port, other];
        for source in &sources {
            for destination in &destinations {
                *self.places.entry((*source, *destination)).or_default() |= 1 << combination(numbers);
                let entry = self.entries.len() as u32;
                self.entries.push((at as u32, NONE));
                let (_, last) = self.rules.entry((*source, *destination, numbers)).or_insert((entry, entry));
                if *last != entry {
                    self.entries[*last as usize].1 = entry;
                    *last = entry;
                }
            }
        }
        self.sources.use_all(&sources);
        self.destinations.use_all(&destinations);
        self.buffers = (sources, destinations);
    }

    /// The first known rule that contains this one.
    pub fn above(&mut self, at: usize) -> Option<usize> {
        let allowed = self.effort.clamp(LEAST, EFFORT_EACH);
        let region = &self.regions[at];
        let (mut sources, mut destinations) = std::mem::take(&mut self.buffers);
        self.sources.around(at, region, &mut sources);
        self.destinations.around(at, region, &mut destinations);
        let mut search = Search { index: self, region, left: allowed, best: None };
        search.run(&sources, &destinations);
        let Search { left, best, .. } = search;
        self.effort = self.effort.saturating_sub(allowed - left);
        self.buffers = (sources, destinations);
        best
    }
}

struct Search<'a> {
    index: &'a Index<'a>,
    region: &'a Region<'a>,
    /// What may still be looked at.
    left: usize,
    best: Option<usize>,
}

impl Search<'_> {
    fn run(&mut self, sources: &[u32], destinations: &[u32]) {
        let index = self.index;
        let exact = Exact::of(self.region);
        for source in sources {
            for destination in destinations {
                self.left = self.left.saturating_sub(1);
                let Some(combinations) = index.places.get(&(*source, *destination)) else { continue };
                for combination in (0..16).filter(|combination| combinations & (1 << combination) != 0) {
                    exact.each(combination, |numbers| {
                        if let Some((first, _)) = index.rules.get(&(*source, *destination, numbers)) {
                            self.first_of(*first);
                        }
                    });
                    if self.left == 0 {
                        return;
                    }
                }
            }
        }
    }

    fn first_of(&mut self, mut entry: u32) {
        let index = self.index;
        while let Some((rule, next)) = index.entries.get(entry as usize) {
            let at = *rule as usize;
            if self.left == 0 || self.best.is_some_and(|best| best <= at) {
                return;
            }
            self.left -= 1;
            if self.region.is_within(&index.regions[at], index.sets) {
                self.best = Some(at);
            }
            entry = *next;
        }
    }
}

/// What a rule wants exactly; [`ANY`] where it does not.
struct Exact {
    /// Protocol, source port, destination port.
    numbers: [u32; 3],
    others: [u32; OTHERS.len()],
}

impl Exact {
    fn of(region: &Region<'_>) -> Self {
        let number = |field| region.number(field).map_or(ANY, |number| number + 1);
        let numbers = [Field::Protocol, Field::SourcePort, Field::DestinationPort].map(number);
        Self { numbers, others: OTHERS.map(|field| other(region, field).unwrap_or(ANY)) }
    }

    /// The keys under which rules of a combination stand that may contain this one.
    fn each(&self, combination: u16, mut look: impl FnMut([u32; 4])) {
        let is_wanted = |bit: usize| combination & (1 << bit) != 0;
        let mut key = [ANY; 4];
        for (bit, number) in self.numbers.into_iter().enumerate().filter(|(bit, _)| is_wanted(*bit)) {
            if number == ANY {
                // They want one number, and this rule takes several.
                return;
            }
            key[bit] = number;
        }
        if !is_wanted(3) {
            return look(key);
        }
        for other in self.others.into_iter().filter(|other| *other != ANY) {
            key[3] = other;
            look(key);
        }
    }
}

const fn combination(numbers: [u32; 4]) -> u16 {
    let [a, b, c, d] = numbers;
    (a != ANY) as u16 | ((b != ANY) as u16) << 1 | ((c != ANY) as u16) << 2 | ((d != ANY) as u16) << 3
}

/// A number for the only value of a field. Two values may have the same one: they are compared afterwards.
fn other(region: &Region<'_>, field: Field) -> Option<u32> {
    let hash = |value: &dyn Fn(&mut Mix)| {
        let mut mix = Mix::default();
        (field as u32).hash(&mut mix);
        value(&mut mix);
        mix.finish() as u32 | 1
    };
    match region.get(field)? {
        Constraint::Numbers(_) => {
            // IP implies its ethertype: a rule without the condition is looked up elsewhere.
            let number = region.number(field)?;
            let is_implied = field == Field::Ethertype && matches!(number, 0x0800 | 0x86dd);
            (!is_implied).then(|| hash(&|mix| number.hash(mix)))
        }
        Constraint::Macs(macs) if !macs.negated && macs.values().len() == 1 => {
            Some(hash(&|mix| macs.values().hash(mix)))
        }
        Constraint::Interfaces(names) if !names.negated && names.values().len() == 1 => {
            Some(hash(&|mix| names.values().hash(mix)))
        }
        _ => None,
    }
}

/// A quick hash: the keys are numbers of our own making, and a rule file is written by whom it is for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mix(u64);

const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.write_u64(value.into());
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(value.into());
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(ODD);
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }

    fn finish(&self) -> u64 {
        let mixed = (self.0 ^ self.0 >> 32).wrapping_mul(ODD);
        mixed ^ mixed >> 29
    }
}

/// The hash of a value by itself.
pub fn hash(value: &impl Hash) -> u64 {
    BuildHasherDefault::<Mix>::default().hash_one(value)
}
