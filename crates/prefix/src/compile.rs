//! From address ranges to nodes and lines: the shape of the table is decided here and nowhere else.

use std::ops::Range;

use crate::address::Address;
use crate::address::sealed::{Line, Piece};
use crate::entry::{NODE, pointer};
use crate::interval::Interval;
use crate::span::Prefix;

/// An array has no free element left.
#[derive(Debug)]
pub(crate) struct Exhausted;

/// Where compiled elements go: the arrays, or a counter.
pub(crate) trait Sink<A: Address> {
    /// A fresh node; its entries are all set before it is used.
    fn new_node(&mut self) -> Result<u32, Exhausted>;
    fn fill(&mut self, node: u32, bytes: Range<usize>, entry: u32);
    fn new_line(&mut self, line: A::Line) -> Result<u32, Exhausted>;
    /// A pointer to `unit`, already compiled and still right, to be used again.
    fn existing(&mut self, _unit: Prefix<A>) -> Option<u32> {
        None
    }
}

/// A range as lines see it: a value, or a unit of the key (a /64) that is divided further.
enum Part<'a, A> {
    Value(u32),
    Divided(Prefix<A>, &'a [Interval<A>]),
}

/// Compiles `chunk` and returns the entry for it. `intervals` are the ones that touch the chunk; the first may
/// begin before it.
pub(crate) fn compile<A: Address>(
    sink: &mut impl Sink<A>,
    chunk: Prefix<A>,
    intervals: &[Interval<A>],
) -> Result<u32, Exhausted> {
    if let [only] = intervals {
        return Ok(only.value);
    }
    match parts(chunk, intervals) {
        Some(parts) => {
            let mut pieces = Vec::with_capacity(parts.len());
            for (bound, part) in parts {
                let entry = match part {
                    Part::Value(value) => value,
                    Part::Divided(unit, intervals) => match sink.existing(unit) {
                        Some(entry) => entry,
                        None => compile(sink, unit, intervals)?,
                    },
                };
                pieces.push(Piece { bound, entry });
            }
            lines(sink, A::line_kind(chunk.len()), &pieces)
        }
        None => node(sink, chunk, intervals),
    }
}

/// One entry for each value of the next 8 bits.
fn node<A: Address>(
    sink: &mut impl Sink<A>,
    chunk: Prefix<A>,
    intervals: &[Interval<A>],
) -> Result<u32, Exhausted> {
    let index = sink.new_node()?;
    let mut byte = 0;
    let mut here = 0;
    while byte < 256 {
        let next = intervals.get(here + 1);
        let until = next.map_or(256, |next| next.start.byte(chunk.len()));
        if byte < until {
            sink.fill(index, byte..until, intervals[here].value);
            byte = until;
            continue;
        }
        // A boundary lies in this child: at its start, or further in.
        let child = child(chunk, byte);
        if next.is_some_and(|next| next.start == child.addr()) {
            here += 1;
        }
        let inside = intervals[here + 1..].iter().take_while(|next| next.start <= child.last()).count();
        if inside > 0 {
            let entry = compile(sink, child, &intervals[here..=here + inside])?;
            sink.fill(index, byte..byte + 1, entry);
            here += inside;
            byte += 1;
        }
    }
    Ok(pointer(NODE, index))
}

/// Chunk number `byte` of the 256 in `chunk`.
pub(crate) fn child<A: Address>(chunk: Prefix<A>, byte: usize) -> Prefix<A> {
    Prefix::sort_key(chunk.addr().child(chunk.len(), byte), chunk.len() + 8)
}

/// A tree of lines over `pieces`, as flat and as even as the fan-out allows.
fn lines<A: Address>(sink: &mut impl Sink<A>, kind: u32, pieces: &[Piece]) -> Result<u32, Exhausted> {
    let fanout = A::Line::FANOUT;
    if let [only] = pieces {
        return Ok(only.entry);
    }
    if pieces.len() <= fanout {
        return Ok(pointer(kind, sink.new_line(A::Line::new(pieces))?));
    }
    let mut below = fanout;
    while below * fanout < pieces.len() {
        below *= fanout;
    }
    let groups = pieces.len().div_ceil(below);
    let mut children = Vec::with_capacity(groups);
    for group in 0..groups {
        let range = pieces.len() * group / groups..pieces.len() * (group + 1) / groups;
        let group = &pieces[range];
        children.push(Piece { bound: group[0].bound, entry: lines::<A>(sink, kind, group)? });
    }
    Ok(pointer(kind, sink.new_line(A::Line::new(&children))?))
}

/// How many ranges of this chunk lines may hold. More than usual where a node would only lead to a single crowded
/// child: one prefix list in one corner would otherwise cost a node of 1 KiB for each 8 bits on the way there.
fn line_ranges<A: Address>(chunk: Prefix<A>, intervals: &[Interval<A>]) -> usize {
    let usual = A::line_ranges(chunk.len());
    let boundaries = &intervals[1..];
    if boundaries.len() < usual {
        return usual;
    }
    let byte = |interval: &Interval<A>| interval.start.byte(chunk.len());
    let crowd = boundaries.chunk_by(|a, b| byte(a) == byte(b)).map(<[_]>::len).max();
    if crowd.is_some_and(|crowd| crowd > boundaries.len() / 2) { A::LINE_RANGES_MAX } else { usual }
}

/// The chunk as ranges of the keys its lines compare; `None` when there are more than lines should hold.
///
/// A unit is what one key covers: a /64 above IPv6 bit 64, else a single address. A boundary inside a unit makes
/// the unit a range of its own.
fn parts<A: Address>(chunk: Prefix<A>, intervals: &[Interval<A>]) -> Option<Vec<(u64, Part<'_, A>)>> {
    let depth = chunk.len();
    let ranges = line_ranges(chunk, intervals);
    let unit_len = if depth < A::HIGH_DEPTH { A::HIGH_DEPTH } else { A::WIDTH };
    if unit_len == A::WIDTH && intervals.len() > ranges {
        return None;
    }
    let mut out = Vec::with_capacity(intervals.len().min(ranges));
    let mut at = chunk.addr();
    let mut here = 0;
    loop {
        if out.len() >= ranges {
            return None;
        }
        let Some(next) = intervals.get(here + 1) else {
            out.push((at.key(depth), Part::Value(intervals[here].value)));
            return Some(out);
        };
        let unit = Prefix::sort_key(next.start.first(unit_len), unit_len);
        if at < unit.addr() {
            out.push((at.key(depth), Part::Value(intervals[here].value)));
            at = unit.addr();
            if at == next.start {
                here += 1;
            }
            continue;
        }
        // The boundary lies inside the unit that begins here.
        let inside = intervals[here + 1..].partition_point(|next| next.start <= unit.last());
        out.push((at.key(depth), Part::Divided(unit, &intervals[here..=here + inside])));
        here += inside;
        if unit.last() == chunk.last() {
            return Some(out);
        }
        at = unit.last().next();
        if intervals.get(here + 1).is_some_and(|next| next.start == at) {
            here += 1;
        }
    }
}
