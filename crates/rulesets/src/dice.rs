//! Chance that is the same everywhere: integers only, and no generator whose stream a new version may change.

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
pub(super) struct Dice(u64);

impl Dice {
    /// `stream` keeps users of one seed apart.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut dice = Self(seed);
        Self(dice.next() ^ stream)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn word(&mut self) -> u32 {
        (self.next() >> 32) as u32
    }

    /// 0 to `end - 1`.
    pub fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }

    pub fn between(&mut self, (first, last): (u16, u16)) -> u16 {
        first + self.below(usize::from(last - first) + 1) as u16
    }

    pub fn chance(&mut self, per_mille: u32) -> bool {
        (self.below(1000) as u32) < per_mille
    }

    /// The early ones more often: the first of `n` about ln(n) / n of the time, the last 1 / n².
    pub fn popular<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        let end = self.below(all.len()) + 1;
        &all[self.below(end)]
    }

    /// The early ones more often, but only twice the mean.
    pub fn sloping<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len()).min(self.below(all.len()))]
    }

    /// Each as often as its weight says.
    pub fn weighted<'a, T>(&mut self, all: &'a [(T, u32)]) -> &'a T {
        let sum: u32 = all.iter().map(|(_, weight)| weight).sum();
        let mut at = self.below(sum as usize) as u32;
        for (value, weight) in all {
            if at < *weight {
                return value;
            }
            at -= weight;
        }
        unreachable!("at is below the sum of the weights")
    }

    pub fn shuffle<T>(&mut self, all: &mut [T]) {
        for end in (2..=all.len()).rev() {
            all.swap(end - 1, self.below(end));
        }
    }
}
