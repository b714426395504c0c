//! Trees for every kind of packet, and which rules share one.

use std::sync::Arc;

use crate::{
    Best, Bounds, BoxRule, Cell, Condition, Five, Key, Keyed, Kind, Slot, Tables, Test,
    build::{BuildError, Builder},
    kind::{ALL_ROOTS, ROOTS},
    slot::NOTHING,
    walk::{self, WORDS, word},
};

/// What the data path reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrays {
    /// The roots first.
    pub slots: Arc<[Slot]>,
    pub cells: Arc<[Cell]>,
    pub bounds: Bounds,
    /// The trees of IPv4 ask a packet for nothing but its five-tuple: their walks are those of a [`Five`], others those of
    /// [`Keyed`].
    pub by_five: bool,
}

/// What it came to.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Shape {
    /// Trees that a packet of each kind goes through at most.
    pub trees: u32,
    /// Steps and cells that a packet meets that matches a rule: the mean over the rules.
    pub steps: f64,
    pub cells: f64,
    pub bytes: usize,
}

/// Compiled rules.
#[derive(Debug, Clone, PartialEq)]
pub struct Forest {
    pub arrays: Arrays,
    pub shape: Shape,
}

/// The rules of one kind: those of which the first match decides, and those that each have an effect. In their order.
#[derive(Debug, Clone, Default)]
pub struct Lists {
    pub first: Vec<BoxRule>,
    pub each: Vec<BoxRule>,
}

/// Words that rules are divided by before anything else: the source's and the destination's.
pub const PAIR: [std::ops::Range<u8>; 2] = [0..4, 4..8];

impl Forest {
    /// Compiles the rules of all kinds; `most_bytes`: memory they may take.
    pub fn build(lists: &[Lists; 3], most_bytes: usize) -> Result<Self, BuildError> {
        let mut done = Builder::new(ALL_ROOTS, most_bytes);
        let mut shape = Shape::default();
        let mut by_five = false;
        for (kind, lists) in Kind::ALL.into_iter().zip(lists) {
            let rules = (0..lists.each.len() as u32).collect();
            done.slots[kind.root_of_each() as usize] = done.tree(&lists.each, rules, false)?;
            let mut division = best_division(&lists.first, most_bytes)?;
            // What stands behind a match in an earlier tree is not looked at.
            division.sort_by_cached_key(|rules| middle(&lists.first, rules));
            shape.trees = shape.trees.max(division.len() as u32);
            let may_be = kind == Kind::V4 && lists.each.is_empty();
            by_five |= done.trees(&lists.first, division, kind.root(0), may_be)?;
        }
        shape.bytes = done.bytes();
        let arrays =
            Arrays { slots: done.slots.into(), cells: done.cells.into(), bounds: done.bounds, by_five };
        let means =
            lists.iter().zip(Kind::ALL).map(|(lists, kind)| walked(&arrays, kind, shape.trees, &lists.first));
        let mut total = 0.0;
        for ((steps, cells), lists) in means.zip(lists) {
            let weight = lists.first.len() as f64;
            shape.steps += steps * weight;
            shape.cells += cells * weight;
            total += weight;
        }
        if total > 0.0 {
            shape.steps /= total;
            shape.cells /= total;
        }
        Ok(Self { arrays, shape })
    }
}

