//! Names of numbers: protocols, ports, ICMP types, classes of DSCP, flags.

use std::{collections::HashMap, sync::LazyLock};

use wire::{icmp, protocol, transport::tcp_flag};

use crate::rule::ast::{Field, Match, Values};

/// Names that other tools have for what [`protocol::ip_name`] calls otherwise.
const PROTOCOL_ALIASES: &[(&str, u32)] = &[
    ("icmp6", 58),
    ("ipv6-icmp", 58),
    ("udp-lite", 136),
    ("ipencap", 4),
    ("ipsec-esp", 50),
    ("ipsec-ah", 51),
];

static PROTOCOLS: LazyLock<HashMap<&str, u32>> = LazyLock::new(|| {
    let named = (0..=u8::MAX).filter_map(|number| Some((protocol::ip_name(number)?, number.into())));
    named.chain(PROTOCOL_ALIASES.iter().copied()).collect()
});

// A map, since the search through 65 536 numbers for each rule would be felt.
static ETHERTYPES: LazyLock<HashMap<&str, u32>> = LazyLock::new(|| {
    let named = (0..=u16::MAX).filter_map(|number| Some((protocol::ethertype_name(number)?, number.into())));
    named.chain([("ip", 0x0800)]).collect()
});

pub fn protocol(name: &str) -> Option<u32> {
    PROTOCOLS.get(name).copied()
}

pub fn protocol_names() -> impl Iterator<Item = &'static str> {
    PROTOCOLS.keys().copied()
}

pub fn ethertype(name: &str) -> Option<u32> {
    ETHERTYPES.get(name).copied()
}

pub fn ethertype_names() -> impl Iterator<Item = &'static str> {
    ETHERTYPES.keys().copied()
}

/// Services that rules are written about (IANA's registry, and what everyone says: `dns`, `rdp`).
pub const SERVICES: &[(&str, u32)] = &[
    ("ftp-data", 20),
    ("ftp", 21),
    ("ssh", 22),
    ("telnet", 23),
    ("smtp", 25),
    ("dns", 53),
    ("domain", 53),
    ("bootps", 67),
    ("bootpc", 68),
    ("tftp", 69),
    ("http", 80),
    ("kerberos", 88),
    ("pop3", 110),
    ("sunrpc", 111),
    ("ntp", 123),
    ("netbios-ns", 137),
    ("netbios-dgm", 138),
    ("netbios-ssn", 139),
    ("imap", 143),
    ("snmp", 161),
    ("snmptrap", 162),
    ("bgp", 179),
    ("ldap", 389),
    ("https", 443),
    ("microsoft-ds", 445),
    ("smb", 445),
    ("submissions", 465),
    ("isakmp", 500),
    ("syslog", 514),
    ("rip", 520),
    ("dhcpv6-client", 546),
    ("dhcpv6-server", 547),
    ("submission", 587),
    ("ldaps", 636),
    ("domain-s", 853),
    ("imaps", 993),
    ("pop3s", 995),
    ("openvpn", 1194),
    ("radius", 1812),
    ("radius-acct", 1813),
    ("mqtt", 1883),
    ("ssdp", 1900),
    ("nfs", 2049),
    ("mysql", 3306),
    ("rdp", 3389),
    ("ipsec-nat-t", 4500),
    ("vxlan", 4789),
    ("sip", 5060),
    ("sips", 5061),
    ("mdns", 5353),
    ("postgresql", 5432),
    ("redis", 6379),
    ("memcached", 11211),
    ("wireguard", 51820),
];

/// Classes of DSCP: RFC 2474, 2597, 3246, 5865 and 8622.
pub const DSCP_CLASSES: &[(&str, u32)] = &[
    ("cs0", 0),
    ("be", 0),
    ("le", 1),
    ("cs1", 8),
    ("af11", 10),
    ("af12", 12),
    ("af13", 14),
    ("cs2", 16),
    ("af21", 18),
    ("af22", 20),
    ("af23", 22),
    ("cs3", 24),
    ("af31", 26),
    ("af32", 28),
    ("af33", 30),
    ("cs4", 32),
    ("af41", 34),
    ("af42", 36),
    ("af43", 38),
    ("cs5", 40),
    ("va", 44),
    ("ef", 46),
    ("cs6", 48),
    ("cs7", 56),
];

/// TCP's flags (RFC 9293 and, for the last two, 3168).
pub const FLAGS: [(&str, u8); 8] = [
    ("fin", tcp_flag::FIN),
    ("syn", tcp_flag::SYN),
    ("rst", tcp_flag::RST),
    ("psh", tcp_flag::PSH),
    ("ack", tcp_flag::ACK),
    ("urg", tcp_flag::URG),
    ("ece", 0x40),
    ("cwr", 0x80),
];

/// The flags that are compared when no mask is written. Not those of ECN, which ordinary connections set.
pub const PLAIN_FLAGS: u8 = 0x3f;

/// The number of a name in one of the tables.
pub fn number(table: &[(&str, u32)], name: &str) -> Option<u32> {
    table.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

/// The first name of a number in one of the tables.
pub fn name(table: &[(&'static str, u32)], number: u32) -> Option<&'static str> {
    table.iter().find(|(_, known)| *known == number).map(|(name, _)| *name)
}

/// The two protocols with types, which have different ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Icmp {
    V4,
    V6,
}

impl Icmp {
    pub const fn protocol(self) -> u32 {
        match self {
            Self::V4 => icmp::PROTOCOL_V4 as u32,
            Self::V6 => icmp::PROTOCOL_V6 as u32,
        }
    }

    pub fn type_name(self, kind: u32) -> Option<&'static str> {
        let kind = u8::try_from(kind).ok()?;
        match self {
            Self::V4 => icmp::type_name_v4(kind),
            Self::V6 => icmp::type_name_v6(kind),
        }
    }

    pub fn type_number(self, name: &str) -> Option<u32> {
        // IANA spells neighbours the other way.
        let name = &*name.replace("neighbor-", "neighbour-");
        (0..256).find(|kind| self.type_name(*kind) == Some(name))
    }

    pub fn type_names(self) -> impl Iterator<Item = &'static str> {
        (0..256).filter_map(move |kind| self.type_name(kind))
    }
}

impl Icmp {
    /// The one that a condition on the protocol is about.
    pub fn named_by(condition: &Match) -> Option<Self> {
        let is = |icmp: Self| {
            let only = Values::Ranges(vec![icmp.protocol()..=icmp.protocol()]);
            condition.field == Field::Protocol && !condition.negated && condition.values == only
        };
        [Self::V4, Self::V6].into_iter().find(|icmp| is(*icmp))
    }
}
