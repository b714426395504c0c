//! A rule after it was read: an action, and what a packet must be for it to apply.

use std::ops::RangeInclusive;

use policy::{Item, Span, Written};

/// One rule. The first one in the list whose matches all hold decides, unless its action lets the packet go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub action: Action,
    /// `log`, before or instead of another action: one packet in so many is told of.
    pub log: Option<u32>,
    /// All of them must hold; none: every packet.
    pub matches: Vec<Match>,
    /// As it is written, with single spaces: the name of its counter.
    pub text: String,
    pub at: Span,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Accept,
    Drop,
    /// A TCP reset, or ICMP's unreachable, back to the sender.
    Reject,
    /// Counts under a name; the packet goes on to the next rule.
    Count(String),
    /// Only [`Rule::log`]; the packet goes on to the next rule.
    Log,
    /// Marks the packet for the kernel; it goes on to the next rule.
    Mark(u32),
    Redirect(Written),
    /// What exceeds it is dropped; the rest goes on to the next rule.
    Limit(Limit),
}

/// A token bucket for each value of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Packets in `per_milliseconds`.
    pub packets: u32,
    /// 1000 for `/s`, 60 000 for `/m`, 3 600 000 for `/h`.
    pub per_milliseconds: u32,
    /// Packets at once; the reader's default is one second's worth, at least 1.
    pub burst: u32,
    pub key: LimitKey,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitKey {
    /// One bucket for the rule.
    Rule,
    /// Leading bits of the source address that share a bucket, of IPv4 and of IPv6.
    Source {
        v4: u8,
        v6: u8,
    },
    Destination {
        v4: u8,
        v6: u8,
    },
}

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    pub field: Field,
    /// `not`: none of the values. A packet without the field never matches, negated or not.
    pub negated: bool,
    pub values: Values,
    pub at: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// `from`
    Source,
    /// `to`
    Destination,
    /// `tcp`, `udp`, `icmp`, `protocol {6, gre}`: the upper-layer protocol. `icmp` is IPv4's and `icmpv6` is IPv6's.
    Protocol,
    /// `ip`, `ipv6`: 4 or 6.
    Version,
    /// `sport`
    SourcePort,
    /// `port`, `dport`
    DestinationPort,
    /// `flags`, of TCP
    TcpFlags,
    /// `type`, of ICMP and ICMPv6
    IcmpType,
    /// `code`
    IcmpCode,
    /// `length`: bytes of the IP packet, header included.
    Length,
    /// `ttl`, `hop limit`
    Ttl,
    /// `dscp`: the upper six bits of the traffic class.
    Dscp,
    /// `fragment first`, `fragment later`; without a word, both.
    Fragment,
    /// `vlan`: the id of the outermost tag.
    Vlan,
    /// `smac`, `dmac`
    SourceMac,
    DestinationMac,
    /// `options`: the IPv4 header has options, or IPv6 has extension headers other than fragment.
    Options,
    /// `ethertype`: behind VLAN tags
    Ethertype,
    /// `on`
    Interface,
    /// `established`: a reply to what this host, or the network behind it, sent.
    Established,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Values {
    /// Of the fields that are numbers; sorted, without overlaps. `fragment`: 1 is a first fragment, 2 a later one.
    Ranges(Vec<RangeInclusive<u32>>),
    /// Prefixes and sets, of `from` and `to`.
    Prefixes(Vec<Item>),
    /// Alternatives: `flags syn/syn,ack` is that of the bits `mask` exactly those of `value` are set.
    Flags(Vec<Flags>),
    Macs(Vec<[u8; 6]>),
    Interfaces(Vec<Written>),
    /// `options`, `established`: there is nothing to compare.
    Present,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flags {
    pub mask: u8,
    pub value: u8,
}
