//! Reading a table back: which elements can be reached, and what every address is answered.

use crate::address::Address;
use crate::address::sealed::Line;
use crate::compile::child;
use crate::entry::{HIGH_LINE, LINE, NODE, Node, index, is_value, kind};
use crate::interval::{Interval, emit};
use crate::plan::ROOT_NODES;
use crate::span::Prefix;

/// The arrays hold something that no table does.
#[derive(Debug)]
pub(crate) struct Foreign;

/// Elements below one entry of the root on the longest way that a lookup takes, that of IPv6: 6 nodes, 3 lines, 8 nodes,
/// 3 lines.
const DEEPEST: u32 = 20;

/// Elements that were reached, by index.
pub(crate) struct Reached {
    pub nodes: Vec<bool>,
    pub lines: Vec<bool>,
}

/// Arrays to read.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a, L> {
    pub nodes: &'a [Node],
    pub lines: &'a [L],
}

/// What a lookup in one line, or in a tree of lines, can be for.
#[derive(Clone, Copy)]
struct Keys {
    first: u64,
    last: u64,
    /// Lines on the way that a lookup still reads, this one included.
    levels: u32,
}

impl<'a, L: Line> Reader<'a, L> {
    fn node(self, entry: u32) -> Result<&'a Node, Foreign> {
        let at = index(entry);
        if at < ROOT_NODES { Err(Foreign) } else { self.nodes.get(at as usize).ok_or(Foreign) }
    }

    fn line(self, entry: u32) -> Result<&'a L, Foreign> {
        self.lines.get(index(entry) as usize).ok_or(Foreign)
    }

    /// Every element that the root leads to, those in the unused end of a line included.
    pub(crate) fn reached(self) -> Result<Reached, Foreign> {
        let mut reached =
            Reached { nodes: vec![false; self.nodes.len()], lines: vec![false; self.lines.len()] };
        for root in &self.nodes[..ROOT_NODES as usize] {
            self.reach(&root.0, DEEPEST, &mut reached)?;
        }
        Ok(reached)
    }

    fn reach(self, entries: &[u32], levels: u32, reached: &mut Reached) -> Result<(), Foreign> {
        let mut before = 0;
        for entry in entries.iter().copied() {
            if is_value(entry) || entry == before {
                continue;
            }
            before = entry;
            if levels == 0 {
                return Err(Foreign);
            }
            let at = index(entry) as usize;
            // A change that was broken off may have left two ways to one element.
            match kind(entry) {
                NODE => {
                    let node = self.node(entry)?;
                    if !std::mem::replace(&mut reached.nodes[at], true) {
                        self.reach(&node.0, levels - 1, reached)?;
                    }
                }
                LINE | HIGH_LINE => {
                    let line = self.line(entry)?;
                    if !std::mem::replace(&mut reached.lines[at], true) {
                        self.reach(line.entries(), levels - 1, reached)?;
                    }
                }
                _ => return Err(Foreign),
            }
        }
        Ok(())
    }

    /// Appends what lookups in a chunk with this entry are answered, as neighbouring ranges that differ.
    pub(crate) fn answers<A: Address<Line = L>>(
        self,
        entry: u32,
        chunk: Prefix<A>,
        out: &mut Vec<Interval<A>>,
    ) -> Result<(), Foreign> {
        if is_value(entry) {
            emit(out, chunk.addr(), entry);
            return Ok(());
        }
        let depth = chunk.len();
        if depth >= A::WIDTH {
            return Err(Foreign);
        }
        if kind(entry) == NODE {
            let mut before = entry;
            for (byte, entry) in self.node(entry)?.0.iter().enumerate() {
                // Most of a node is runs of one value.
                if *entry != before || !is_value(before) {
                    self.answers(*entry, child(chunk, byte), out)?;
                }
                before = *entry;
            }
            return Ok(());
        }
        if kind(entry) != A::line_kind(depth) {
            return Err(Foreign);
        }
        let keys =
            Keys { first: chunk.addr().key(depth), last: chunk.last().key(depth), levels: A::LINE_LEVELS };
        self.line_answers(entry, chunk, keys, out)
    }

    fn line_answers<A: Address<Line = L>>(
        self,
        entry: u32,
        chunk: Prefix<A>,
        keys: Keys,
        out: &mut Vec<Interval<A>>,
    ) -> Result<(), Foreign> {
        let line = self.line(entry)?;
        let entries = line.entries();
        let mut first = keys.first;
        let mut position = 0;
        loop {
            while line.bound(position).is_some_and(|bound| bound <= first) {
                position += 1;
            }
            let below = entries[position];
            let last = line.bound(position).map_or(keys.last, |bound| keys.last.min(bound - 1));
            let start = A::with_key(chunk.addr(), chunk.len(), first);
            if is_value(below) {
                emit(out, start, below);
            } else if kind(below) == kind(entry) {
                if keys.levels == 1 {
                    return Err(Foreign);
                }
                self.line_answers(below, chunk, Keys { first, last, levels: keys.levels - 1 }, out)?;
            } else if kind(entry) == HIGH_LINE && first == last {
                self.answers(below, Prefix::sort_key(start, A::HIGH_DEPTH), out)?;
            } else {
                return Err(Foreign);
            }
            if last == keys.last {
                // The unused end repeats what is in front of it, and its bounds are beyond all keys, or the line is none.
                let unused = (position..).map_while(|at| line.bound(at)).all(|bound| bound == L::UNUSED);
                let repeats = entries[position..].iter().all(|entry| *entry == below);
                return if unused && repeats { Ok(()) } else { Err(Foreign) };
            }
            first = last + 1;
        }
    }
}
