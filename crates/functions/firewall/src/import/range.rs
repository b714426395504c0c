//! The prefixes that make up a range of addresses.

use std::net::IpAddr;

use policy::Cidr;
use prefix::{PrefixV4, PrefixV6};

/// In order; none when the ends are of two families or in the wrong order.
pub fn prefixes(first: IpAddr, last: IpAddr) -> Vec<Cidr> {
    match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => {
            let parts = parts(first.to_bits().into(), last.to_bits().into(), 32);
            parts
                .filter_map(|(address, length)| PrefixV4::new(address as u32, length).map(Cidr::V4))
                .collect()
        }
        (IpAddr::V6(first), IpAddr::V6(last)) => {
            let parts = parts(first.to_bits(), last.to_bits(), 128);
            parts.filter_map(|(address, length)| PrefixV6::new(address, length).map(Cidr::V6)).collect()
        }
        _ => Vec::new(),
    }
}

/// The largest block that begins at the front and does not reach beyond the end, again and again.
fn parts(first: u128, last: u128, width: u32) -> impl Iterator<Item = (u128, u8)> {
    let mut next = Some(first).filter(|first| *first <= last);
    std::iter::from_fn(move || {
        let start = next?;
        let aligned = start.trailing_zeros().min(width);
        // All 2^128 addresses are more than the type can count.
        let room = (last - start).checked_add(1).map_or(width, |count| count.ilog2());
        let bits = aligned.min(room);
        let size = 1_u128.checked_shl(bits);
        next = size.and_then(|size| start.checked_add(size)).filter(|next| *next <= last);
        Some((start, (width - bits) as u8))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_made_of_prefixes() {
        let of = |first: &str, last: &str| {
            let address = |text: &str| text.parse::<IpAddr>().expect("an address");
            let list: Vec<String> =
                prefixes(address(first), address(last)).iter().map(Cidr::to_string).collect();
            list.join(" ")
        };
        assert_eq!(of("203.0.113.4", "203.0.113.9"), "203.0.113.4/30 203.0.113.8/31");
        assert_eq!(of("0.0.0.0", "255.255.255.255"), "0.0.0.0/0");
        assert_eq!(of("0.0.0.1", "0.0.0.1"), "0.0.0.1/32");
        assert_eq!(of("255.255.255.254", "255.255.255.255"), "255.255.255.254/31");
        assert_eq!(of("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), "::/0");
        assert_eq!(of("2001:db8::", "2001:db8::2"), "2001:db8::/127 2001:db8::2/128");
        assert_eq!(of("10.0.0.2", "10.0.0.1"), "");
        assert_eq!(of("10.0.0.2", "::1"), "");
    }
}
