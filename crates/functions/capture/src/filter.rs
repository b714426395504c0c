//! From what was typed to what the kernel tests.

use std::net::IpAddr;

use wire::{icmp, protocol, transport};

use crate::{cli::FilterArgs, logic::Filter, shared::filter};

/// A filter's values, as the kernel's globals hold them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FilterValues {
    pub parts: u32,
    pub protocol: u8,
    pub port: u16,
    pub host: [u32; 4],
    pub ip_version: u8,
    pub ethertype: u16,
}

/// A filter that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    #[error("`{0}` is no protocol: use tcp, udp, icmp, icmpv6, sctp, arp, … or a number up to 255")]
    UnknownProtocol(String),
    #[error("{0} has no ports: `--port` can never match")]
    NoPorts(String),
    #[error("`--syn` is about TCP: `--proto {0}` can never match")]
    SynNotTcp(String),
    #[error("`--host {0}` is not of the IP version that was asked for: nothing can match")]
    HostVersion(IpAddr),
    #[error("{0} is not IP: `--host`, `--port`, `--syn`, `-4` and `-6` can never match")]
    NotIp(String),
}

impl FilterValues {
    pub fn from_args(args: &FilterArgs) -> Result<Self, FilterError> {
        let mut values = Self::default();
        if args.ipv4 || args.ipv6 {
            values.require_version(if args.ipv4 { 4 } else { 6 });
        }
        if let Some(name) = &args.proto {
            values.require_protocol(&name.to_ascii_lowercase(), args)?;
        }
        if let Some(host) = args.host {
            let (version, words) = host_words(host);
            if values.ip_version != 0 && values.ip_version != version {
                return Err(FilterError::HostVersion(host));
            }
            values.require_version(version);
            values.parts |= filter::HOST;
            values.host = words;
        }
        if let Some(port) = args.port {
            values.parts |= filter::PORT;
            values.port = port;
        }
        if args.syn {
            values.parts |= filter::SYN;
        }
        Ok(values)
    }

    fn require_version(&mut self, version: u8) {
        self.parts |= filter::IP_VERSION;
        self.ip_version = version;
    }

    fn require_protocol(&mut self, name: &str, args: &FilterArgs) -> Result<(), FilterError> {
        let number = match name {
            "icmp" => {
                self.parts |= filter::ICMP;
                icmp::PROTOCOL_V4
            }
            _ => match protocol::ip_number(name).or_else(|| name.parse().ok()) {
                Some(number) => {
                    self.parts |= filter::PROTOCOL;
                    self.protocol = number;
                    number
                }
                None => return self.require_ethertype(name, args),
            },
        };
        if args.port.is_some() && !transport::has_ports(number) {
            return Err(FilterError::NoPorts(name.into()));
        }
        if args.syn && number != transport::TCP {
            return Err(FilterError::SynNotTcp(name.into()));
        }
        Ok(())
    }

    fn require_ethertype(&mut self, name: &str, args: &FilterArgs) -> Result<(), FilterError> {
        let ethertype =
            protocol::ethertype_number(name).ok_or_else(|| FilterError::UnknownProtocol(name.into()))?;
        if args.syn || args.ipv4 || args.ipv6 || args.port.is_some() || args.host.is_some() {
            return Err(FilterError::NotIp(name.into()));
        }
        self.parts |= filter::ETHERTYPE;
        self.ethertype = ethertype;
        Ok(())
    }
}

/// An address as the logic compares it: host-order words, IPv4 in the last.
pub fn host_words(host: IpAddr) -> (u8, [u32; 4]) {
    match host {
        IpAddr::V4(v4) => (4, [0, 0, 0, v4.to_bits()]),
        IpAddr::V6(v6) => {
            let bits = v6.to_bits();
            (6, [(bits >> 96) as u32, (bits >> 64) as u32, (bits >> 32) as u32, bits as u32])
        }
    }
}

impl Filter for FilterValues {
    fn parts(&self) -> u32 {
        self.parts
    }

    fn protocol(&self) -> u8 {
        self.protocol
    }

    fn port(&self) -> u16 {
        self.port
    }

    fn host(&self) -> [u32; 4] {
        self.host
    }

    fn ip_version(&self) -> u8 {
        self.ip_version
    }

    fn ethertype(&self) -> u16 {
        self.ethertype
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> FilterArgs {
        FilterArgs::default()
    }

    #[test]
    fn parts_that_cannot_match_together_are_refused() {
        let proto = |name: &str| Some(name.to_owned());
        let wrong = [
            (FilterArgs { proto: proto("foo"), ..args() }, FilterError::UnknownProtocol("foo".into())),
            (FilterArgs { proto: proto("256"), ..args() }, FilterError::UnknownProtocol("256".into())),
            (
                FilterArgs { proto: proto("icmp"), port: Some(1), ..args() },
                FilterError::NoPorts("icmp".into()),
            ),
            (FilterArgs { proto: proto("gre"), port: Some(1), ..args() }, FilterError::NoPorts("gre".into())),
            (FilterArgs { proto: proto("UDP"), syn: true, ..args() }, FilterError::SynNotTcp("udp".into())),
            (FilterArgs { proto: proto("arp"), ipv4: true, ..args() }, FilterError::NotIp("arp".into())),
        ];
        for (args, error) in wrong {
            assert_eq!(FilterValues::from_args(&args), Err(error));
        }
        let host: IpAddr = "10.0.0.1".parse().expect("an address");
        let mixed = FilterArgs { ipv6: true, host: Some(host), ..args() };
        assert_eq!(FilterValues::from_args(&mixed), Err(FilterError::HostVersion(host)));
    }

    #[test]
    fn a_host_brings_its_version() {
        let host = Some("2001:db8::1".parse().expect("an address"));
        let values = FilterValues::from_args(&FilterArgs { host, ..args() }).expect("sound");
        assert_eq!((values.ip_version, values.parts), (6, filter::HOST | filter::IP_VERSION));
        assert_eq!(values.host, [0x2001_0db8, 0, 0, 1]);
    }
}
