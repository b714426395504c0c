//! Random lists for the firewall, in the words of its command line, and frames whose sources lie in and around them.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::Range,
};

use proptest::{collection::vec, prelude::*, sample::Index};
use serde::Deserialize;

use crate::{
    frames::{self, Extension, Ipv4, Ipv6},
    random::{ADDRESSES_V4, ADDRESSES_V6},
};

/// What is dropped and what is let through: each prefix as `address/length`, and in one list only.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Lists {
    pub drop: Vec<String>,
    pub allow: Vec<String>,
    /// Live blocks; each may stand in a list, too.
    pub block: Vec<String>,
    pub switches: Switches,
}

/// What the firewall's read-only globals say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Switches {
    /// The lists are looked up.
    pub lists: bool,
    /// Blocks are looked up.
    pub blocks: bool,
    /// What no prefix covers is dropped.
    pub default_drop: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self { lists: true, blocks: true, default_drop: false }
    }
}

impl Switches {
    pub fn all() -> impl Iterator<Item = Self> {
        (0..8).map(|bits| Self { lists: bits & 1 != 0, blocks: bits & 2 != 0, default_drop: bits & 4 != 0 })
    }
}

/// A prefix without host bits.
pub type Prefix = (IpAddr, u8);

/// As `senko firewall` takes it.
pub fn text((address, length): Prefix) -> String {
    format!("{address}/{length}")
}

/// Prefixes around the addresses of [`crate::random`]'s frames: nested, side by side, anywhere, and of the lengths at
/// both ends.
pub fn prefix() -> BoxedStrategy<Prefix> {
    let known_v4 = prop::sample::select(&ADDRESSES_V4[..]).prop_map(Ipv4Addr::to_bits);
    let beside_v4 =
        (prop::sample::select(&ADDRESSES_V4[..]), 0..32_u32).prop_map(|(a, n)| a.to_bits() ^ (1 << n));
    let v4 = prop_oneof![3 => known_v4, 3 => beside_v4, 1 => any::<u32>()];
    let length_v4 = prop_oneof![4 => 0..=32_u8, 2 => Just(32), 1 => Just(0), 2 => 16..=24_u8];
    let v4 = (v4, length_v4).prop_map(|(bits, length)| {
        let host = u32::MAX.checked_shr(length.into()).unwrap_or(0);
        (Ipv4Addr::from_bits(bits & !host).into(), length)
    });
    let known_v6 = prop::sample::select(&ADDRESSES_V6[..]).prop_map(Ipv6Addr::to_bits);
    let beside_v6 =
        (prop::sample::select(&ADDRESSES_V6[..]), 0..128_u32).prop_map(|(a, n)| a.to_bits() ^ (1 << n));
    let v6 = prop_oneof![3 => known_v6, 3 => beside_v6, 1 => any::<u128>()];
    let length_v6 = prop_oneof![4 => 0..=128_u8, 2 => Just(128), 1 => Just(0), 1 => 60..=68_u8];
    let v6 = (v6, length_v6).prop_map(|(bits, length)| {
        let host = u128::MAX.checked_shr(length.into()).unwrap_or(0);
        (Ipv6Addr::from_bits(bits & !host).into(), length)
    });
    prop_oneof![v4, v6].boxed()
}

/// Prefixes, each once, with whether it is allowed.
pub fn rules(size: Range<usize>) -> BoxedStrategy<Vec<(Prefix, bool)>> {
    vec((prefix(), any::<bool>()), size)
        .prop_map(|rules| {
            let mut seen = BTreeSet::new();
            rules.into_iter().filter(|(prefix, _)| seen.insert(*prefix)).collect()
        })
        .boxed()
}

/// Prefixes to block, each once.
pub fn blocks(size: Range<usize>) -> BoxedStrategy<Vec<Prefix>> {
    rules(size).prop_map(|rules| rules.into_iter().map(|(prefix, _)| prefix).collect()).boxed()
}

/// Any position of the switches.
pub fn switches() -> BoxedStrategy<Switches> {
    prop::sample::select(Switches::all().collect::<Vec<_>>()).boxed()
}

