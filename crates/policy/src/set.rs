//! Named sets of prefixes.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use prefix::{PrefixV4, PrefixV6};

use crate::{cidr::Cidr, source::Span};

/// A named set, sorted and without duplicates. Large ones are shared, not copied.
#[derive(Debug, Clone)]
pub struct Set {
    pub v4: Arc<Vec<PrefixV4>>,
    pub v6: Arc<Vec<PrefixV6>>,
    /// The file whose lines they are; `None`: written in the configuration itself.
    pub file: Option<PathBuf>,
    /// The file is watched, and a change of it is applied.
    pub watch: bool,
    /// The set's name where it is declared.
    pub at: Span,
}

impl Set {
    pub fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether exactly this prefix is an element.
    pub fn contains(&self, prefix: Cidr) -> bool {
        match prefix {
            Cidr::V4(prefix) => self.v4.binary_search(&prefix).is_ok(),
            Cidr::V6(prefix) => self.v6.binary_search(&prefix).is_ok(),
        }
    }

    /// Whether some element covers all of this prefix.
    pub fn covers(&self, prefix: Cidr) -> bool {
        match prefix {
            Cidr::V4(prefix) => (0..=prefix.len()).any(|length| {
                let outer = PrefixV4::truncated(prefix.addr(), length);
                outer.is_some_and(|outer| self.v4.binary_search(&outer).is_ok())
            }),
            Cidr::V6(prefix) => (0..=prefix.len()).any(|length| {
                let outer = PrefixV6::truncated(prefix.addr(), length);
                outer.is_some_and(|outer| self.v6.binary_search(&outer).is_ok())
            }),
        }
    }

    /// The elements that lie in this prefix, itself included.
    pub fn inside(&self, prefix: Cidr) -> Vec<Cidr> {
        // Sorted by address: they stand together, behind those that begin where the prefix does and are shorter.
        let begins = |own: &Cidr| prefix.contains(*own) || own.contains(prefix);
        let within = |own: &Cidr| prefix.contains(*own);
        match prefix {
            Cidr::V4(first) => {
                let at = self.v4.partition_point(|own| own.addr() < first.addr());
                self.v4[at..].iter().map(|own| Cidr::V4(*own)).take_while(begins).filter(within).collect()
            }
            Cidr::V6(first) => {
                let at = self.v6.partition_point(|own| own.addr() < first.addr());
                self.v6[at..].iter().map(|own| Cidr::V6(*own)).take_while(begins).filter(within).collect()
            }
        }
    }

    /// The longest element that covers an address.
    pub fn covering(&self, address: std::net::IpAddr) -> Option<Cidr> {
        match address {
            std::net::IpAddr::V4(address) => (0..=32).rev().find_map(|length| {
                let prefix = PrefixV4::truncated(address.to_bits(), length)?;
                self.v4.binary_search(&prefix).is_ok().then_some(Cidr::V4(prefix))
            }),
            std::net::IpAddr::V6(address) => (0..=128).rev().find_map(|length| {
                let prefix = PrefixV6::truncated(address.to_bits(), length)?;
                self.v6.binary_search(&prefix).is_ok().then_some(Cidr::V6(prefix))
            }),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = Cidr> {
        self.v4.iter().map(|prefix| Cidr::V4(*prefix)).chain(self.v6.iter().map(|prefix| Cidr::V6(*prefix)))
    }
}

/// Sets by name.
pub type Sets = BTreeMap<String, Set>;
