//! Where to divide a node: a word, and which of its bits.

use crate::{BoxRule, Test, known::Bits, known::Known, slot::MOST_BITS, walk::WORDS};

/// A division by the `bits` bits of `word` from bit `shift` up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    pub word: u8,
    pub shift: u32,
    pub bits: u32,
}

/// Children that a condition can be in.
pub enum Children {
    Span(u32, u32),
    None,
    /// Those whose number has exactly these bits.
    Bits {
        mask: u32,
        value: u32,
    },
}

impl Cut {
    pub const fn mask(self) -> u32 {
        (1 << self.bits) - 1
    }

    /// The children in which a condition can hold; more than those are harmless, fewer are not.
    pub fn children(self, test: Option<Test>, known: Bits) -> Children {
        let all = Children::Span(0, self.mask());
        match test {
            None => all,
            Some(Test::Range { low, high }) => {
                let (low, high) = (low.max(known.lowest()), high.min(known.highest()));
                if low > high {
                    return Children::None;
                }
                let above = |value: u32| u64::from(value) >> (self.shift + self.bits);
                if above(low) == above(high) {
                    Children::Span(low >> self.shift & self.mask(), high >> self.shift & self.mask())
                } else {
                    all
                }
            }
            Some(Test::Bits { mask, value }) => {
                let common = mask & known.mask;
                if (value ^ known.value) & common != 0 {
                    return Children::None;
                }
                let mask = mask >> self.shift & self.mask();
                if mask == 0 { all } else { Children::Bits { mask, value: value >> self.shift & mask } }
            }
        }
    }
}

/// Memory that a cut may take, in children's rules for each rule of the node, as long as there is another way.
pub const REPLICATION: f64 = 16.0;
/// A cut that does not even halve so much of what a key meets is none.
const LEAST_GAIN: f64 = 0.1;
/// Halvings of what a key meets that doubling the memory is worth.
const WORTH: f64 = 0.5;
/// Children that a step may have for each rule of its node.
const CHILDREN: usize = 2;
/// Rules that are looked at to choose.
const SAMPLE: usize = 1024;

/// The best cut of a node's rules that makes no more than `replication` of each, `None` when none helps.
pub fn best(boxes: &[BoxRule], rules: &[u32], known: &Known, replication: f64) -> Option<Cut> {
    let stride = rules.len().div_ceil(SAMPLE);
    let sample: Vec<&BoxRule> = rules.iter().step_by(stride).map(|rule| &boxes[*rule as usize]).collect();
    let mut best: Option<(f64, Cut)> = None;
    let mut counts = Vec::new();
    // More children for each rule are memory for nothing.
    let widest = (CHILDREN * rules.len()).ilog2().min(MOST_BITS);
    for word in words(&sample) {
        let bits = known.of(word);
        let tests: Vec<Option<Test>> = sample.iter().map(|rule| rule.test(word)).collect();
        let Some((top, bottom)) = differing(&tests, bits) else { continue };
        let unknown_below = (bits.mask << (31 - top)).leading_zeros();
        // To settle a word of ranges takes several steps, of which the first alone seems worth little.
        let width = widest.min(top + 1).min(8).min(unknown_below);
        let steps = (top + 1).div_ceil(width);
        if let Some(halvings) = settled(&tests, bits, rules.len(), replication)
            && best.is_none_or(|(most, _)| halvings / f64::from(steps) > most)
        {
            best = Some((halvings / f64::from(steps), Cut { word, shift: top + 1 - width, bits: width }));
        }
        let mut consider = |shift: u32, width: u32| {
            let cut = Cut { word, shift, bits: width };
            // What is known divides nothing, whatever the count below says.
            if bits.mask & cut.mask() << shift != 0 {
                return;
            }
            if let Some(halvings) = worth(cut, &tests, bits, rules.len(), replication, &mut counts)
                && best.is_none_or(|(most, _)| halvings > most)
            {
                best = Some((halvings, cut));
            }
        };
        let widest = widest.min(top + 1);
        let mut last = 0;
        for width in [widest.div_ceil(4), widest.div_ceil(2), widest] {
            if width == last {
                continue;
            }
            last = width;
            // From the top, as prefixes want it, and lower down, where what stands in lists of single values differs.
            let highest = top + 1 - width;
            let lowest = bottom.min(highest);
            for shift in (lowest..=highest).rev().step_by(width.max(2) as usize) {
                consider(shift, width);
            }
            consider(lowest, width);
        }
    }
    best.map(|(_, cut)| cut)
}

