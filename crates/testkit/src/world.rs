//! A host with ports, networks and neighbours, as redirection sees it: routes by the book for the host's tests, and the
//! plan by which the kernel's tests make a network namespace.

use std::{collections::BTreeMap, net::IpAddr};

use abi::{Action, Reason};
use redirect::logic::{Env, NextHop, Query};
use serde::Deserialize;

/// Frames arrive at the first port.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct World {
    /// Whether the kernel forwards.
    pub forwarding: bool,
    pub port: Vec<Port>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    pub mac: String,
    /// Whether the instance under test serves it.
    pub served: bool,
    /// The port's own, as `10.0.0.1/24`.
    pub addresses: Vec<String>,
    /// Address to MAC.
    pub neighbours: BTreeMap<IpAddr, String>,
    /// The kernel's index; the position from 1 on until somebody knows better.
    #[serde(default)]
    pub ifindex: u32,
}

impl World {
    /// Two ports; the second is somebody else's.
    pub fn example() -> Self {
        let port = |mac: &str, served, addresses: [&str; 2], neighbours: [(&str, &str); 2]| Port {
            mac: mac.into(),
            served,
            addresses: addresses.map(Into::into).into(),
            neighbours: neighbours
                .into_iter()
                .map(|(address, mac)| (address.parse().expect("an address"), mac.into()))
                .collect(),
            ifindex: 0,
        };
        let served = port(
            "02:00:00:00:00:01",
            true,
            ["10.0.0.1/24", "2001:db8::1/64"],
            [("10.0.0.2", "02:00:00:00:00:02"), ("2001:db8::2", "02:00:00:00:00:62")],
        );
        let foreign = port(
            "02:00:00:00:09:01",
            false,
            ["10.0.9.1/24", "2001:db8:9::1/64"],
            [("10.0.9.2", "02:00:00:00:09:02"), ("2001:db8:9::2", "02:00:00:00:09:62")],
        );
        Self { forwarding: true, port: vec![served, foreign] }.numbered()
    }

    /// With interface indexes 1, 2, ….
    pub fn numbered(mut self) -> Self {
        for (port, ifindex) in self.port.iter_mut().zip(1..) {
            port.ifindex = ifindex;
        }
        self
    }

    /// The addresses that are the host's own.
    pub fn local(&self) -> Vec<IpAddr> {
        self.port.iter().flat_map(|port| port.networks().map(|(address, _)| address)).collect()
    }

    fn way(&self, target: IpAddr) -> Result<NextHop, Reason> {
        if !self.forwarding {
            return Err(Reason::RedirectForwardingOff);
        }
        if self.local().contains(&target) {
            return Err(Reason::RedirectNoRoute);
        }
        for port in &self.port {
            for (address, length) in port.networks() {
                if !same_network(address, target, length) {
                    continue;
                }
                if is_special(target, length) {
                    return Err(Reason::RedirectNoRoute);
                }
                let neighbour = port.neighbours.get(&target).ok_or(Reason::RedirectNoNeighbour)?;
                return Ok(NextHop {
                    ifindex: port.ifindex,
                    source_mac: mac(&port.mac),
                    destination_mac: mac(neighbour),
                });
            }
        }
        Err(Reason::RedirectNoRoute)
    }
}

impl Port {
    /// Addresses with their prefix lengths.
    pub fn networks(&self) -> impl Iterator<Item = (IpAddr, u32)> {
        self.addresses.iter().map(|text| {
            let (address, length) = text.split_once('/').expect("address/length");
            (address.parse().expect("an address"), length.parse().expect("a length"))
        })
    }
}

/// The bits of an address, at the high end of a word.
fn bits(address: IpAddr) -> (bool, u128) {
    match address {
        IpAddr::V4(v4) => (true, u128::from(v4.to_bits()) << 96),
        IpAddr::V6(v6) => (false, v6.to_bits()),
    }
}

fn same_network(a: IpAddr, b: IpAddr, length: u32) -> bool {
    let ((a_v4, a), (b_v4, b)) = (bits(a), bits(b));
    a_v4 == b_v4 && (a ^ b) >> (128 - length) == 0
}

/// A network's broadcast address, or IPv6's anycast address of its routers (RFC 4291 section 2.6.1).
fn is_special(address: IpAddr, length: u32) -> bool {
    let (v4, bits) = bits(address);
    let host = bits << length;
    if v4 { host >> (96 + length) == (1 << (32 - length)) - 1 } else { host == 0 }
}

/// # Panics
/// When the text is not six bytes in hex.
pub fn mac(text: &str) -> [u8; 6] {
    let bytes: Vec<u8> =
        text.split(':').map(|byte| u8::from_str_radix(byte, 16).expect("a MAC address")).collect();
    bytes.try_into().expect("six bytes")
}

/// The words in which the logic speaks of addresses.
pub fn words(address: IpAddr) -> [u32; 4] {
    match address {
        IpAddr::V4(v4) => [0, 0, 0, v4.to_bits()],
        IpAddr::V6(v6) => {
            let o = v6.octets();
            [0, 4, 8, 12].map(|at| u32::from_be_bytes([o[at], o[at + 1], o[at + 2], o[at + 3]]))
        }
    }
}

fn address(version: u8, words: [u32; 4]) -> IpAddr {
    if version == 4 {
        return IpAddr::V4(words[3].into());
    }
    let octets: Vec<u8> = words.into_iter().flat_map(u32::to_be_bytes).collect();
    let octets: [u8; 16] = octets.try_into().expect("four words");
    IpAddr::V6(octets.into())
}

impl Env for World {
    fn is_local(&mut self, address: [u32; 4]) -> bool {
        self.local().into_iter().any(|local| words(local) == address)
    }

    fn route(&mut self, query: &Query) -> Result<NextHop, Reason> {
        self.way(address(query.version, query.destination))
    }

    fn serves(&mut self, ifindex: u32) -> bool {
        self.port.iter().any(|port| port.ifindex == ifindex && port.served)
    }

    fn send(&mut self, ifindex: u32) -> Action {
        if self.serves(ifindex) { Action::Redirect } else { Action::Pass }
    }
}
