//! The words of the language, and what people say instead.

use policy::words::nearest;

use crate::rule::{ast::Field, names};

/// What a word begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keyword {
    Action,
    /// A condition whose values follow.
    Values(Field),
    /// A condition that is complete: `tcp`, `ip`, with its number.
    Number(Field, u32),
    /// A condition that has nothing to compare.
    Present(Field),
    /// `fragment`, `fragment first`, `fragment later`.
    Fragment,
    /// `hop limit`.
    Hop,
    Not,
    /// `burst` and `per`, of `limit`.
    OfLimit,
}

pub const ACTIONS: [&str; 8] = ["accept", "drop", "reject", "limit", "count", "log", "mark", "redirect"];

/// Words that a condition may begin with.
pub const CONDITIONS: &[&str] = &[
    "from",
    "to",
    "protocol",
    "port",
    "dport",
    "sport",
    "flags",
    "type",
    "code",
    "length",
    "ttl",
    "hop limit",
    "dscp",
    "fragment",
    "vlan",
    "smac",
    "dmac",
    "options",
    "ethertype",
    "on",
    "established",
    "ip",
    "ipv6",
    "not",
];

/// Protocols that stand alone: `drop tcp`. Others are written `protocol pim`.
pub const PROTOCOLS: [&str; 13] =
    ["tcp", "udp", "icmp", "icmpv6", "sctp", "dccp", "udplite", "gre", "esp", "ah", "igmp", "ospf", "vrrp"];

impl Keyword {
    pub fn of(word: &str) -> Option<Self> {
        Some(match word {
            "accept" | "drop" | "reject" | "limit" | "count" | "log" | "mark" | "redirect" => Self::Action,
            "burst" | "per" => Self::OfLimit,
            "not" => Self::Not,
            "hop" => Self::Hop,
            "fragment" => Self::Fragment,
            "ip" | "ipv4" => Self::Number(Field::Version, 4),
            "ipv6" => Self::Number(Field::Version, 6),
            "options" => Self::Present(Field::Options),
            "established" => Self::Present(Field::Established),
            "from" => Self::Values(Field::Source),
            "to" => Self::Values(Field::Destination),
            "protocol" => Self::Values(Field::Protocol),
            "sport" => Self::Values(Field::SourcePort),
            "port" | "dport" => Self::Values(Field::DestinationPort),
            "flags" => Self::Values(Field::TcpFlags),
            "type" => Self::Values(Field::IcmpType),
            "code" => Self::Values(Field::IcmpCode),
            "length" => Self::Values(Field::Length),
            "ttl" => Self::Values(Field::Ttl),
            "dscp" => Self::Values(Field::Dscp),
            "vlan" => Self::Values(Field::Vlan),
            "smac" => Self::Values(Field::SourceMac),
            "dmac" => Self::Values(Field::DestinationMac),
            "ethertype" => Self::Values(Field::Ethertype),
            "on" => Self::Values(Field::Interface),
            _ if PROTOCOLS.contains(&word) => Self::Number(Field::Protocol, names::protocol(word)?),
            _ => return None,
        })
    }

    /// Whether a condition begins here.
    pub fn is_condition(self) -> bool {
        !matches!(self, Self::Action | Self::OfLimit)
    }
}

/// How the language calls a field: what its condition begins with.
pub fn name(field: Field) -> &'static str {
    match field {
        Field::Source => "from",
        Field::Destination => "to",
        Field::Protocol => "protocol",
        Field::Version => "ip",
        Field::SourcePort => "sport",
        Field::DestinationPort => "port",
        Field::TcpFlags => "flags",
        Field::IcmpType => "type",
        Field::IcmpCode => "code",
        Field::Length => "length",
        Field::Ttl => "ttl",
        Field::Dscp => "dscp",
        Field::Fragment => "fragment",
        Field::Vlan => "vlan",
        Field::SourceMac => "smac",
        Field::DestinationMac => "dmac",
        Field::Options => "options",
        Field::Ethertype => "ethertype",
        Field::Interface => "on",
        Field::Established => "established",
    }
}

/// What other tools, and people, say.
const MEANT: &[(&[&str], &str)] = &[
    (&["allow", "permit", "pass", "let"], "accept"),
    (&["deny", "block", "discard", "blackhole"], "drop"),
    (&["refuse"], "reject"),
    (&["ratelimit", "rate", "police"], "limit"),
    (&["counter"], "count"),
    (&["forward", "fwd"], "redirect"),
    (&["src", "source", "saddr", "-s"], "from"),
    (&["dst", "destination", "daddr", "-d"], "to"),
    (&["proto", "-p", "l4proto"], "protocol"),
    (&["ports", "--dport", "dst_port"], "port"),
    (&["--sport", "src_port"], "sport"),
    (&["len", "size", "bytes"], "length"),
    (&["hoplimit", "hlim"], "ttl"),
    (&["tos", "tclass"], "dscp"),
    (&["frag", "fragments"], "fragment"),
    (&["mac", "ether"], "smac"),
    (&["ethtype"], "ethertype"),
    (&["iface", "interface", "dev", "iif", "iifname", "via", "in", "-i"], "on"),
    (&["state", "ct", "conntrack", "related", "replies", "reply"], "established"),
    (&["icmp6", "ipv6-icmp"], "icmpv6"),
    (&["udp-lite"], "udplite"),
];

/// What to do about a word that has no business where a condition or an action begins.
pub fn advice<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let lower = word.to_ascii_lowercase();
    let meant = MEANT.iter().find(|(said, _)| said.contains(&&*lower)).map(|(_, meant)| *meant);
    if lower != word && Keyword::of(&lower).is_some() {
        return Some(format!("write it in small letters: `{lower}`"));
    }
    if let Some(meant) = meant.or_else(|| nearest(word, known)) {
        return Some(format!("did you mean `{meant}`?"));
    }
    Some(
        match &*lower {
            "and" | "&&" => "conditions that stand side by side must all hold: leave the word out",
            "or" | "||" | "|" => {
                "alternatives of one condition stand in braces, as `port {80, 443}`; others are a rule each"
            }
            "any" | "all" | "everything" => "a condition that everything meets is left out",
            "both" => "without `ip` and `ipv6`, a rule is about both",
            _ if names::protocol(&lower).is_some() => return Some(format!("write `protocol {lower}`")),
            _ => return None,
        }
        .into(),
    )
}
