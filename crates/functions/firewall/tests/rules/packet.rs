//! Packets by their fields alone, and whether a rule matches them: read off the manual, with no regard for speed.

use std::net::IpAddr;

use firewall::rule::ast::{Field, Match, Rule, Values};
use policy::{Cidr, Sets, What};
use proptest::{prelude::*, sample::select};

#[derive(Debug, Clone)]
pub struct Packet {
    interface: &'static str,
    source_mac: [u8; 6],
    vlan: Option<u32>,
    ethertype: u32,
    ip: Option<Ip>,
}

#[derive(Debug, Clone)]
struct Ip {
    source: IpAddr,
    destination: IpAddr,
    protocol: u32,
    ttl: u32,
    length: u32,
    fragment: u32,
    ports: (u32, u32),
    flags: u8,
    icmp: (u32, u32),
    options: bool,
    established: bool,
}

/// Packets that the rules of the tests are about.
pub fn packet() -> impl Strategy<Value = Packet> {
    let address = |six: bool| {
        let list = if six {
            ["2001:db8::1", "2001:db8:1::5", "fd00::1", "2001:db8:2::1"]
        } else {
            ["10.1.2.3", "10.1.9.9", "10.9.9.9", "192.0.2.1"]
        };
        select(list.map(|text| text.parse().expect("an address")).to_vec())
    };
    let ip = any::<bool>().prop_flat_map(move |six| {
        let numbers = (select(vec![1, 6, 17, 58, 47]), select(vec![3, 64, 200]), 20..1500_u32, 0..3_u32);
        let transport = (
            (select(vec![22, 53, 80, 2000]), select(vec![22, 53, 80, 2000])),
            any::<u8>(),
            (select(vec![0, 8, 128]), 0..4_u32),
        );
        (address(six), address(six), numbers, transport, any::<(bool, bool)>()).prop_map(
            |(
                source,
                destination,
                (protocol, ttl, length, fragment),
                (ports, flags, icmp),
                (options, established),
            )| {
                Ip {
                    source,
                    destination,
                    protocol,
                    ttl,
                    length,
                    fragment,
                    ports,
                    flags,
                    icmp,
                    options,
                    established,
                }
            },
        )
    });
    let link = (select(vec!["eth0", "eth1", "br-lan"]), 1..4_u8, prop::option::of(4..8_u32));
    (link, prop::option::weighted(0.9, ip)).prop_map(|((interface, mac, vlan), ip)| {
        let ethertype = ip.as_ref().map_or(0x0806, |ip| if ip.source.is_ipv4() { 0x0800 } else { 0x86dd });
        Packet { interface, source_mac: [2, 0, 0, 0, 0, mac], vlan, ethertype, ip }
    })
}

impl Packet {
    pub fn matches(&self, rule: &Rule, sets: &Sets) -> bool {
        rule.matches.iter().all(|condition| self.meets(condition, sets).unwrap_or(false))
    }

    /// `None`: the packet has no such field.
    fn meets(&self, condition: &Match, sets: &Sets) -> Option<bool> {
        let is_one = match &condition.values {
            Values::Ranges(ranges) => {
                let number = self.number(condition.field)?;
                ranges.iter().any(|range| range.contains(&number))
            }
            Values::Present => self.number(condition.field)? == 1,
            Values::Flags(flags) => {
                let ip = self.ip.as_ref().filter(|ip| ip.fragment != 2 && ip.protocol == 6)?;
                flags.iter().any(|flags| ip.flags & flags.mask == flags.value)
            }
            Values::Macs(macs) => macs.contains(&self.source_mac),
            Values::Interfaces(names) => names.iter().any(|name| name.text == self.interface),
            Values::Prefixes(items) => {
                let ip = self.ip.as_ref()?;
                let address = if condition.field == Field::Source { ip.source } else { ip.destination };
                let within = |prefix: Cidr| match (prefix, address) {
                    (Cidr::V4(prefix), IpAddr::V4(address)) => prefix.contains(address.to_bits()),
                    (Cidr::V6(prefix), IpAddr::V6(address)) => prefix.contains(address.to_bits()),
                    _ => false,
                };
                items.iter().any(|item| match &item.what {
                    What::Prefix(prefix) => within(*prefix),
                    What::Set(name) => sets[name].iter().any(within),
                })
            }
        };
        Some(is_one != condition.negated)
    }

    fn number(&self, field: Field) -> Option<u32> {
        match field {
            Field::Vlan => return self.vlan,
            Field::Ethertype => return Some(self.ethertype),
            _ => {}
        }
        let ip = self.ip.as_ref()?;
        let has_header = ip.fragment != 2;
        let is_icmp = ip.protocol == if ip.source.is_ipv4() { 1 } else { 58 };
        Some(match field {
            // Each ICMP belongs to its family; the other's number is of no protocol that rules name.
            Field::Protocol if matches!(ip.protocol, 1 | 58) && !is_icmp => 255,
            Field::Protocol => ip.protocol,
            Field::Version => {
                if ip.source.is_ipv4() {
                    4
                } else {
                    6
                }
            }
            Field::SourcePort if has_header && matches!(ip.protocol, 6 | 17) => ip.ports.0,
            Field::DestinationPort if has_header && matches!(ip.protocol, 6 | 17) => ip.ports.1,
            Field::IcmpType if has_header && is_icmp => ip.icmp.0,
            Field::IcmpCode if has_header && is_icmp => ip.icmp.1,
            Field::Length => ip.length,
            Field::Ttl => ip.ttl,
            Field::Fragment => ip.fragment,
            Field::Options => ip.options.into(),
            Field::Established => ip.established.into(),
            _ => return None,
        })
    }
}
