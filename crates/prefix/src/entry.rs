//! The 32-bit entry every table is made of: a caller's value, or where to look next.
//!
//! ```text
//! bit 31  30 29   28..0
//!     0   value, 0 = no prefix covers the address
//!     1   kind    element index
//! ```

/// The largest value a caller may store; the smallest is 1.
pub const VALUE_MAX: u32 = 0x7fff_ffff;

/// Elements one array can have: an index is 29 bits.
#[cfg(not(target_arch = "bpf"))]
pub(crate) const INDEX_LIMIT: u32 = 1 << KIND_SHIFT;

const KIND_SHIFT: u32 = 29;
const INDEX_MASK: u32 = (1 << KIND_SHIFT) - 1;

/// A line compared with the last part of the address: the low 16 bits of IPv4, the low 64 of IPv6.
pub(crate) const LINE: u32 = 0b100;
/// A line compared with the first 64 bits of an IPv6 address.
pub(crate) const HIGH_LINE: u32 = 0b101;
/// A node indexed by the next 8 bits of the address.
pub(crate) const NODE: u32 = 0b110;

/// The top three bits: `LINE`, `HIGH_LINE`, `NODE`, or less than `LINE` for a value.
#[inline(always)]
pub(crate) fn kind(entry: u32) -> u32 {
    entry >> KIND_SHIFT
}

#[inline(always)]
pub(crate) fn index(entry: u32) -> u32 {
    entry & INDEX_MASK
}

#[cfg(not(target_arch = "bpf"))]
pub(crate) fn is_value(entry: u32) -> bool {
    entry <= VALUE_MAX
}

#[cfg(not(target_arch = "bpf"))]
pub(crate) fn pointer(kind: u32, index: u32) -> u32 {
    assert!(index < INDEX_LIMIT);
    kind << KIND_SHIFT | index
}

/// 256 entries, one for each value of the next 8 address bits. One map value: 1 KiB.
///
/// Nodes 0 to 255 of an array are its root: the first address byte chooses the node, the second the entry.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Node(pub(crate) [u32; 256]);

impl Node {
    /// All entries "no prefix", as a new map's memory is.
    pub const EMPTY: Self = Self([0; 256]);

    /// The entry for the low 8 bits of `bits`.
    #[inline(always)]
    pub(crate) fn entry(&self, bits: u64) -> u32 {
        match self.0.get((bits & 0xff) as usize) {
            Some(entry) => *entry,
            None => 0,
        }
    }
}

// SAFETY: 256 u32 without padding.
unsafe impl abi::Shared for Node {}
