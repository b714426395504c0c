//! Nested prefixes flattened into neighbouring address ranges.

use crate::address::Address;
use crate::span::Prefix;

/// From `start` up to the next interval's start (or the end of the chunk) the answer is `value`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interval<A> {
    pub start: A,
    pub value: u32,
}

/// Appends a boundary, keeping neighbours different.
pub(crate) fn emit<A: Address>(out: &mut Vec<Interval<A>>, start: A, value: u32) {
    if out.last().is_some_and(|last| last.start == start) {
        out.pop();
    }
    if out.last().is_none_or(|last| last.value != value) {
        out.push(Interval { start, value });
    }
}

/// Fills `out` with the answers inside `chunk`: `cover` is the answer where none of `inner` matches, `inner` the
/// sorted prefixes longer than the chunk's.
pub(crate) fn flatten<A: Address>(
    out: &mut Vec<Interval<A>>,
    chunk: Prefix<A>,
    cover: u32,
    inner: impl Iterator<Item = (Prefix<A>, u32)>,
) {
    out.clear();
    emit(out, chunk.addr(), cover);
    // The open prefixes around the current position, outermost first, with the answer outside each.
    let mut open: Vec<(A, u32)> = Vec::new();
    let mut current = cover;
    let end = chunk.last();
    for (prefix, value) in inner {
        while let Some((last, outside)) = open.pop_if(|(last, _)| *last < prefix.addr()) {
            emit(out, last.next(), outside);
            current = outside;
        }
        open.push((prefix.last(), current));
        emit(out, prefix.addr(), value);
        current = value;
    }
    while let Some((last, outside)) = open.pop() {
        if last < end {
            emit(out, last.next(), outside);
        }
    }
}
