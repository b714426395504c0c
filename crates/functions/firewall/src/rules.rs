//! What becomes of a packet under the rules: the first rule that decides, and what the rules before it do besides.

use classify::{
    Best, Cell, EACH, MOST_TREES, NOTHING, Packet, Tables, Verdict, each_match, first_cell, first_match, root,
};

use crate::shared::deed;

/// What rules act upon.
pub trait Effects {
    /// Trees of which the first match decides.
    fn trees(&self) -> u32;

    /// Whether there are rules that let the packet go on.
    fn has_others(&self) -> bool;

    fn hit(&mut self, slot: u32);

    /// Does what a rule that lets the packet go on does, by its verdict's cell. `false`: the packet does not go on, because it
    /// is one too many.
    fn act(&mut self, at: u32) -> bool;

    /// The same, of which the verifier knows nothing: it would otherwise walk through what follows once for each thing that it
    /// knows.
    fn opaque(&mut self, best: Best) -> Best {
        best
    }
}

/// What rules that let packets go on act upon.
pub trait Deeds {
    fn hit(&mut self, slot: u32);

    /// Takes a token of the limit's; `true`: there was none.
    fn exceeds(&mut self, limit: u32) -> bool;

    /// Remembers that the packet is to be told of, if it is one of those, one in so many of the rule.
    fn tell(&mut self, slot: u32, one_in: u32);

    /// Marks the packet for the kernel; of several marks the last one stands.
    fn mark(&mut self, mark: u32);
}

/// [`Effects::act`].
#[inline(always)]
pub fn act(verdict: Verdict, deeds: &mut impl Deeds) -> bool {
    match verdict.action {
        deed::LOG => deeds.tell(verdict.slot, verdict.parameter),
        deed::LOG_TOO => {
            deeds.tell(verdict.slot, verdict.parameter);
            return true;
        }
        deed::LIMIT => {
            // Its counter counts what it drops.
            let exceeds = deeds.exceeds(verdict.parameter);
            if exceeds {
                deeds.hit(verdict.slot);
            }
            return !exceeds;
        }
        deed::MARK => deeds.mark(verdict.parameter),
        _ => {}
    }
    deeds.hit(verdict.slot);
    true
}

/// What the rules say, in a word that fits a register.
///
/// ```text
/// 63..32      7..0
/// parameter   deed, or NO_RULE
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome(pub u64);

impl Outcome {
    /// No rule decides.
    pub const NO_RULE: Self = Self::new(0xff, 0);
    pub const MALFORMED: Self = Self::new(deed::MALFORMED, 0);

    #[inline(always)]
    pub const fn new(deed: u8, parameter: u32) -> Self {
        Self((parameter as u64) << 32 | deed as u64)
    }

    #[inline(always)]
    pub const fn deed(self) -> u8 {
        self.0 as u8
    }

    #[inline(always)]
    pub const fn parameter(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// Judges a packet. `kind` is a [`Kind`](classify::Kind) as a number, which the verifier need not know.
#[inline(always)]
pub fn judge(tables: &impl Tables, effects: &mut impl Effects, kind: u32, packet: impl Packet) -> Outcome {
    let trees = effects.trees();
    if trees == 1 && !effects.has_others() {
        return match first_cell(tables, root(kind, 0), packet, NOTHING) {
            Some((cell, _)) => decided(effects, cell),
            None => Outcome::NO_RULE,
        };
    }
    let mut best = effects.opaque(Best::NONE);
    for tree in 0..MOST_TREES {
        if tree >= trees {
            break;
        }
        let found = first_match(tables, root(kind, tree), packet, best);
        best = effects.opaque(found);
    }
    if effects.has_others() {
        let mut goes_on = true;
        each_match(tables, root(kind, EACH), packet, best.order(), |at| {
            goes_on = effects.act(at);
            goes_on
        });
        if !goes_on {
            return Outcome::new(deed::LIMIT, 0);
        }
    }
    if best.order() == NOTHING {
        return Outcome::NO_RULE;
    }
    match tables.cell(best.at()) {
        Some(cell) => decided(effects, cell),
        None => Outcome::NO_RULE,
    }
}

#[inline(always)]
fn decided(effects: &mut impl Effects, cell: &Cell) -> Outcome {
    let verdict = cell.verdict();
    effects.hit(verdict.slot);
    Outcome::new(verdict.action, verdict.parameter)
}
