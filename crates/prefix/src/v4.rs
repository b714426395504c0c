//! IPv4 lookup: root, at most two nodes, at most two lines.

use crate::entry::{LINE, NODE, Node, index, kind};

/// Up to eleven neighbouring address ranges inside one /16, in one cache line. One map value: 64 bytes.
///
/// Range `i` begins at `bounds[i - 1]` and ends before `bounds[i]`, both the low 16 bits of an address.
/// Unused bounds are 0xffff and unused entries repeat the last one, so that 255.255 finds it too.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
pub struct LineV4 {
    pub(crate) bounds: [u16; 10],
    pub(crate) entries: [u32; 11],
}

// SAFETY: integers that fill the 64 bytes, as the assertion says.
unsafe impl abi::Shared for LineV4 {}

const _: () = assert!(size_of::<LineV4>() == 10 * 2 + 11 * 4);

impl LineV4 {
    /// All zero, as a new map's memory is.
    pub const EMPTY: Self = Self { bounds: [0; 10], entries: [0; 11] };

    /// The entry of the range that holds `key`, without a branch: on random packets each comparison would be
    /// mispredicted every other time.
    #[inline(always)]
    pub(crate) fn find(&self, key: u64) -> u32 {
        let mut position = 0u64;
        for bound in &self.bounds {
            // 1 when bound <= key: both are 16 bits, so bit 16 survives unless the subtraction borrows.
            position += (key + 0x1_0000 - u64::from(*bound)) >> 16;
        }
        match self.entries.get(position as usize) {
            Some(entry) => *entry,
            None => 0,
        }
    }
}

/// The IPv4 world a lookup sees: two arrays. `None` for an index past the end.
pub trait TablesV4 {
    fn node(&self, index: u32) -> Option<&Node>;
    fn line(&self, index: u32) -> Option<&LineV4>;
}

/// The value of the longest prefix that covers `addr` (host byte order), 0 when none does.
#[inline(always)]
pub fn lookup_v4(tables: &impl TablesV4, addr: u32) -> u32 {
    let addr = u64::from(addr);
    let Some(root) = tables.node((addr >> 24) as u32) else { return 0 };
    let mut entry = root.entry(addr >> 16);
    if kind(entry) == NODE {
        let Some(node) = tables.node(index(entry)) else { return 0 };
        entry = node.entry(addr >> 8);
        if kind(entry) == NODE {
            let Some(node) = tables.node(index(entry)) else { return 0 };
            return node.entry(addr);
        }
    }
    if kind(entry) == LINE {
        let Some(line) = tables.line(index(entry)) else { return 0 };
        entry = line.find(addr & 0xffff);
        if kind(entry) == LINE {
            let Some(line) = tables.line(index(entry)) else { return 0 };
            entry = line.find(addr & 0xffff);
        }
    }
    entry
}
