//! Prefixes as people write them.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use prefix::{PrefixV4, PrefixV6};

use crate::words::shown;

/// An IPv4 or IPv6 prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cidr {
    V4(PrefixV4),
    V6(PrefixV6),
}

/// Text that is no prefix; the text as messages show it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CidrError {
    #[error("`{0}` is no IP address or prefix: write 192.0.2.0/24, 192.0.2.7, 2001:db8::/32 or 2001:db8::1")]
    NotAPrefix(String),
    #[error("`{text}`: an {family} prefix has a length of 0 to {most}")]
    Length { text: String, family: &'static str, most: u8 },
    #[error("`{text}` has bits set behind its length: did you mean {meant}?")]
    HostBits { text: String, meant: Cidr },
}

impl FromStr for Cidr {
    type Err = CidrError;

    /// `address/length`, or an address alone for that one host.
    fn from_str(text: &str) -> Result<Self, CidrError> {
        let (address, length) = text.split_once('/').map_or((text, None), |(a, l)| (a, Some(l)));
        let not_a_prefix = || CidrError::NotAPrefix(shown(text));
        // By its family: trying one after the other is slow, and lists have millions of lines.
        let address = if address.contains(':') {
            address.parse().map(IpAddr::V6)
        } else {
            address.parse().map(IpAddr::V4)
        };
        let address = address.map_err(|_| not_a_prefix())?;
        let (family, most) = if address.is_ipv4() { ("IPv4", 32) } else { ("IPv6", 128) };
        let length = match length {
            None => most,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) && !digits.is_empty() => digits
                .parse()
                .ok()
                .filter(|length| *length <= most)
                .ok_or_else(|| CidrError::Length { text: shown(text), family, most })?,
            Some(_) => return Err(not_a_prefix()),
        };
        let exact = match address {
            IpAddr::V4(v4) => PrefixV4::new(v4.to_bits(), length).map(Self::V4),
            IpAddr::V6(v6) => PrefixV6::new(v6.to_bits(), length).map(Self::V6),
        };
        exact.ok_or_else(|| {
            let meant = match address {
                IpAddr::V4(v4) => PrefixV4::truncated(v4.to_bits(), length).map(Self::V4),
                IpAddr::V6(v6) => PrefixV6::truncated(v6.to_bits(), length).map(Self::V6),
            };
            meant.map_or_else(not_a_prefix, |meant| CidrError::HostBits { text: text.into(), meant })
        })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(prefix) => write!(f, "{}/{}", Ipv4Addr::from_bits(prefix.addr()), prefix.len()),
            Self::V6(prefix) => write!(f, "{}/{}", Ipv6Addr::from_bits(prefix.addr()), prefix.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_alone_are_hosts() {
        for (text, canonical) in [
            ("192.0.2.7", "192.0.2.7/32"),
            ("192.0.2.0/24", "192.0.2.0/24"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:DB8::/32", "2001:db8::/32"),
            ("::1", "::1/128"),
        ] {
            assert_eq!(text.parse::<Cidr>().map(|c| c.to_string()), Ok(canonical.into()));
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, message) in [
            ("192.0.2.0/33", "`192.0.2.0/33`: an IPv4 prefix has a length of 0 to 32"),
            ("2001:db8::/129", "`2001:db8::/129`: an IPv6 prefix has a length of 0 to 128"),
            ("10.0.0.1/8", "`10.0.0.1/8` has bits set behind its length: did you mean 10.0.0.0/8?"),
        ] {
            assert_eq!(text.parse::<Cidr>().map_err(|e| e.to_string()), Err(message.into()));
        }
        for text in
            ["", "/", "10.0.0.0/", "10.0.0/8", "10.0.0.0/+8", "10.0.0.0/8/8", "example.org", "10.0.0.0/99999"]
        {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
    }
}
