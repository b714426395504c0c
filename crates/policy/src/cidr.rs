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

impl Cidr {
    /// The prefix of one address.
    pub fn host(address: IpAddr) -> Self {
        let prefix = match address {
            IpAddr::V4(address) => PrefixV4::truncated(address.to_bits(), 32).map(Self::V4),
            IpAddr::V6(address) => PrefixV6::truncated(address.to_bits(), 128).map(Self::V6),
        };
        prefix.expect("the whole address is a prefix")
    }

    /// Leading bits that all its addresses share.
    pub fn length(self) -> u8 {
        match self {
            Self::V4(prefix) => prefix.len(),
            Self::V6(prefix) => prefix.len(),
        }
    }

    /// Whether all addresses of another prefix are in this one.
    pub fn contains(self, other: Self) -> bool {
        match (self, other) {
            (Self::V4(outer), Self::V4(inner)) => outer.len() <= inner.len() && outer.contains(inner.addr()),
            (Self::V6(outer), Self::V6(inner)) => outer.len() <= inner.len() && outer.contains(inner.addr()),
            _ => false,
        }
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    /// `address/length`, or an address alone for that one host.
    fn from_str(text: &str) -> Result<Self, CidrError> {
        let (address, length) = text.split_once('/').map_or((text, None), |(a, l)| (a, Some(l)));
        let not_a_prefix = || CidrError::NotAPrefix(shown(text));
        // By its family: trying one after the other is slow, and lists have millions of lines.
        let address = if address.contains(':') {
            let plain = groups(address.as_bytes()).map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits)));
            plain.map_or_else(|| address.parse().map(IpAddr::V6), Ok)
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

/// An IPv6 address in its usual form, several times as quick as the standard library's reader. `None`: ask that one.
fn groups(text: &[u8]) -> Option<u128> {
    let (mut value, mut count, mut gap) = (0_u128, 0, None);
    let mut rest = text;
    if let Some(after) = rest.strip_prefix(b"::") {
        (gap, rest) = (Some(0), after);
    }
    while !rest.is_empty() {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        if !(1..=4).contains(&digits) || count == 8 {
            return None;
        }
        let (group, after) = rest.split_at(digits);
        let digit = |byte: &u8| u128::from(char::from(*byte).to_digit(16).unwrap_or(0));
        value = value << 16 | group.iter().fold(0, |group, byte| group << 4 | digit(byte));
        count += 1;
        rest = match after {
            [] => after,
            [b':', b':', after @ ..] if gap.is_none() => {
                gap = Some(count);
                after
            }
            [b':', after @ ..] if !after.is_empty() => after,
            _ => return None,
        };
    }
    match gap {
        None => (count == 8).then_some(value),
        Some(front) if count < 8 => {
            // The groups behind the gap stay where they are, those before it go to the front.
            let behind = 16 * (count - front);
            let tail = value & ((1 << behind) - 1);
            let head = (value >> behind).checked_shl(128 - 16 * front).unwrap_or(0);
            Some(head | tail)
        }
        Some(_) => None,
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

    /// Every way of writing an address that the quick reader takes, and damaged ones, against the standard library.
    #[test]
    fn the_quick_reader_agrees_with_the_standard_one() {
        let mut state = 7_u64;
        let mut below = |end: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % end
        };
        let mut taken = 0;
        for round in 0..200_000 {
            // Groups are often zero, so that gaps of every length and place are met.
            let groups: [u16; 8] =
                std::array::from_fn(|_| if below(2) == 0 { 0 } else { below(1 << 16) as u16 >> below(16) });
            let mut text = Ipv6Addr::from(groups).to_string().into_bytes();
            if round % 2 == 1 {
                let at = below(text.len() as u64) as usize;
                match below(3) {
                    0 => text.insert(at, b":0fG."[below(5) as usize]),
                    1 => text[at] = b":0fG."[below(5) as usize],
                    _ => drop(text.remove(at)),
                }
            }
            if let Some(bits) = super::groups(&text) {
                taken += 1;
                let text = std::str::from_utf8(&text).expect("ASCII");
                assert_eq!(text.parse().map(Ipv6Addr::to_bits), Ok(bits), "{text}");
            }
        }
        assert!(taken > 100_000, "{taken}");
    }

    #[test]
    fn a_prefix_contains_itself_and_what_is_within() {
        for (outer, inner, expected) in [
            ("10.0.0.0/8", "10.1.0.0/16", true),
            ("10.0.0.0/8", "10.0.0.0/8", true),
            ("10.1.0.0/16", "10.0.0.0/8", false),
            ("10.0.0.0/8", "11.0.0.0/16", false),
            ("0.0.0.0/0", "::1", false),
            ("2001:db8::/32", "2001:db8::1", true),
            ("2001:db8::1", "2001:db8::/32", false),
        ] {
            let cidr = |text: &str| text.parse::<Cidr>().expect("a prefix");
            assert_eq!(cidr(outer).contains(cidr(inner)), expected, "{outer} {inner}");
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
