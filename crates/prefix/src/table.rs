//! A built table and the list it came from.

use std::collections::BTreeMap;

use crate::address::Address;
use crate::address::sealed::Line;
use crate::arrays::{Arrays, Slot};
use crate::compile::{Exhausted, compile};
use crate::entry::Node;
use crate::plan::{ListError, ROOT_NODES, Sizes, for_each_chunk};
use crate::span::Prefix;
use crate::{LineV4, LineV6};

/// A longest-prefix-match table in two arrays, `Vec`s or the mapped memory of two `BPF_F_MMAPABLE` maps.
///
/// The arrays belong to the table: nothing else may write them. The packet path may read them while
/// [`insert`](Self::insert) and [`remove`](Self::remove) change them, but not while the table is being built.
pub struct Table<A: Address, N, L> {
    pub(crate) arrays: Arrays<N, L>,
    pub(crate) prefixes: BTreeMap<Prefix<A>, u32>,
}

pub type TableV4<N = Vec<Node>, L = Vec<LineV4>> = Table<u32, N, L>;
pub type TableV6<N = Vec<Node>, L = Vec<LineV6>> = Table<u128, N, L>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildError {
    List(ListError),
    /// The arrays are smaller than [`Sizes::of`] the list.
    TooSmall,
}

impl std::fmt::Display for BuildError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::List(error) => error.fmt(f),
            Self::TooSmall => write!(f, "the prefix list does not fit its arrays; make them larger"),
        }
    }
}

impl std::error::Error for BuildError {}

impl<A: Address> Table<A, Vec<Node>, Vec<A::Line>> {
    /// A table in ordinary memory with room for `changes` (see [`Sizes::with_headroom`]).
    pub fn in_memory(list: &[(Prefix<A>, u32)], changes: u32) -> Result<Self, ListError> {
        let sizes = Sizes::of(list)?.with_headroom(changes);
        let nodes = vec![Node::EMPTY; sizes.nodes as usize];
        let lines = vec![A::Line::EMPTY; sizes.lines as usize];
        Self::build(list, nodes, lines).map_err(|error| match error {
            BuildError::List(error) => error,
            BuildError::TooSmall => unreachable!("the arrays have the planned sizes"),
        })
    }
}

impl<A, N, L> Table<A, N, L>
where
    A: Address,
    N: AsRef<[Node]> + AsMut<[Node]>,
    L: AsRef<[A::Line]> + AsMut<[A::Line]>,
{
    /// Fills `nodes` and `lines`, whatever they held, from a sorted list without duplicates.
    pub fn build(list: &[(Prefix<A>, u32)], nodes: N, lines: L) -> Result<Self, BuildError> {
        crate::plan::check(list).map_err(BuildError::List)?;
        if nodes.as_ref().len() < ROOT_NODES as usize {
            return Err(BuildError::TooSmall);
        }
        let mut arrays = Arrays::new::<A>(nodes, lines);
        for_each_chunk(list, |number, chunk, intervals| {
            let entry = compile::<A>(&mut arrays, chunk, intervals)?;
            arrays.publish::<A>(root_slot(number), entry);
            Ok(())
        })
        .map_err(|Exhausted| BuildError::TooSmall)?;
        arrays.keep_taken();
        Ok(Self { arrays, prefixes: list.iter().copied().collect() })
    }

    /// What the packet path answers for `addr`: the value of the longest prefix that covers it, or 0.
    pub fn lookup(&self, addr: A) -> u32 {
        A::lookup(self.arrays.nodes(), self.arrays.lines::<A>(), addr)
    }

    /// The value of exactly this prefix.
    pub fn get(&self, prefix: Prefix<A>) -> Option<u32> {
        self.prefixes.get(&prefix).copied()
    }

    /// All prefixes with their values, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (Prefix<A>, u32)> {
        self.prefixes.iter().map(|(prefix, value)| (*prefix, *value))
    }

    /// Elements in use; the rest of the arrays is free or waits for [`quiesce`](Self::quiesce).
    pub fn used(&self) -> Sizes {
        self.arrays.used()
    }

    /// Declares that every packet that was being looked up when the last change was made is finished, and so
    /// allows what the changes replaced to be used again.
    ///
    /// XDP runs inside an RCU read section, so any system call that waits for a grace period will do, such as
    /// `membarrier(MEMBARRIER_CMD_GLOBAL)` or replacing an element of a map of maps.
    pub fn quiesce(&mut self) {
        self.arrays.reuse_retired();
    }

    /// The arrays, as they are.
    pub fn into_storage(self) -> (N, L) {
        self.arrays.into_storage()
    }
}

/// The entry for chunk `number` of the root.
pub(crate) fn root_slot(number: usize) -> Slot {
    Slot::Node { index: (number >> 8) as u32, byte: number & 0xff }
}
