//! What differs between IPv4 and IPv6 when a table is built.

use std::fmt::Debug;
use std::hash::Hash;

use crate::entry::{HIGH_LINE, LINE, Node};
use crate::{LineV4, LineV6, TablesV4, TablesV6, lookup_v4, lookup_v6};

/// An address in host byte order: `u32` for IPv4, `u128` for IPv6. Implemented for these two only.
pub trait Address: sealed::Address + Hash + Debug {}

impl Address for u32 {}
impl Address for u128 {}

pub(crate) mod sealed {
    use super::*;

    /// A range inside a chunk of the table, by its first key, and what is there.
    #[derive(Clone, Copy)]
    pub struct Piece {
        pub bound: u64,
        pub entry: u32,
    }

    pub trait Line: Copy {
        const EMPTY: Self;
        /// Ranges in one line.
        const FANOUT: usize;
        /// The bound behind the last range.
        const UNUSED: u64;
        /// `pieces`: 2 to `FANOUT` of them, by rising bound; the first bound is where the range above begins.
        fn new(pieces: &[Piece]) -> Self;
        /// The entry of the range that holds `key`.
        fn find(&self, key: u64) -> u32;
        /// Where the range at `position` ends and the next begins; `None` for the last.
        fn bound(&self, position: usize) -> Option<u64>;
        fn entries(&self) -> &[u32];
        fn entries_mut(&mut self) -> &mut [u32];
    }

    pub trait Address: Copy + Ord {
        type Line: Line;
        const ZERO: Self;
        /// Bits in an address.
        const WIDTH: u8;
        /// Lines below one entry that the lookup walks through.
        const LINE_LEVELS: u32;
        /// The most that lines below one entry can hold.
        const LINE_RANGES_MAX: usize = Self::Line::FANOUT.pow(Self::LINE_LEVELS);
        /// Chunks shallower than this have lines that compare the high half of the address.
        const HIGH_DEPTH: u8;

        /// Clears all bits but the first `len`.
        fn first(self, len: u8) -> Self;
        /// Sets all bits but the first `len`.
        fn last(self, len: u8) -> Self;
        /// The next address; only called where there is one.
        fn next(self) -> Self;
        /// The chunk of depth `depth + 8` that is number `byte` in the chunk of `depth` beginning here.
        fn child(self, depth: u8, byte: usize) -> Self;
        /// Bits `depth` to `depth + 7`.
        fn byte(self, depth: u8) -> usize;
        /// What lines of a chunk of `depth` compare.
        fn key(self, depth: u8) -> u64;
        /// The first address in the chunk of `depth` around `self` that has this key.
        fn with_key(self, depth: u8, key: u64) -> Self;

        fn lookup(nodes: &[Node], lines: &[Self::Line], addr: Self) -> u32;

        /// Ranges usually kept in lines below the entry of a chunk of `depth`; more get a node.
        fn line_ranges(depth: u8) -> usize;

        /// The entry kind of lines in a chunk of `depth`.
        fn line_kind(depth: u8) -> u32 {
            if depth < Self::HIGH_DEPTH { HIGH_LINE } else { LINE }
        }
    }
}

use sealed::Piece;

struct Slices<'a, L> {
    nodes: &'a [Node],
    lines: &'a [L],
}

impl TablesV4 for Slices<'_, LineV4> {
    fn node(&self, index: u32) -> Option<&Node> {
        self.nodes.get(index as usize)
    }
    fn line(&self, index: u32) -> Option<&LineV4> {
        self.lines.get(index as usize)
    }
}

impl TablesV6 for Slices<'_, LineV6> {
    fn node(&self, index: u32) -> Option<&Node> {
        self.nodes.get(index as usize)
    }
    fn line(&self, index: u32) -> Option<&LineV6> {
        self.lines.get(index as usize)
    }
}

impl sealed::Line for LineV4 {
    const EMPTY: Self = Self::EMPTY;
    const FANOUT: usize = 11;
    const UNUSED: u64 = u16::MAX as u64;

    fn new(pieces: &[Piece]) -> Self {
        let last = pieces[pieces.len() - 1].entry;
        let mut line = Self { bounds: [u16::MAX; 10], entries: [last; 11] };
        for (entry, piece) in line.entries.iter_mut().zip(pieces) {
            *entry = piece.entry;
        }
        for (bound, piece) in line.bounds.iter_mut().zip(&pieces[1..]) {
            *bound = piece.bound as u16;
        }
        line
    }

