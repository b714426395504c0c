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
    /// 1 or 0. A rule can want it to be 0.
    pub const FLAG: u8 = 28;
}

/// Steps from a tree's root to a leaf, at most.
pub const MOST_STEPS: u32 = 16;

/// Cells of a leaf, at most.
pub const MOST_CELLS: u32 = 128;

/// Cells of a leaf of which every match counts, at most.
pub const MOST_CELLS_OF_EACH: u32 = 48;

/// How far a walk can go: steps and cells that a packet meets in one tree at most, and cells in a tree of which every match
/// counts.
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
    // How far a walk can go, see [`Bounds`]: the less, the less has the verifier to walk through.
    fn steps(&self) -> u32;
    fn cells(&self) -> u32;
    fn cells_of_each(&self) -> u32;

    /// A tree's root; see [`root`](crate::root).
    fn root(&self, index: u32) -> Slot;
    fn slot(&self, index: u32) -> Option<Slot>;
    fn cell(&self, index: u32) -> Option<&Cell>;
}

/// What a walk asks of a packet.
pub trait Packet: Copy {
    fn five(self) -> Five;

    /// The slot to which a step leads it.
    fn next(self, step: Slot) -> u32;

    /// Whether what a cell asks besides the five-tuple holds.
    fn holds(self, cell: &Cell) -> bool;
}

/// A packet that is in registers, for trees that ask for nothing else.
impl Packet for Five {
    #[inline(always)]
    fn five(self) -> Five {
        self
    }

    #[inline(always)]
    fn next(self, step: Slot) -> u32 {
        step.next_by_five(self)
    }

    #[inline(always)]
    fn holds(self, _: &Cell) -> bool {
        false
    }
}

/// A packet with all that can be asked of it, for the other trees.
#[derive(Debug, Clone, Copy)]
pub struct Keyed<'k> {
    pub key: &'k Key,
    /// Of the key.
    pub five: Five,
}

impl<'k> Keyed<'k> {
    #[inline(always)]
    pub const fn of(key: &'k Key) -> Self {
        Self { key, five: Five::of(key) }
    }
}

impl Packet for Keyed<'_> {
    #[inline(always)]
    fn five(self) -> Five {
        self.five
    }

    #[inline(always)]
    fn next(self, step: Slot) -> u32 {
        step.next_by_key(self.key)
    }

    #[inline(always)]
    fn holds(self, cell: &Cell) -> bool {
        cell.holds(self.key)
    }
}

/// The leaf that the packet is in. Not [`Slot::EMPTY`] where there is none: what the verifier knows of that, it would take along
/// through the leaf's cells.
#[inline(always)]
fn leaf(tables: &impl Tables, root: u32, packet: impl Packet) -> Option<Slot> {
    let mut slot = tables.root(root);
    let mut left = tables.steps();
    while left != 0 {
        left -= 1;
        if slot.is_leaf() {
            return Some(slot);
        }
        slot = tables.slot(packet.next(slot))?;
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

/// The tree's first rule that matches, if it is better than `best`, or else that.
#[inline(always)]
pub fn first_match(tables: &impl Tables, root: u32, packet: impl Packet, best: Best) -> Best {
    match first_cell(tables, root, packet, best.order()) {
        Some((cell, at)) if cell.order() < best.order() => {
            Best(u64::from(cell.order()) << 32 | u64::from(at))
        }
        _ => best,
    }
}

/// The cell of the tree's first rule that matches, and its place. `None` where there is none, or where none in the packet's leaf
/// stands before `before`; the cell itself may stand behind it.
#[inline(always)]
pub fn first_cell(tables: &impl Tables, root: u32, packet: impl Packet, before: u32) -> Option<(&Cell, u32)> {
    let leaf = leaf(tables, root, packet)?;
    if leaf.least() >= before {
        return None;
    }
    let mut at = leaf.cell();
    let mut left = tables.cells();
    while left != 0 {
        left -= 1;
        let cell = tables.cell(at)?;
        if cell.is_rule() {
            if cell.matches(packet.five()) {
                return Some((cell, at));
            }
            at += 1;
        } else if packet.holds(cell) {
            at += 1;
            continue;
        } else {
            at += cell.skip();
        }
        if cell.is_last() {
            return None;
        }
    }
    None
}

/// Every box of the tree that matches and stands before `before`, in their order, as long as `each`, which gets the place of
/// the rule's cell, says so. The loop carries nothing but its place: what else changed from turn to turn would be a state for
/// the verifier to walk through.
#[inline(always)]
pub fn each_match(
    tables: &impl Tables,
    root: u32,
    packet: impl Packet,
    before: u32,
    mut each: impl FnMut(u32) -> bool,
) {
    let Some(leaf) = leaf(tables, root, packet) else { return };
    let mut at = leaf.cell();
    let mut left = tables.cells_of_each();
    while left != 0 {
        left -= 1;
        let Some(cell) = tables.cell(at) else { return };
        if cell.is_rule() {
            if cell.matches(packet.five()) && (cell.order() >= before || !each(at)) {
                return;
            }
            at += 1;
        } else if packet.holds(cell) {
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