/// Which rules go into which tree. A rule that leaves the source or the destination open would be in every part of a tree
/// that is cut by it: those get a tree of their own, where that makes the whole quicker.
fn best_division(rules: &[BoxRule], most_bytes: usize) -> Result<Vec<Vec<u32>>, BuildError> {
    let all: Vec<u32> = (0..rules.len() as u32).collect();
    let whole = vec![all.clone()];
    if rules.len() <= 24 {
        return Ok(whole);
    }
    let narrow: Vec<[u32; 2]> = rules.iter().map(|rule| PAIR.map(|words| narrowness(rule, words))).collect();
    let those = |wanted: &dyn Fn(u32, u32) -> bool| -> Vec<u32> {
        let wanted = |rule: &u32| {
            let [from, to] = narrow[*rule as usize];
            wanted(from, to)
        };
        all.iter().copied().filter(wanted).collect()
    };
    let mut tried = vec![
        whole,
        // By the narrower of the two: a rule is not in every part that its wider side reaches into.
        vec![
            those(&|from, to| to >= NARROW && to >= from),
            those(&|from, to| from >= NARROW && from > to),
            those(&|from, to| from < NARROW && to < NARROW),
        ],
    ];
    if rules.len() > MANY {
        tried.drain(..tried.len() - 1);
    }
    for division in &mut tried {
        division.retain(|rules| !rules.is_empty());
    }
    tried.dedup();
    let mut best: Option<(f64, Vec<Vec<u32>>)> = None;
    let mut failure = BuildError::TooLarge;
    // What is much larger than the rules themselves is slow as well. Of long lists a part tells which is best.
    let enough = most_bytes.min((1 << 18) + rules.len() * 768);
    let stride = rules.len().div_ceil(TRIED);
    let tried_last = tried.last().cloned();
    for division in tried {
        let part: Vec<Vec<u32>> =
            division.iter().map(|list| list.iter().copied().step_by(stride).collect()).collect();
        match cost(rules, &part, enough / stride, stride) {
            Ok(cost) if best.as_ref().is_none_or(|(least, _)| cost < *least) => best = Some((cost, division)),
            Ok(_) => {}
            Err(error) => failure = error,
        }
    }
    // A part may be too large where the whole is not: then the division that replicates least.
    let least = tried_last.ok_or(failure);
    best.map_or(least, |(_, division)| Ok(division))
}

/// The order of the rule in the middle.
fn middle(rules: &[BoxRule], own: &[u32]) -> u32 {
    own.get(own.len() / 2).map_or(NOTHING, |rule| rules[*rule as usize].verdict.order)
}

/// Bits that a rule wants of these words.
fn narrowness(rule: &BoxRule, words: std::ops::Range<u8>) -> u32 {
    let on = rule.conditions.iter().filter(|condition| words.contains(&condition.word));
    on.map(|condition| 32 - condition.test.size().ilog2()).sum()
}

/// Bits that all but one in 256 of the keys fail.
const NARROW: u32 = 8;

/// What a packet meets in the trees of a division, as nanoseconds would have it: a step or a line of cells that is in no
/// cache costs many times one that is.
fn cost(
    rules: &[BoxRule],
    division: &[Vec<u32>],
    most_bytes: usize,
    stride: usize,
) -> Result<f64, BuildError> {
    let mut builder = Builder::new(ROOTS, most_bytes);
    for (tree, list) in division.iter().enumerate() {
        builder.slots[tree] = builder.tree(rules, list.clone(), true)?;
    }
    let bytes = (builder.bytes() * stride) as f64;
    let arrays = Arrays {
        slots: builder.slots.into(),
        cells: builder.cells.into(),
        bounds: builder.bounds,
        by_five: false,
    };
    let (steps, cells) = walked(&arrays, Kind::V4, division.len() as u32, rules);
    // The last step and the leaf are where the size says; what is before them is in the nearest cache.
    let cold = (2.0 + bytes / 65_536.0).min(180.0);
    Ok((steps + cells) * 2.5 + division.len() as f64 * 2.0 * cold)
}

/// Of more rules every division but the last takes far too much memory, and the time to find that out.
const MANY: usize = 20_000;

/// Divisions are tried on at most so many rules.
const TRIED: usize = 4096;

/// Samples at most so many rules.
const SAMPLES: usize = 2048;

