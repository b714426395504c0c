//! The Internet checksum (RFC 1071) and its incremental update (RFC 1624).

/// The checksum field after one 16-bit word under it changed from `old` to `new`.
///
/// RFC 1624 equation 3, `HC' = ~(~HC + ~m + m')`: unlike RFC 1141's it cannot turn 0xffff into 0x0000.
#[inline(always)]
pub const fn update(checksum: u16, old: u16, new: u16) -> u16 {
    let sum = (!checksum as u32) + (!old as u32) + new as u32;
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    !(sum as u16)
}

/// The checksum of whole bytes, as it stands in a header whose checksum field is zero.
#[cfg(not(target_arch = "bpf"))]
pub fn full(bytes: &[u8]) -> u16 {
    let sum = bytes
        .chunks(2)
        .map(|pair| u64::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)])))
        .sum::<u64>();
    let mut folded = sum;
    while folded > 0xffff {
        folded = (folded & 0xffff) + (folded >> 16);
    }
    !(folded as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 1624 section 4: the case in which RFC 1141's equation gives 0x0000.
    #[test]
    fn rfc_1624_example() {
        assert_eq!(update(0xdd2f, 0x5555, 0x3285), 0x0000);
    }

    /// RFC 1071 section 3.
    #[test]
    fn rfc_1071_example() {
        assert_eq!(full(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
    }
}
