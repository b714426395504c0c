//! The two arrays with their free elements. The packet path may be reading them at any time.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::address::Address;
use crate::address::sealed::Line;
use crate::compile::{Exhausted, Sink};
use crate::entry::{HIGH_LINE, INDEX_LIMIT, NODE, Node, index, is_value, kind};
use crate::plan::{ROOT_NODES, Sizes};
use crate::span::Prefix;
use crate::walk::{Reached, Reader};

/// Elements of one array: never used, free, or waiting until no reader can still hold them.
#[derive(Debug)]
struct Pool {
    next: u32,
    len: u32,
    free: Vec<u32>,
    retired: Vec<u32>,
    /// Taken by the change in progress, not yet published.
    taken: Vec<u32>,
}

impl Pool {
    fn new(first: u32, len: usize) -> Self {
        let len = u32::try_from(len).unwrap_or(u32::MAX).min(INDEX_LIMIT);
        Self { next: first, len, free: Vec::new(), retired: Vec::new(), taken: Vec::new() }
    }

    /// All that was not reached is free.
    fn adopted(first: u32, reached: &[bool]) -> Self {
        let mut pool = Self::new(first, reached.len());
        let used = |index: &u32| reached[*index as usize];
        pool.next = (first..pool.len).rev().find(used).map_or(first, |last| last + 1);
        pool.free = (first..pool.next).filter(|index| !used(index)).collect();
        pool
    }

    fn take(&mut self) -> Result<u32, Exhausted> {
        let index = match self.free.pop() {
            Some(index) => index,
            None if self.next < self.len => {
                self.next += 1;
                self.next - 1
            }
            None => return Err(Exhausted),
        };
        self.taken.push(index);
        Ok(index)
    }

    fn used(&self) -> u32 {
        self.next - self.free.len() as u32 - self.retired.len() as u32
    }
}

/// An entry the packet path can reach.
#[derive(Clone, Copy)]
pub(crate) enum Slot {
    Node { index: u32, byte: usize },
    Line { index: u32, position: usize },
}

pub(crate) struct Arrays<N, L> {
    nodes: N,
    lines: L,
    node_pool: Pool,
    line_pool: Pool,
}

impl<N, L> Arrays<N, L> {
    pub(crate) fn new<A: Address>(nodes: N, lines: L) -> Self
    where
        N: AsRef<[Node]>,
        L: AsRef<[A::Line]>,
    {
        let node_pool = Pool::new(ROOT_NODES, nodes.as_ref().len());
        let line_pool = Pool::new(0, lines.as_ref().len());
        Self { nodes, lines, node_pool, line_pool }
    }

    /// Arrays whose free elements are those that were not reached.
    pub(crate) fn adopted(nodes: N, lines: L, reached: &Reached) -> Self {
        let node_pool = Pool::adopted(ROOT_NODES, &reached.nodes);
        let line_pool = Pool::adopted(0, &reached.lines);
        Self { nodes, lines, node_pool, line_pool }
    }

    pub(crate) fn into_storage(self) -> (N, L) {
        (self.nodes, self.lines)
    }

    /// The first node that was never used, those that are free, those that are retired.
    #[cfg(test)]
    pub(crate) fn node_pool(&self) -> (u32, &[u32], &[u32]) {
        (self.node_pool.next, &self.node_pool.free, &self.node_pool.retired)
    }

    /// As `node_pool`, of lines.
    #[cfg(test)]
    pub(crate) fn line_pool(&self) -> (u32, &[u32], &[u32]) {
        (self.line_pool.next, &self.line_pool.free, &self.line_pool.retired)
    }

    pub(crate) fn used(&self) -> Sizes {
        Sizes { nodes: self.node_pool.used(), lines: self.line_pool.used() }
    }

    /// What was taken since the last call is in use from now on.
    pub(crate) fn keep_taken(&mut self) {
        self.node_pool.taken.clear();
        self.line_pool.taken.clear();
    }

    /// What was taken since the last call was never published and is free at once.
    pub(crate) fn give_back_taken(&mut self) {
        for pool in [&mut self.node_pool, &mut self.line_pool] {
            pool.free.append(&mut pool.taken);
        }
    }

    pub(crate) fn reuse_retired(&mut self) {
        for pool in [&mut self.node_pool, &mut self.line_pool] {
            pool.free.append(&mut pool.retired);
        }
    }
}

impl<N: AsRef<[Node]> + AsMut<[Node]>, L> Arrays<N, L> {
    pub(crate) fn nodes(&self) -> &[Node] {
        self.nodes.as_ref()
    }

