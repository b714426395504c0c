//! From a name, a topology and a number to every host, cable and address. Pure: the same input
//! always gives the same lab, so captures and expected outputs can be compared between runs.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::topology::Topology;

/// The bridge device inside `r`.
pub const BRIDGE: &str = "br0";
pub const PREFIX_V4: u8 = 24;
pub const PREFIX_V6: u8 = 64;

/// Everything that will be made. Order matters: hosts are made in it, `r` last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub hosts: Vec<HostPlan>,
    pub cables: Vec<Cable>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostPlan {
    pub name: String,
    pub namespace: String,
    pub forwards: bool,
    pub interfaces: Vec<InterfacePlan>,
    pub gateway: Option<(Ipv4Addr, Ipv6Addr)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfacePlan {
    pub name: String,
    pub mac: [u8; 6],
    /// None for the ports of a bridge: the addresses are the bridge's.
    pub addresses: Option<(Ipv4Addr, Ipv6Addr)>,
}

/// One veth pair: `(host index, interface index)` of both ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cable {
    pub ends: [(usize, usize); 2],
}

impl Plan {
    /// `hosts` has been checked against the topology.
    pub fn new(lab: &str, topology: Topology, hosts: usize) -> Self {
        let net = Numbers { lab, x: lab_number(lab) };
        match topology {
            Topology::Pair => net.pair(),
            Topology::Router => net.router(hosts),
            Topology::Bridge => net.bridge(hosts),
        }
    }
}

struct Numbers<'a> {
    lab: &'a str,
    /// Second octet of every IPv4 address and second group of every IPv6 address.
    x: u8,
}

impl Numbers<'_> {
    fn pair(&self) -> Plan {
        let end = |me: u8, peer: u8| {
            let interface = self.interface(format!("to-h{peer}"), 0, me, Some(me));
            self.host(format!("h{me}"), false, vec![interface], None)
        };
        Plan { hosts: vec![end(1, 2), end(2, 1)], cables: vec![Cable { ends: [(0, 0), (1, 0)] }] }
    }

    fn router(&self, n: usize) -> Plan {
        let mut hosts = Vec::new();
        let mut ports = Vec::new();
        let mut cables = Vec::new();
        for k in 1..=n as u8 {
            let to_r = self.interface("to-r".into(), k, 2, Some(2));
            hosts.push(self.host(format!("h{k}"), false, vec![to_r], Some((self.v4(k, 1), self.v6(k, 1)))));
            ports.push(self.interface(format!("to-h{k}"), k, 1, Some(1)));
            cables.push(Cable { ends: [(usize::from(k) - 1, 0), (n, usize::from(k) - 1)] });
        }
        hosts.push(self.host("r".into(), true, ports, None));
        Plan { hosts, cables }
    }

    fn bridge(&self, n: usize) -> Plan {
        let mut hosts = Vec::new();
        let mut ports = vec![self.interface(BRIDGE.into(), 0, 254, Some(254))];
        let mut cables = Vec::new();
        for k in 1..=n as u8 {
            let to_r = self.interface("to-r".into(), 0, k, Some(k));
            hosts.push(self.host(format!("h{k}"), false, vec![to_r], None));
            ports.push(self.interface(format!("to-h{k}"), 1, k, None));
            cables.push(Cable { ends: [(usize::from(k) - 1, 0), (n, usize::from(k))] });
        }
        hosts.push(self.host("r".into(), false, ports, None));
        Plan { hosts, cables }
    }

    fn host(
        &self,
        name: String,
        forwards: bool,
        interfaces: Vec<InterfacePlan>,
        gateway: Option<(Ipv4Addr, Ipv6Addr)>,
    ) -> HostPlan {
        HostPlan { namespace: namespace(self.lab, &name), name, forwards, interfaces, gateway }
    }

    fn interface(&self, name: String, net: u8, end: u8, address: Option<u8>) -> InterfacePlan {
        InterfacePlan {
            name,
            // 02: locally administered, unicast.
            mac: [0x02, 0x5e, self.x, 0, net, end],
            addresses: address.map(|n| (self.v4(net, n), self.v6(net, n))),
        }
    }

    fn v4(&self, net: u8, n: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, self.x, net, n)
    }

    /// fd00:X:K::N with the digits of 10.X.K.N, so that a person can match the two at a glance.
    fn v6(&self, net: u8, n: u8) -> Ipv6Addr {
        Ipv6Addr::new(0xfd00, same_digits(self.x), same_digits(net), 0, 0, 0, 0, same_digits(n))
    }
}

/// `senko-<lab>-<host>`: the name under /run/netns.
pub fn namespace(lab: &str, host: &str) -> String {
    format!("{NAMESPACE_PREFIX}{lab}-{host}")
}

pub const NAMESPACE_PREFIX: &str = "senko-";

/// 1..=254 from the name, by FNV-1a. Two labs may share it: they never share a namespace.
fn lab_number(lab: &str) -> u8 {
    let hash = lab.bytes().fold(0x811c_9dc5_u32, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193));
    (hash % 254 + 1) as u8
}

/// The hexadecimal number that is written with the decimal digits of `n`: 42 gives 0x42.
fn same_digits(n: u8) -> u16 {
    let n = u16::from(n);
    ((n / 100) << 8) | ((n / 10 % 10) << 4) | (n % 10)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn addresses_read_alike() {
        let plan = Plan::new("lab", Topology::Router, 3);
        for host in &plan.hosts {
            for (v4, v6) in host.interfaces.iter().filter_map(|i| i.addresses) {
                let [_, x, k, n] = v4.octets();
                assert_eq!(v6.to_string(), format!("fd00:{x}:{k}::{n}"));
            }
        }
    }

    #[test]
    fn nothing_is_used_twice() {
        for topology in [Topology::Pair, Topology::Router, Topology::Bridge] {
            let n = if topology == Topology::Pair { 2 } else { 200 };
            let plan = Plan::new("x", topology, n);
            let (mut macs, mut addresses) = (HashSet::new(), HashSet::new());
            for host in &plan.hosts {
                let names: HashSet<_> = host.interfaces.iter().map(|i| &i.name).collect();
                assert_eq!(names.len(), host.interfaces.len());
                for i in &host.interfaces {
                    assert!(i.name.len() < libc::IFNAMSIZ, "{}", i.name);
                    assert!(macs.insert(i.mac), "{topology:?} {:x?}", i.mac);
                    assert!(i.addresses.is_none_or(|a| addresses.insert(a)));
                }
            }
            assert_eq!(plan.cables.len(), if topology == Topology::Pair { 1 } else { n });
        }
    }

    #[test]
    fn gateways_are_in_the_hosts_own_subnet() {
        for host in &Plan::new("gw", Topology::Router, 5).hosts {
            let Some((gw4, gw6)) = host.gateway else { continue };
            let (v4, v6) = host.interfaces[0].addresses.unwrap();
            assert_eq!(gw4.octets()[..3], v4.octets()[..3]);
            assert_eq!(gw6.segments()[..4], v6.segments()[..4]);
        }
    }

    #[test]
    fn the_same_name_gives_the_same_lab() {
        assert_eq!(Plan::new("a", Topology::Bridge, 4), Plan::new("a", Topology::Bridge, 4));
        assert_ne!(Plan::new("a", Topology::Bridge, 4), Plan::new("b", Topology::Bridge, 4));
    }
}
