//! The kinds of packets, and where their trees begin.

/// Which packets a list is for: each kind has trees of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    V4,
    V6,
    /// What is not IP.
    Other,
}

/// Trees of a kind of which the first match counts, at most.
pub const MOST_TREES: u32 = 3;
/// And the tree of which every match counts.
pub const EACH: u32 = MOST_TREES;
pub(crate) const ROOTS: u32 = MOST_TREES + 1;

impl Kind {
    pub const ALL: [Self; 3] = [Self::V4, Self::V6, Self::Other];

    /// The number of the kind of packets with this IP version; 0: not IP.
    #[inline(always)]
    pub const fn of(version: u8) -> u32 {
        match version {
            4 => Self::V4 as u32,
            6 => Self::V6 as u32,
            _ => Self::Other as u32,
        }
    }

    /// The slot that is the root of the kind's tree of this number.
    pub const fn root(self, tree: u32) -> u32 {
        root(self as u32, tree)
    }

    pub const fn root_of_each(self) -> u32 {
        self.root(EACH)
    }
}

/// The root of a tree of the kind with this number.
#[inline(always)]
pub const fn root(kind: u32, tree: u32) -> u32 {
    kind * ROOTS + tree
}

/// Roots that there are, with room to spare up to a power of two.
pub const ALL_ROOTS: u32 = 16;

const _: () = assert!(ROOTS * Kind::ALL.len() as u32 <= ALL_ROOTS);
