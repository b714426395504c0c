//! Digests of what maps hold. That of a prefix table is a sum over its entries, so that a live edit changes it without
//! reading the rest.

use policy::{Cidr, Contents, PrefixTable};
use sha2::{Digest as _, Sha256};

/// The digest of a list of prefixes and values, in any order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ListDigest {
    sum: u128,
    entries: u64,
}

impl ListDigest {
    pub fn add(&mut self, prefix: Cidr, value: u32) {
        self.sum = self.sum.wrapping_add(entry(prefix, value));
        self.entries += 1;
    }

    pub fn remove(&mut self, prefix: Cidr, value: u32) {
        self.sum = self.sum.wrapping_sub(entry(prefix, value));
        self.entries -= 1;
    }

    /// From the text of [`ListDigest::text`].
    pub fn parse(text: &str) -> Option<Self> {
        let (entries, sum) = text.split_once(':')?;
        Some(Self { sum: u128::from_str_radix(sum, 16).ok()?, entries: entries.parse().ok()? })
    }

    pub fn text(self) -> String {
        format!("{}:{:032x}", self.entries, self.sum)
    }
}

/// Two rounds of multiplication and folding for each half (Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", 2014). Against accidents, not against enemies: who writes the list needs no collision to change it.
fn entry(prefix: Cidr, value: u32) -> u128 {
    let (address, length) = match prefix {
        Cidr::V4(prefix) => (u128::from(prefix.addr()), u64::from(prefix.len())),
        Cidr::V6(prefix) => (prefix.addr(), u64::from(prefix.len()) | 1 << 8),
    };
    let (high, low) = ((address >> 64) as u64, address as u64);
    let rest = length << 32 | u64::from(value);
    let first = mix(mix(mix(low) ^ high) ^ rest);
    let second = mix(mix(mix(rest ^ 0x9e37_79b9_7f4a_7c15) ^ low) ^ high);
    u128::from(first) << 64 | u128::from(second)
}

fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Equal for maps of equal contents.
pub fn of(contents: &Contents) -> String {
    let mut digest = Sha256::new();
    match contents {
        Contents::Prefixes(table) => {
            let mut digest = ListDigest::default();
            match table {
                PrefixTable::V4 { list, .. } => {
                    list.iter().for_each(|(prefix, value)| digest.add(Cidr::V4(*prefix), *value));
                }
                PrefixTable::V6 { list, .. } => {
                    list.iter().for_each(|(prefix, value)| digest.add(Cidr::V6(*prefix), *value));
                }
            }
            return digest.text();
        }
        Contents::Entries { max_entries, entries } => {
            digest.update(max_entries.to_le_bytes());
            for (key, value) in entries {
                digest.update(key);
                digest.update(value);
            }
        }
        Contents::Ports { max_entries, ports } => {
            digest.update(max_entries.to_le_bytes());
            for (key, interface) in ports {
                digest.update(key);
                digest.update(interface);
                digest.update([0]);
            }
        }
        Contents::PortsByIndex { max_entries, names } => {
            digest.update(max_entries.to_le_bytes());
            for interface in names {
                digest.update(interface);
                digest.update([0]);
            }
        }
        Contents::Array { element, bytes } => {
            digest.update(element.to_le_bytes());
            digest.update(bytes);
        }
        // What it holds is the data path's; only the size is ours.
        Contents::Carried { max_entries, .. } => digest.update(max_entries.to_le_bytes()),
        Contents::Random { bytes } => digest.update(bytes.to_le_bytes()),
    }
    hex(&digest.finalize())
}

/// The digest of a file's contents.
pub fn of_bytes(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_digest_is_the_same_by_any_way() {
        let prefix = |text: &str| text.parse::<Cidr>().expect("a prefix");
        let entries =
            [("10.0.0.0/8", 1), ("10.0.0.0/9", 1), ("::/0", 1), ("0.0.0.0/0", 1), ("2001:db8::/32", 2)];
        let mut forward = ListDigest::default();
        entries.iter().for_each(|(text, value)| forward.add(prefix(text), *value));
        let mut backward = ListDigest::default();
        backward.add(prefix("192.0.2.1"), 7);
        entries.iter().rev().for_each(|(text, value)| backward.add(prefix(text), *value));
        assert_ne!(forward, backward);
        backward.remove(prefix("192.0.2.1"), 7);
        assert_eq!(forward, backward);
        assert_eq!(ListDigest::parse(&forward.text()), Some(forward));
        let mut other = forward;
        other.remove(prefix("::/0"), 1);
        other.add(prefix("::/0"), 2);
        assert_ne!(forward, other);
    }
}