/// The mean steps and cells of packets that match a rule.
fn walked(arrays: &Arrays, kind: Kind, trees: u32, rules: &[BoxRule]) -> (f64, f64) {
    let counting = Counting { arrays, slots: 0.into(), cells: 0.into() };
    let stride = rules.len().div_ceil(SAMPLES).max(1);
    let mut samples = 0;
    for (number, rule) in rules.iter().enumerate().step_by(stride) {
        let key = inside(rule, number as u32);
        best(&counting, arrays.by_five, kind, trees, &key);
        samples += 1;
    }
    let mean = |count: &std::cell::Cell<u64>| count.get() as f64 / f64::from(samples.max(1));
    (mean(&counting.slots), mean(&counting.cells))
}

fn best(tables: &impl Tables, by_five: bool, kind: Kind, trees: u32, key: &Key) -> Best {
    let mut best = Best::NONE;
    for tree in 0..trees {
        best = if by_five && kind == Kind::V4 {
            walk::first_match(tables, kind.root(tree), Five::of(key), best)
        } else {
            walk::first_match(tables, kind.root(tree), Keyed::of(key), best)
        };
    }
    best
}

/// A key inside a rule's box; the words that it leaves open are drawn.
fn inside(rule: &BoxRule, seed: u32) -> Key {
    let mut state = u64::from(seed) << 1 | 1;
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 32) as u32
    };
    let mut key: Key = std::array::from_fn(|_| draw());
    // As wide as a packet's are.
    for (word, most) in
        [(word::SOURCE_PORT, 0xffff), (word::DESTINATION_PORT, 0xffff), (word::PROTOCOL, 0xff)]
    {
        key[usize::from(word)] &= most;
    }
    for Condition { word, test } in &rule.conditions {
        let value = &mut key[usize::from(*word)];
        *value = match *test {
            Test::Range { low, .. } => low + (u64::from(*value) % test.size()) as u32,
            Test::Bits { mask, value: wanted } => *value & !mask | wanted,
        };
    }
    key
}

struct Counting<'a> {
    arrays: &'a Arrays,
    slots: std::cell::Cell<u64>,
    cells: std::cell::Cell<u64>,
}

impl Arrays {
    /// The best rule for a packet of the kind in so many trees.
    pub fn best(&self, kind: Kind, trees: u32, key: &Key) -> Best {
        best(self, self.by_five, kind, trees, key)
    }

    /// The roots, and [`Slot::EMPTY`] in the room that is to spare.
    pub fn roots(&self) -> [Slot; ALL_ROOTS as usize] {
        std::array::from_fn(|index| self.slots.get(index).copied().unwrap_or(Slot::EMPTY))
    }
}

impl Tables for Arrays {
    fn steps(&self) -> u32 {
        self.bounds.steps
    }

    fn cells(&self) -> u32 {
        self.bounds.cells
    }

    fn cells_of_each(&self) -> u32 {
        self.bounds.cells_of_each
    }

    fn root(&self, index: u32) -> Slot {
        self.slots.get(index as usize).copied().unwrap_or(Slot::EMPTY)
    }

    fn slot(&self, index: u32) -> Option<Slot> {
        self.slots.get(index as usize).copied()
    }

    fn cell(&self, index: u32) -> Option<&Cell> {
        self.cells.get(index as usize)
    }
}

impl Tables for Counting<'_> {
    fn steps(&self) -> u32 {
        self.arrays.steps()
    }

    fn cells(&self) -> u32 {
        self.arrays.cells()
    }

    fn cells_of_each(&self) -> u32 {
        self.arrays.cells_of_each()
    }

    fn root(&self, index: u32) -> Slot {
        self.arrays.root(index)
    }

    fn slot(&self, index: u32) -> Option<Slot> {
        self.slots.set(self.slots.get() + 1);
        self.arrays.slot(index)
    }

    fn cell(&self, index: u32) -> Option<&Cell> {
        self.cells.set(self.cells.get() + 1);
        self.arrays.cell(index)
    }
}

const _: () = assert!(WORDS >= 8);
