//! Prefixes: an address without host bits and a length.

use crate::address::Address;

/// An address prefix, `A` = `u32` for IPv4 and `u128` for IPv6, in host byte order.
///
/// Never has host bits set. Sorts by address, then by length: a prefix comes before everything inside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix<A> {
    addr: A,
    len: u8,
}

pub type PrefixV4 = Prefix<u32>;
pub type PrefixV6 = Prefix<u128>;

impl<A: Address> Prefix<A> {
    /// `None` when `len` is longer than an address or `addr` has bits set beyond `len`.
    pub fn new(addr: A, len: u8) -> Option<Self> {
        Self::truncated(addr, len).filter(|prefix| prefix.addr == addr)
    }

    /// The prefix of length `len` that holds `addr`; `None` when `len` is longer than an address.
    pub fn truncated(addr: A, len: u8) -> Option<Self> {
        (len <= A::WIDTH).then(|| Self { addr: addr.first(len), len })
    }

    /// The first address, which is also how the prefix is written.
    pub fn addr(self) -> A {
        self.addr
    }

    #[allow(clippy::len_without_is_empty, reason = "a prefix length is not a count of elements")]
    pub fn len(self) -> u8 {
        self.len
    }

    /// The last address.
    pub fn last(self) -> A {
        self.addr.last(self.len)
    }

    pub fn contains(self, addr: A) -> bool {
        addr.first(self.len) == self.addr
    }

    /// A key for ranges of sorted prefixes; `len` may be anything.
    pub(crate) fn sort_key(addr: A, len: u8) -> Self {
        Self { addr, len }
    }
}