/// Words that some rule has a condition on.
fn words(rules: &[&BoxRule]) -> impl Iterator<Item = u8> {
    let mut used = [false; WORDS];
    for condition in rules.iter().flat_map(|rule| &rule.conditions) {
        used[usize::from(condition.word)] = true;
    }
    (0..WORDS as u8).filter(move |word| used[usize::from(*word)])
}

/// The highest and the lowest bit that is not known and that tells some of the rules apart.
fn differing(tests: &[Option<Test>], known: Bits) -> Option<(u32, u32)> {
    let mut first = None;
    let mut differ = 0;
    for test in tests.iter().flatten() {
        let (low, high) = match *test {
            Test::Range { low, high } => (low.max(known.lowest()), high.min(known.highest())),
            Test::Bits { mask, value } => {
                differ |= mask;
                let value = value & mask | known.value;
                (value, value)
            }
        };
        if low > high {
            continue;
        }
        let first = *first.get_or_insert(low);
        differ |= low ^ first;
        // Of a range the bits that change inside it tell nothing apart; the one above them may.
        let inside = low ^ high;
        differ |= if inside == 0 { 0 } else { 1 << inside.ilog2() };
    }
    let differ = differ & !known.mask;
    if differ == 0 { None } else { Some((differ.ilog2(), differ.trailing_zeros())) }
}

/// Halvings of the rules that a key of a rule meets, less what the memory costs; `None`: it is of no use. `tests` are a
/// sample of so many rules. `counts` is scratch.
fn worth(
    cut: Cut,
    tests: &[Option<Test>],
    known: Bits,
    rules: usize,
    most: f64,
    counts: &mut Vec<Count>,
) -> Option<f64> {
    let children = 1_usize << cut.bits;
    counts.clear();
    counts.resize(children + 1, Count::default());
    for test in tests {
        match cut.children(*test, known) {
            Children::None => {}
            Children::Span(low, high) => {
                counts[low as usize].begin += 1;
                counts[high as usize + 1].end += 1;
            }
            Children::Bits { mask, value } => {
                for child in (0..children).filter(|child| *child as u32 & mask == value) {
                    counts[child].begin += 1;
                    counts[child + 1].end += 1;
                }
            }
        }
    }
    // Neighbours with the same rules are one child: they take memory once.
    let (mut count, mut sum, mut pairs) = (0_i64, 0_i64, 0_i64);
    for change in &counts[..children] {
        if change.begin == 0 && change.end == 0 {
            continue;
        }
        count += i64::from(change.begin) - i64::from(change.end);
        sum += count;
        pairs += count * (count - 1);
    }
    halvings(sum, pairs, tests.len(), rules, most)
}

/// What it is worth to know the whole word, for ranges.
fn settled(tests: &[Option<Test>], known: Bits, rules: usize, most: f64) -> Option<f64> {
    let mut edges: Vec<(u64, i64)> = Vec::with_capacity(2 * tests.len());
    for test in tests {
        let (low, high) = match *test {
            None => (known.lowest(), known.highest()),
            Some(Test::Range { low, high }) => (low.max(known.lowest()), high.min(known.highest())),
            Some(Test::Bits { .. }) => return None,
        };
        if low <= high {
            edges.extend([(u64::from(low), 1), (u64::from(high) + 1, -1)]);
        }
    }
    edges.sort_unstable();
    let (mut count, mut sum, mut pairs) = (0, 0, 0);
    for (index, (at, change)) in edges.iter().enumerate() {
        count += change;
        if edges.get(index + 1).is_none_or(|(next, _)| next != at) {
            sum += count;
            pairs += count * (count - 1);
        }
    }
    halvings(sum, pairs, tests.len(), rules, most)
}

/// From the rules in all children, and the pairs of them that share one, in a sample of so many rules.
fn halvings(sum: i64, pairs: i64, sampled: usize, rules: usize, most: f64) -> Option<f64> {
    if sum == 0 {
        return None;
    }
    let replication = sum as f64 / sampled as f64;
    if replication > most {
        return None;
    }
    // Others of the sample that share a child with a rule stand for as many more of the whole.
    let met = 1.0 + pairs as f64 / sum as f64 * rules as f64 / sampled as f64;
    let gain = (rules as f64 / met).log2();
    if gain < LEAST_GAIN { None } else { Some(gain - WORTH * replication.max(1.0).log2()) }
}

/// Rules that begin with a child, and those that ended before it.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    begin: u32,
    end: u32,
}