    pub(crate) fn lines<A: Address>(&self) -> &[A::Line]
    where
        L: AsRef<[A::Line]>,
    {
        self.lines.as_ref()
    }

    /// Follows the high lines below `entry`, which is `chunk`'s, as a reader looking for `addr` would, and returns where
    /// they end: every place in the last line where that entry stands, if a range is `addr`'s /64 alone, and the entry.
    pub(crate) fn find_in_high_lines<A: Address>(
        &self,
        mut entry: u32,
        chunk: Prefix<A>,
        addr: A,
    ) -> (Vec<Slot>, u32)
    where
        L: AsRef<[A::Line]>,
    {
        let key = addr.key(0);
        let mut last = chunk.last().key(0);
        loop {
            let at = index(entry);
            let line = &self.lines::<A>()[at as usize];
            let next = line.find(key);
            if kind(next) == HIGH_LINE {
                let end = (0..).map_while(|at| line.bound(at)).find(|bound| *bound > key);
                // The highest bound is none where what lies below it goes on there: the line is not full.
                let end = end.filter(|bound| *bound != A::Line::UNUSED || line.find(*bound) != next);
                last = end.map_or(last, |bound| last.min(bound - 1));
                entry = next;
                continue;
            }
            let count = |below: &dyn Fn(u64) -> bool| {
                (0..).map_while(|at| line.bound(at)).take_while(|bound| below(*bound)).count()
            };
            let position = count(&|bound| bound <= key);
            // In a line that is not full the last range has several places.
            let positions = if key == A::Line::UNUSED {
                (count(&|bound| bound < key) + 1).min(position)..A::Line::FANOUT
            } else if key == last {
                position..A::Line::FANOUT
            } else {
                position..position + 1
            };
            return (positions.map(|position| Slot::Line { index: at, position }).collect(), next);
        }
    }

    /// What stands at a place.
    pub(crate) fn entry_at<A: Address>(&self, slot: Slot) -> u32
    where
        L: AsRef<[A::Line]>,
    {
        match slot {
            Slot::Node { index, byte } => self.nodes()[index as usize].0[byte],
            Slot::Line { index, position } => self.lines::<A>()[index as usize].entries()[position],
        }
    }

    pub(crate) fn reader<A: Address>(&self) -> Reader<'_, A::Line>
    where
        L: AsRef<[A::Line]>,
    {
        Reader { nodes: self.nodes(), lines: self.lines::<A>() }
    }

    /// Makes `entry`, and everything written for it before, visible to readers in one store.
    pub(crate) fn publish<A: Address>(&mut self, slot: Slot, entry: u32)
    where
        L: AsMut<[A::Line]>,
    {
        let place = match slot {
            Slot::Node { index, byte } => &mut self.nodes.as_mut()[index as usize].0[byte],
            Slot::Line { index, position } => {
                &mut self.lines.as_mut()[index as usize].entries_mut()[position]
            }
        };
        // SAFETY: `place` is an aligned, live u32 that only this host thread accesses (it is borrowed mutably);
        // the packet path only loads it.
        unsafe { AtomicU32::from_ptr(place) }.store(entry, Ordering::Release);
    }

    /// Notes everything below `entry` but `kept`, which readers may still be walking, for reuse after the grace
    /// period.
    pub(crate) fn retire<A: Address>(&mut self, entry: u32, kept: &[u32])
    where
        L: AsRef<[A::Line]>,
    {
        if is_value(entry) || kept.contains(&entry) {
            return;
        }
        let at = index(entry);
        let children: Vec<u32> = if kind(entry) == NODE {
            self.node_pool.retired.push(at);
            self.nodes.as_ref()[at as usize].0.to_vec()
        } else {
            self.line_pool.retired.push(at);
            self.lines.as_ref()[at as usize].entries().to_vec()
        };
        let mut before = 0;
        for child in children {
            // A line that is not full repeats its last entry; no other pointer is there twice.
            if child != before {
                self.retire::<A>(child, kept);
            }
            before = child;
        }
    }
}

impl<A, N, L> Sink<A> for Arrays<N, L>
where
    A: Address,
    N: AsMut<[Node]>,
    L: AsMut<[A::Line]>,
{
    fn new_node(&mut self) -> Result<u32, Exhausted> {
        self.node_pool.take()
    }

    fn fill(&mut self, node: u32, bytes: Range<usize>, entry: u32) {
        self.nodes.as_mut()[node as usize].0[bytes].fill(entry);
    }

    fn new_line(&mut self, line: A::Line) -> Result<u32, Exhausted> {
        let index = self.line_pool.take()?;
        self.lines.as_mut()[index as usize] = line;
        Ok(index)
    }
}