impl Lists {
    pub fn new(rules: &[(Prefix, bool)]) -> Self {
        let of =
            |allowed| rules.iter().filter(move |rule| rule.1 == allowed).map(|rule| text(rule.0)).collect();
        Self { drop: of(false), allow: of(true), ..Self::default() }
    }

    /// With these blocks and switches.
    pub fn with(self, blocks: &[Prefix], switches: Switches) -> Self {
        Self { block: blocks.iter().map(|prefix| text(*prefix)).collect(), switches, ..self }
    }
}

/// An address at an edge of a prefix, just inside or just outside.
#[derive(Debug, Clone, Copy)]
enum Edge {
    BeforeFirst,
    First,
    Last,
    AfterLast,
}

impl Edge {
    fn of(self, (address, length): Prefix) -> IpAddr {
        match address {
            IpAddr::V4(v4) => {
                let first = v4.to_bits();
                let last = first | u32::MAX.checked_shr(length.into()).unwrap_or(0);
                Ipv4Addr::from_bits(match self {
                    Self::BeforeFirst => first.wrapping_sub(1),
                    Self::First => first,
                    Self::Last => last,
                    Self::AfterLast => last.wrapping_add(1),
                })
                .into()
            }
            IpAddr::V6(v6) => {
                let first = v6.to_bits();
                let last = first | u128::MAX.checked_shr(length.into()).unwrap_or(0);
                Ipv6Addr::from_bits(match self {
                    Self::BeforeFirst => first.wrapping_sub(1),
                    Self::First => first,
                    Self::Last => last,
                    Self::AfterLast => last.wrapping_add(1),
                })
                .into()
            }
        }
    }
}

/// A UDP datagram from `source` behind `tags` VLAN tags, whole or a later fragment.
pub fn datagram(source: IpAddr, tags: usize, fragment: bool) -> Vec<u8> {
    let tags = &[(0x88a8, 7), (0x8100, 5)][2 - tags.min(2)..];
    let udp = frames::udp(4000, 53, b"data");
    match source {
        IpAddr::V4(source) => {
            let (destination, fragment) = (ADDRESSES_V4[0], if fragment { 0x2001 } else { 0 });
            let ip = Ipv4 { source, destination, protocol: 17, ttl: 64, fragment, options: Vec::new() };
            frames::ethernet(tags, frames::IPV4, &frames::ipv4(&ip, &udp))
        }
        IpAddr::V6(source) => {
            let extensions = if fragment { vec![Extension::Fragment(8)] } else { Vec::new() };
            let ip = Ipv6 { source, destination: ADDRESSES_V6[0], protocol: 17, hop_limit: 64, extensions };
            frames::ethernet(tags, frames::IPV6, &frames::ipv6(&ip, &udp))
        }
    }
}

/// A frame that knows its list only when both are there.
#[derive(Debug, Clone)]
pub struct Aimed(Result<Vec<u8>, (Index, Edge, usize, bool)>);

impl Aimed {
    /// The frame, for rules of which some may be gone by now.
    pub fn frame(&self, rules: &[(Prefix, bool)]) -> Vec<u8> {
        match &self.0 {
            Ok(frame) => frame.clone(),
            Err((at, edge, tags, fragment)) => {
                let source = if rules.is_empty() { ADDRESSES_V4[0].into() } else { edge.of(at.get(rules).0) };
                datagram(source, *tags, *fragment)
            }
        }
    }
}

/// Half of the frames come from an edge of some prefix, the others are `frame`'s.
pub fn aimed(frame: BoxedStrategy<Vec<u8>>) -> BoxedStrategy<Aimed> {
    let edge = prop::sample::select(vec![Edge::BeforeFirst, Edge::First, Edge::Last, Edge::AfterLast]);
    let shape = (any::<Index>(), edge, 0..3_usize, any::<bool>());
    prop_oneof![frame.prop_map(|frame| Aimed(Ok(frame))), shape.prop_map(|shape| Aimed(Err(shape)))].boxed()
}
