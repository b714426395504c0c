//! Large rule sets over the five-tuple, shaped like those of real routers and firewalls, and packets that meet them.
//!
//! Random rules are easy prey: their boxes hardly overlap. Real ones share a few services, repeat the same pairs of
//! networks with other ports, and nest their prefixes. ClassBench (Taylor and Turner, INFOCOM 2005; IEEE/ACM ToN 15(3),
//! 2007) describes this by distributions taken from real sets and draws new sets of any size from them. Here is the same
//! method, not the same program: no seed file is used, so sets are *like* `acl1`, `fw1`, `ipc1` and not equal to them.
//! What is known of the numbers and what is a guess stands in `profile.rs`.
//!
//! ```
//! use rulesets::{Family, first_match, rules, trace};
//!
//! let rules = rules(Family::Acl, 1000, 7);
//! let packets = trace(&rules, 5000, 7);
//! // Each packet is drawn from some rule's box; a rule before it may have it, too.
//! assert!(packets.iter().all(|packet| first_match(&rules, packet).is_some()));
//! ```

mod dice;
mod generate;
mod profile;
mod statistics;
#[cfg(test)]
mod tests;
mod trace;
mod tree;

use std::{fmt::Write as _, net::Ipv4Addr};

pub use generate::rules;
pub use statistics::{Statistics, statistics};
pub use trace::{first_match, shuffled, trace};

/// An IPv4 prefix: the address in host order with its host bits 0, and the length.
pub type Prefix = (u32, u8);

const ANY_ADDRESS: Prefix = (0, 0);
const ANY_PORT: (u16, u16) = (0, u16::MAX);

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// ClassBench's names for where a set comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// An access control list of a router: between pairs of networks, to services.
    Acl,
    /// Of a firewall: much from or to anywhere, ports on both sides.
    Firewall,
    /// Of a host's or a security gateway's IP chain: between the two.
    IpChain,
}

impl Family {
    pub const ALL: [Self; 3] = [Self::Acl, Self::Firewall, Self::IpChain];
}

/// A rule. Its ports are anything but all of them only with TCP and UDP.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FiveTuple {
    pub source: Prefix,
    pub destination: Prefix,
    /// First and last.
    pub source_port: (u16, u16),
    pub destination_port: (u16, u16),
    /// None: any.
    pub protocol: Option<u8>,
    /// Else it accepts.
    pub drop: bool,
}

impl FiveTuple {
    /// In senko's rule language. What matches everything is left out.
    pub fn text(&self) -> String {
        let mut text = String::from(if self.drop { "drop" } else { "accept" });
        match self.protocol {
            None => {}
            Some(ICMP) => text += " icmp",
            Some(TCP) => text += " tcp",
            Some(UDP) => text += " udp",
            Some(number) => write!(text, " protocol {number}").expect("a String takes it"),
        }
        let ends = [
            ("from", self.source, "sport", self.source_port),
            ("to", self.destination, "port", self.destination_port),
        ];
        for (address, (bits, length), port, (first, last)) in ends {
            match length {
                0 => Ok(()),
                32 => write!(text, " {address} {}", Ipv4Addr::from_bits(bits)),
                _ => write!(text, " {address} {}/{length}", Ipv4Addr::from_bits(bits)),
            }
            .expect("a String takes it");
            match (first, last) {
                ANY_PORT => Ok(()),
                (first, last) if first == last => write!(text, " {port} {first}"),
                (first, last) => write!(text, " {port} {first}-{last}"),
            }
            .expect("a String takes it");
        }
        text
    }

    /// Whether source, destination, ports and protocol of a packet lie in the rule's box.
    pub fn matches(
        &self,
        &[source, destination, source_port, destination_port, protocol]: &[u32; 5],
    ) -> bool {
        covers(self.source, source)
            && covers(self.destination, destination)
            && (u32::from(self.source_port.0)..=self.source_port.1.into()).contains(&source_port)
            && (u32::from(self.destination_port.0)..=self.destination_port.1.into())
                .contains(&destination_port)
            && self.protocol.is_none_or(|number| u32::from(number) == protocol)
    }

    /// The number of points in the box, 2¹⁰⁴ at most: ClassBench's scope, before the logarithm.
    fn volume(&self) -> u128 {
        let ports = |(first, last): (u16, u16)| u128::from(last - first) + 1;
        let addresses = 64 - u32::from(self.source.1) - u32::from(self.destination.1);
        let protocols = if self.protocol.is_some() { 1 } else { 256 };
        (ports(self.source_port) * ports(self.destination_port) * protocols) << addresses
    }
}

/// The bits of an address below its first `length`.
fn host_bits(length: u8) -> u32 {
    u32::MAX.checked_shr(length.into()).unwrap_or(0)
}

fn covers((bits, length): Prefix, address: u32) -> bool {
    address & !host_bits(length) == bits
}
