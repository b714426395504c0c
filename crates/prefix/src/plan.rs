//! How many elements a list needs, known before any map is made.

use std::ops::Range;

use crate::address::Address;
use crate::address::sealed::Line;
use crate::compile::{Exhausted, Sink, compile};
use crate::entry::{Node, VALUE_MAX};
use crate::interval::{Interval, flatten};
use crate::span::Prefix;

/// Chunks the root divides the address space into: one for each value of the first 16 bits.
pub(crate) const ROOT_CHUNKS: usize = 1 << ROOT_BITS;
pub(crate) const ROOT_BITS: u8 = 16;
/// Nodes the root takes, the first of the array.
pub(crate) const ROOT_NODES: u32 = 256;

/// A list that is no table. Positions count from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListError {
    /// The prefix at this position sorts before the one in front of it.
    Unsorted(usize),
    /// The prefix at this position is the same as the one in front of it.
    Duplicate(usize),
    /// The value at this position is 0 or above [`VALUE_MAX`].
    Value(usize),
}

impl std::fmt::Display for ListError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unsorted(at) => write!(f, "prefix {at} of the list is out of order; sort the list"),
            Self::Duplicate(at) => {
                write!(f, "prefix {at} of the list is there twice; remove one of the two")
            }
            Self::Value(at) => {
                write!(f, "the value of prefix {at} of the list is not between 1 and {VALUE_MAX}")
            }
        }
    }
}

impl std::error::Error for ListError {}

/// Elements of the two arrays: `max_entries` of the maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// 1024 bytes each, the root's 256 included.
    pub nodes: u32,
    /// 64 bytes each.
    pub lines: u32,
}

impl Sizes {
    /// Exactly what `list` needs. Costs about as much time as building the table.
    pub fn of<A: Address>(list: &[(Prefix<A>, u32)]) -> Result<Self, ListError> {
        check(list)?;
        let mut sizes = Self { nodes: ROOT_NODES, lines: 0 };
        for_each_chunk(list, |_, chunk, intervals| compile(&mut sizes, chunk, intervals).map(drop))
            .unwrap_or_else(|Exhausted| unreachable!("counting has no end"));
        Ok(sizes)
    }

    /// Adds room for about `changes` insertions and removals between two calls of
    /// [`Table::quiesce`](crate::Table::quiesce).
    ///
    /// A change writes the lines around it anew: 12 at most in IPv4; in IPv6 7, rarely 43, above bit 64 and as
    /// many below. Now and then it adds a node where the list grows dense. The old ones are free again after
    /// `quiesce`; what the list grew by stays in use. A change of a short prefix touches every /24 (IPv4 /16 to
    /// /23 over a dense /16) or /16 under it that holds longer ones, and is better done by building a new table.
    pub fn with_headroom(self, changes: u32) -> Self {
        Self {
            nodes: self.nodes.saturating_add(changes / 16).saturating_add(16),
            lines: self.lines.saturating_add(changes.saturating_mul(16)),
        }
    }

    /// Bytes of both arrays.
    pub fn bytes(self) -> u64 {
        u64::from(self.nodes) * size_of::<Node>() as u64 + u64::from(self.lines) * 64
    }
}

impl<A: Address> Sink<A> for Sizes {
    fn new_node(&mut self) -> Result<u32, Exhausted> {
        self.nodes += 1;
        Ok(0)
    }
    fn fill(&mut self, _node: u32, _bytes: Range<usize>, _entry: u32) {}
    fn new_line(&mut self, _line: A::Line) -> Result<u32, Exhausted> {
        const { assert!(size_of::<A::Line>() == 64 && A::Line::FANOUT > 1) };
        self.lines += 1;
        Ok(0)
    }
}

pub(crate) fn check<A: Address>(list: &[(Prefix<A>, u32)]) -> Result<(), ListError> {
    for (at, (prefix, value)) in list.iter().enumerate() {
        if *value == 0 || *value > VALUE_MAX {
            return Err(ListError::Value(at));
        }
        if at > 0 {
            match list[at - 1].0.cmp(prefix) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => return Err(ListError::Duplicate(at)),
                std::cmp::Ordering::Greater => return Err(ListError::Unsorted(at)),
            }
        }
    }
    Ok(())
}

/// Chunk `number` of the root.
pub(crate) fn root_chunk<A: Address>(number: usize) -> Prefix<A> {
    Prefix::sort_key(A::ZERO.child(0, number >> 8).child(8, number & 0xff), ROOT_BITS)
}

/// Calls `visit` with every chunk of the root and the ranges in it, in order.
pub(crate) fn for_each_chunk<A: Address>(
    list: &[(Prefix<A>, u32)],
    mut visit: impl FnMut(usize, Prefix<A>, &[Interval<A>]) -> Result<(), Exhausted>,
) -> Result<(), Exhausted> {
    let mut rest = list;
    let mut intervals = Vec::new();
    // Prefixes of up to 16 bits around the current chunk, outermost first.
    let mut covers: Vec<(A, u32)> = Vec::new();
    for number in 0..ROOT_CHUNKS {
        let chunk = root_chunk::<A>(number);
        while covers.pop_if(|(last, _)| *last < chunk.addr()).is_some() {}
        while let Some(((prefix, value), after)) = rest.split_first()
            && prefix.addr() == chunk.addr()
            && prefix.len() <= ROOT_BITS
        {
            covers.push((prefix.last(), *value));
            rest = after;
        }
        let cover = covers.last().map_or(0, |(_, value)| *value);
        let inside = rest.iter().take_while(|(prefix, _)| prefix.addr() <= chunk.last()).count();
        let (inner, after) = rest.split_at(inside);
        rest = after;
        flatten(&mut intervals, chunk, cover, inner.iter().copied());
        visit(number, chunk, &intervals)?;
    }
    Ok(())
}
