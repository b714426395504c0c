//! Prefixes as networks have them: a trie grows from the top, most new prefixes follow paths that are there and so lie in
//! or beside older ones. The paper's parameters are the same (III-B): lengths, branching, skew and a limit of nesting.

use super::{
    Prefix, covers,
    dice::Dice,
    profile::{NOT_UNICAST, Side},
};

/// That a path with one branch gets its second one, for each byte of the address, in per mille: few providers, then few
/// sites, then subnets, and many hosts.
const BRANCHING: [u32; 4] = [250, 150, 150, 350];

/// That the older of two branches is taken, in per mille.
const SKEW: u32 = 650;

/// Of each a little more adventurous than the one before.
const ATTEMPTS: u32 = 12;

/// Leading bits that a destination has from a source when it lies in a common network.
const COMMON: u8 = 16;

#[derive(Clone, Copy, Default)]
struct Node {
    /// 0: none; the root is nobody's child. The older child has the lower number.
    children: [u32; 2],
    /// A prefix ends here.
    marked: bool,
}

struct Trie(Vec<Node>);

fn bit(bits: u32, depth: u8) -> usize {
    (bits >> (31 - depth) & 1) as usize
}

impl Trie {
    /// A prefix of this length that begins like `start`, new or not, with how many it lies in or equals.
    fn walk(&self, dice: &mut Dice, length: u8, start: Prefix, attempt: u32) -> (u32, u32) {
        let (mut bits, mut around) = (0, 0);
        let mut node = Some(0_usize);
        for depth in 0..length {
            let children = node.map_or([0, 0], |at| self.0[at].children);
            let side = if depth < start.1 {
                bit(start.0, depth)
            } else {
                let branching = BRANCHING[usize::from(depth / 8)] + attempt * 50;
                match children {
                    [0, 0] => dice.below(2),
                    [_, 0] => dice.chance(branching).into(),
                    [0, _] => (!dice.chance(branching)).into(),
                    [left, right] => usize::from(right < left) ^ usize::from(!dice.chance(SKEW)),
                }
            };
            bits |= (side as u32) << (31 - depth);
            node = (children[side] != 0).then_some(children[side] as usize);
            around += node.map_or(0, |at| self.0[at].marked.into());
        }
        (bits, around)
    }

    fn contains(&self, (bits, length): Prefix) -> bool {
        let mut at = 0;
        for depth in 0..length {
            at = self.0[at].children[bit(bits, depth)] as usize;
            if at == 0 {
                return false;
            }
        }
        self.0[at].marked
    }

    fn insert(&mut self, (bits, length): Prefix) {
        let mut at = 0;
        for depth in 0..length {
            let side = bit(bits, depth);
            if self.0[at].children[side] == 0 {
                self.0[at].children[side] = self.0.len() as u32;
                self.0.push(Node::default());
            }
            at = self.0[at].children[side] as usize;
        }
        self.0[at].marked = true;
    }
}

/// Distinct prefixes for a set of `rules`, in random order; `common` per mille of them share networks with `others`. A
/// prefix that finds no place is left out: large sets run out of short ones.
pub(super) fn pool(
    dice: &mut Dice,
    side: &Side,
    rules: usize,
    others: &[Prefix],
    common: u32,
) -> Vec<Prefix> {
    let size = (side.linear * rules / 1000 + side.root * rules.isqrt()).max(8);
    let mut lengths: Vec<u8> = (0..size)
        .map(|_| {
            let range = dice.weighted(side.lengths);
            range.start() + dice.below(range.len()) as u8
        })
        .collect();
    // The short ones first: no later prefix comes around those that are there, and the limit of nesting holds.
    lengths.sort_unstable();
    let mut trie = Trie(vec![Node::default()]);
    let mut prefixes: Vec<Prefix> = Vec::with_capacity(size);
    for length in lengths {
        for attempt in 0..ATTEMPTS {
            let start = if !others.is_empty() && dice.chance(common) {
                let (bits, other) = others[dice.below(others.len())];
                (bits, COMMON.min(other).min(length))
            } else if !prefixes.is_empty() && dice.chance(side.nested) {
                prefixes[dice.below(prefixes.len())]
            } else {
                (0, 0)
            };
            let (bits, around) = trie.walk(dice, length, start, attempt);
            let prefix = (bits, length);
            let unicast = !NOT_UNICAST.iter().any(|&special| covers(special, bits));
            if unicast && around <= side.nesting && !trie.contains(prefix) {
                trie.insert(prefix);
                prefixes.push(prefix);
                break;
            }
        }
    }
    dice.shuffle(&mut prefixes);
    prefixes
}