    fn find(&self, key: u64) -> u32 {
        self.find(key)
    }

    fn bound(&self, position: usize) -> Option<u64> {
        self.bounds.get(position).map(|bound| u64::from(*bound))
    }

    fn entries(&self) -> &[u32] {
        &self.entries
    }

    fn entries_mut(&mut self) -> &mut [u32] {
        &mut self.entries
    }
}

impl sealed::Line for LineV6 {
    const EMPTY: Self = Self::EMPTY;
    const FANOUT: usize = 6;
    const UNUSED: u64 = u64::MAX;

    fn new(pieces: &[Piece]) -> Self {
        let last = pieces[pieces.len() - 1].entry;
        let mut line = Self { bounds: [u64::MAX; 5], entries: [last; 6] };
        for (entry, piece) in line.entries.iter_mut().zip(pieces) {
            *entry = piece.entry;
        }
        for (bound, piece) in line.bounds.iter_mut().zip(&pieces[1..]) {
            *bound = piece.bound;
        }
        line
    }

    fn find(&self, key: u64) -> u32 {
        self.find(key)
    }

    fn bound(&self, position: usize) -> Option<u64> {
        self.bounds.get(position).copied()
    }

    fn entries(&self) -> &[u32] {
        &self.entries
    }

    fn entries_mut(&mut self) -> &mut [u32] {
        &mut self.entries
    }
}

impl sealed::Address for u32 {
    type Line = LineV4;
    const ZERO: Self = 0;
    const WIDTH: u8 = 32;
    const LINE_LEVELS: u32 = 2;
    const HIGH_DEPTH: u8 = 0;

    fn first(self, len: u8) -> Self {
        self & !Self::MAX.checked_shr(len.into()).unwrap_or(0)
    }
    fn last(self, len: u8) -> Self {
        self | Self::MAX.checked_shr(len.into()).unwrap_or(0)
    }
    fn next(self) -> Self {
        self + 1
    }
    fn child(self, depth: u8, byte: usize) -> Self {
        self | (byte as Self) << (Self::BITS - 8 - u32::from(depth))
    }
    fn byte(self, depth: u8) -> usize {
        (self >> (Self::BITS - 8 - u32::from(depth))) as usize & 0xff
    }
    fn key(self, _depth: u8) -> u64 {
        u64::from(self as u16)
    }
    fn with_key(self, _depth: u8, key: u64) -> Self {
        self & !0xffff | key as Self
    }
    fn line_ranges(depth: u8) -> usize {
        // A dense /16 gets a node: two memory accesses instead of three, for 64 MiB if all 65536 are dense. A /24
        // is kept small: there can be as many of them as prefixes.
        if depth == 16 { 16 } else { Self::LINE_RANGES_MAX }
    }
    fn lookup(nodes: &[Node], lines: &[LineV4], addr: Self) -> u32 {
        lookup_v4(&Slices { nodes, lines }, addr)
    }
}

impl sealed::Address for u128 {
    type Line = LineV6;
    const ZERO: Self = 0;
    const WIDTH: u8 = 128;
    const LINE_LEVELS: u32 = crate::v6::LINE_LEVELS;
    const HIGH_DEPTH: u8 = 64;

    fn first(self, len: u8) -> Self {
        self & !Self::MAX.checked_shr(len.into()).unwrap_or(0)
    }
    fn last(self, len: u8) -> Self {
        self | Self::MAX.checked_shr(len.into()).unwrap_or(0)
    }
    fn next(self) -> Self {
        self + 1
    }
    fn child(self, depth: u8, byte: usize) -> Self {
        self | (byte as Self) << (Self::BITS - 8 - u32::from(depth))
    }
    fn byte(self, depth: u8) -> usize {
        (self >> (Self::BITS - 8 - u32::from(depth))) as usize & 0xff
    }
    fn key(self, depth: u8) -> u64 {
        if depth < Self::HIGH_DEPTH { (self >> 64) as u64 } else { self as u64 }
    }
    fn with_key(self, depth: u8, key: u64) -> Self {
        if depth < Self::HIGH_DEPTH {
            Self::from(key) << 64
        } else {
            self & !Self::from(u64::MAX) | Self::from(key)
        }
    }
    fn line_ranges(_depth: u8) -> usize {
        36
    }
    fn lookup(nodes: &[Node], lines: &[LineV6], addr: Self) -> u32 {
        lookup_v6(&Slices { nodes, lines }, (addr >> 64) as u64, addr as u64)
    }
}
