//! IPv6 lookup: the two halves of the address one after the other, nodes first, then lines.

use crate::entry::{HIGH_LINE, LINE, NODE, Node, index, kind};

/// Up to six neighbouring ranges of 64-bit address halves, in one cache line. One map value: 64 bytes.
///
/// Range `i` begins at `bounds[i - 1]` and ends before `bounds[i]`. Unused bounds are all ones and unused
/// entries repeat the last one, so that the key of all ones finds it too.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
pub struct LineV6 {
    pub(crate) bounds: [u64; 5],
    pub(crate) entries: [u32; 6],
}

/// Levels of lines below one entry: 6 x 6 x 6 ranges at most.
pub(crate) const LINE_LEVELS: u32 = 3;

// SAFETY: integers that fill the 64 bytes, as the assertion says.
unsafe impl abi::Shared for LineV6 {}

const _: () = assert!(size_of::<LineV6>() == 5 * 8 + 6 * 4);

impl LineV6 {
    /// All zero, as a new map's memory is.
    pub const EMPTY: Self = Self { bounds: [0; 5], entries: [0; 6] };

    /// The entry of the range that holds `key`, without a branch: on random packets each comparison would be
    /// mispredicted every other time.
    #[inline(always)]
    pub(crate) fn find(&self, key: u64) -> u32 {
        let mut position = 0u64;
        for bound in &self.bounds {
            position += 1 - borrow(key, *bound);
        }
        match self.entries.get(position as usize) {
            Some(entry) => *entry,
            None => 0,
        }
    }
}

/// 1 when `a < b`, else 0: the borrow of `a - b`, from the top bits of the operands and the difference.
#[inline(always)]
fn borrow(a: u64, b: u64) -> u64 {
    ((!a & b) | ((!a | b) & a.wrapping_sub(b))) >> 63
}

/// The IPv6 world a lookup sees: two arrays. `None` for an index past the end.
pub trait TablesV6 {
    fn node(&self, index: u32) -> Option<&Node>;
    fn line(&self, index: u32) -> Option<&LineV6>;
}

/// The value of the longest prefix that covers the address, 0 when none does.
///
/// `high` and `low` are the address halves in host byte order: `2001:db8::1` is `(0x2001_0db8_0000_0000, 1)`.
#[inline(always)]
pub fn lookup_v6(tables: &impl TablesV6, high: u64, low: u64) -> u32 {
    let Some(root) = tables.node((high >> 56) as u32) else { return 0 };
    let mut entry = root.entry(high >> 48);
    // Bits 16 to 63: six nodes at most.
    let mut rest = high << 16;
    for _ in 0..6 {
        if kind(entry) != NODE {
            break;
        }
        let Some(node) = tables.node(index(entry)) else { return 0 };
        entry = node.entry(rest >> 56);
        rest <<= 8;
    }
    for _ in 0..LINE_LEVELS {
        if kind(entry) != HIGH_LINE {
            break;
        }
        let Some(line) = tables.line(index(entry)) else { return 0 };
        entry = line.find(high);
    }
    // Whatever pointer is left now belongs to a single /64. Bits 64 to 127: eight nodes at most.
    rest = low;
    for _ in 0..8 {
        if kind(entry) != NODE {
            break;
        }
        let Some(node) = tables.node(index(entry)) else { return 0 };
        entry = node.entry(rest >> 56);
        rest <<= 8;
    }
    for _ in 0..LINE_LEVELS {
        if kind(entry) != LINE {
            break;
        }
        let Some(line) = tables.line(index(entry)) else { return 0 };
        entry = line.find(low);
    }
    entry
}
