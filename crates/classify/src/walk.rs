//! The way of a key through a tree, in the kernel and on the host.

use crate::{Cell, Slot};

/// Words of a key.
pub const WORDS: usize = 32;

/// What is known of a packet, in words that mean something to the caller.
pub type Key = [u32; WORDS];

/// Steps from a tree's root to a leaf, at most.
pub const MOST_STEPS: u32 = 16;

/// Cells of a leaf, at most.
pub const MOST_CELLS: u32 = 128;

/// Cells of a leaf of which every match counts, at most.
pub const MOST_CELLS_OF_EACH: u32 = 48;

/// The arrays that trees are in. `None` for an index past the end.
pub trait Tables {
    /// A tree's root; see [`root`](crate::root).
    fn root(&self, index: u32) -> Slot;
    fn slot(&self, index: u32) -> Option<Slot>;
    fn cell(&self, index: u32) -> Option<&Cell>;
}

/// The leaf's first cell; cell 0 ends a leaf at once.
#[inline(always)]
fn leaf(tables: &impl Tables, root: u32, key: &Key) -> u32 {
    let mut slot = tables.root(root);
    for _ in 0..MOST_STEPS {
        if slot.is_leaf() {
            break;
        }
        let child = key[usize::from(slot.word()) & (WORDS - 1)] >> slot.shift() & slot.mask();
        let Some(next) = tables.slot(slot.base() + child) else { return 0 };
        slot = next;
    }
    if slot.is_leaf() { slot.base() } else { 0 }
}

/// The verdict of the tree's first rule that matches, or the end of the leaf, whose order is [`NOTHING`](crate::NOTHING).
#[inline(always)]
pub fn first_match<'a>(tables: &'a impl Tables, root: u32, key: &Key) -> Option<&'a Cell> {
    let mut at = leaf(tables, root, key);
    for _ in 0..MOST_CELLS {
        let cell = tables.cell(at)?;
        if cell.is_verdict() {
            return Some(cell);
        }
        at += if cell.holds(key[cell.word() & (WORDS - 1)]) { 1 } else { cell.skip() };
    }
    None
}

/// Every box of the tree that matches and stands before `before`, in their order, as long as `each`, which gets the cell of
/// the verdict, says so. The loop carries nothing but its place: what else changed from turn to turn would be a state for the
/// verifier to walk through.
#[inline(always)]
pub fn each_match(
    tables: &impl Tables,
    root: u32,
    key: &Key,
    before: u32,
    mut each: impl FnMut(u32) -> bool,
) {
    let mut at = leaf(tables, root, key);
    for _ in 0..MOST_CELLS_OF_EACH {
        let Some(cell) = tables.cell(at) else { return };
        if cell.is_verdict() {
            if cell.low >= before || !each(at) {
                return;
            }
            at += 1;
        } else {
            at += if cell.holds(key[cell.word() & (WORDS - 1)]) { 1 } else { cell.skip() };
        }
    }
}
