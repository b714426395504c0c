//! Random prefix lists, the same in every run.

use std::collections::BTreeSet;

use prefix::{PrefixV4, PrefixV6};

/// xorshift64* (Vigna 2016).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn length(&mut self, lengths: std::ops::RangeInclusive<u8>) -> u8 {
        lengths.start() + (self.next() >> 32) as u8 % (lengths.end() - lengths.start() + 1)
    }
}

/// `count` different prefixes of lengths /16 to /32, each length as likely, addresses anywhere. Sorted.
pub fn random_v4(count: usize) -> Vec<PrefixV4> {
    let mut random = Random::new(0x4a5e_2026);
    let mut prefixes = BTreeSet::new();
    while prefixes.len() < count {
        let length = random.length(16..=32);
        prefixes.extend(PrefixV4::truncated((random.next() >> 32) as u32, length));
    }
    prefixes.into_iter().collect()
}

/// `count` different prefixes of lengths /32 to /64 in 2000::/3. Sorted.
pub fn random_v6(count: usize) -> Vec<PrefixV6> {
    let mut random = Random::new(0x6a5e_2026);
    let mut prefixes = BTreeSet::new();
    while prefixes.len() < count {
        let length = random.length(32..=64);
        let address = u128::from(random.next()) << 64;
        prefixes.extend(PrefixV6::truncated(1 << 125 | address >> 3, length));
    }
    prefixes.into_iter().collect()
}
