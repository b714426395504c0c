//! The way of a key through a tree, in the kernel and on the host.

use crate::{Cell, Five, NOTHING, Slot};

/// Words of a key.
pub const WORDS: usize = 32;

/// What is known of a packet, in words that mean something to the caller, except for those of [`word`].
pub type Key = [u32; WORDS];

/// Words of the [`Five`].
pub mod word {
    /// The first of four.
    pub const SOURCE: u8 = 0;
    /// The first of four.
    pub const DESTINATION: u8 = 4;
    /// Above 65535: there is none.
    pub const SOURCE_PORT: u8 = 8;
    pub const DESTINATION_PORT: u8 = 9;
    pub const PROTOCOL: u8 = 10;
}

/// Steps from a tree's root to a leaf, at most.
pub const MOST_STEPS: u32 = 16;

/// Cells of a leaf, at most.
pub const MOST_CELLS: u32 = 128;

/// Cells of a leaf of which every match counts, at most.
pub const MOST_CELLS_OF_EACH: u32 = 48;

/// How far a walk can go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bounds {
    /// At most [`MOST_STEPS`].
    pub steps: u32,
    /// At most [`MOST_CELLS`].
    pub cells: u32,
    /// At most [`MOST_CELLS_OF_EACH`].
    pub cells_of_each: u32,
}

impl Bounds {
    /// Of any tree.
    pub const MOST: Self = Self { steps: MOST_STEPS, cells: MOST_CELLS, cells_of_each: MOST_CELLS_OF_EACH };
}

/// The arrays that trees are in. `None` for an index past the end.
pub trait Tables {
    /// Steps and cells that a key meets in one tree, and cells in the tree of which every match counts, at most: the fewer, the
    /// less has the verifier to walk through.
    fn bounds(&self) -> Bounds;

    /// A tree's root; see [`root`](crate::root).
    fn root(&self, index: u32) -> Slot;
    fn slot(&self, index: u32) -> Option<Slot>;
    fn cell(&self, index: u32) -> Option<&Cell>;
}

/// The leaf that the key is in. Not [`Slot::EMPTY`] where there is none: what the verifier knows of that, it would take along
/// through the leaf's cells.
#[inline(always)]
fn leaf(tables: &impl Tables, root: u32, key: &Key) -> Option<Slot> {
    let mut slot = tables.root(root);
    let mut left = tables.bounds().steps;
    while left != 0 {
        left -= 1;
        if slot.is_leaf() {
            return Some(slot);
        }
        let child = key[usize::from(slot.word()) & (WORDS - 1)] >> slot.shift() & slot.mask();
        slot = tables.slot(slot.base() + child)?;
    }
    if slot.is_leaf() { Some(slot) } else { None }
}

/// The best rule that was found: its order, and the place of its cell. In one word, so that the verifier can be made to know
/// nothing of it: every way through one tree would otherwise be a state to walk through the next with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Best(pub u64);

impl Best {
    pub const NONE: Self = Self((NOTHING as u64) << 32);

    /// [`NOTHING`]: there is none.
    #[inline(always)]
    pub const fn order(self) -> u32 {
        (self.0 >> 32) as u32
    }

    #[inline(always)]
    pub const fn at(self) -> u32 {
        self.0 as u32
    }
}

/// The tree's first rule that matches, if it is better than `best`, or else that. `five` is the key's.
#[inline(always)]
pub fn first_match(tables: &impl Tables, root: u32, key: &Key, five: Five, best: Best) -> Best {
    let Some(leaf) = leaf(tables, root, key) else { return best };
    if leaf.least() >= best.order() {
        return best;
    }
    let mut at = leaf.base();
    let mut left = tables.bounds().cells;
    while left != 0 {
        left -= 1;
        let Some(cell) = tables.cell(at) else { return best };
        if cell.is_rule() {
            if cell.matches(five) {
                let found = Best(u64::from(cell.order()) << 32 | u64::from(at));
                return if found.order() < best.order() { found } else { best };
            }
            at += 1;
        } else if cell.holds(key) {
            at += 1;
            continue;
        } else {
            at += cell.skip();
        }
        if cell.is_last() {
            return best;
        }
    }
    best
}

/// Every box of the tree that matches and stands before `before`, in their order, as long as `each`, which gets the place of
/// the rule's cell, says so. The loop carries nothing but its place: what else changed from turn to turn would be a state for
/// the verifier to walk through.
#[inline(always)]
pub fn each_match(
    tables: &impl Tables,
    root: u32,
    key: &Key,
    five: Five,
    before: u32,
    mut each: impl FnMut(u32) -> bool,
) {
    let Some(leaf) = leaf(tables, root, key) else { return };
    let mut at = leaf.base();
    let mut left = tables.bounds().cells_of_each;
    while left != 0 {
        left -= 1;
        let Some(cell) = tables.cell(at) else { return };
        if cell.is_rule() {
            if cell.matches(five) && (cell.order() >= before || !each(at)) {
                return;
            }
            at += 1;
        } else if cell.holds(key) {
            at += 1;
            continue;
        } else {
            at += cell.skip();
        }
        if cell.is_last() {
            return;
        }
    }
}
