//! Rates: the generic cell rate algorithm, one word of state for each bucket.

use classify::{Key, WORDS};

use crate::shared::{Limit, WHOLE};

/// Takes a packet's worth out of a bucket. `arrival`: when the next packet is due by the rate, in nanoseconds. `true`: it
/// comes too early, and changes nothing.
#[inline(always)]
pub fn exceeds(arrival: &mut u64, now: u64, limit: &Limit) -> bool {
    let due = if *arrival < now { now } else { *arrival };
    if due - now > limit.tolerance {
        // What another limit with a longer interval left here: not later than this one's bucket can be.
        let latest = now + limit.tolerance + limit.interval;
        if due > latest {
            *arrival = latest;
        }
        return true;
    }
    *arrival = due + limit.interval;
    false
}

/// The bucket of what shares one, by the address's leading bits under this limit. `mask`: buckets that addresses share, less
/// one; behind them are those of limits that have one of their own. `seed`: a secret, by which addresses that share one are
/// nobody's to choose.
#[inline(always)]
pub fn bucket(limit: &Limit, key: &Key, mask: u32, seed: u64) -> u32 {
    if limit.word == WHOLE {
        return mask + 1 + limit.number;
    }
    let at =
        |index: u32| u64::from(key[(limit.word + index) as usize & (WORDS - 1)] & limit.mask[index as usize]);
    // The number is mixed in by itself: put into the address' own bits, one rule's bucket of one network would be the next
    // rule's of the network beside it.
    let hash = mix(mix(seed, u64::from(limit.number) + 1), at(0) << 32 | at(1));
    (mix(hash, at(2) << 32 | at(3)) >> 32) as u32 & mask
}

/// Multiply and shift, twice: SplitMix64's finaliser (Steele, Lea, Flood, 2014).
#[inline(always)]
const fn mix(state: u64, value: u64) -> u64 {
    let mut hash = (state ^ value).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash ^= hash >> 27;
    hash = hash.wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ hash >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN_A_SECOND: Limit =
        Limit { interval: 100_000_000, tolerance: 900_000_000, mask: [0; 4], word: 0, number: 0 };

    #[test]
    fn a_burst_and_then_the_rate() {
        let mut arrival = 0;
        let mut passed = 0;
        // A packet each millisecond for three seconds.
        for millisecond in 0..3000_u64 {
            let now = 5_000_000_000 + millisecond * 1_000_000;
            passed += u32::from(!exceeds(&mut arrival, now, &TEN_A_SECOND));
        }
        assert_eq!(passed, 10 + 29);
    }

    #[test]
    fn buckets_are_by_the_masked_address() {
        let of = |mask: [u32; 4], address: [u32; 4]| {
            let mut key = [9; WORDS];
            key[4..8].copy_from_slice(&address);
            bucket(&Limit { mask, word: 4, number: 3, ..TEN_A_SECOND }, &key, u32::MAX >> 1, 5)
        };
        let v4 = [0xffff_ff00, 0, 0, 0];
        assert_eq!(of(v4, [0x0a00_0001, 0, 0, 0]), of(v4, [0x0a00_00fe, 5, 5, 5]));
        assert_ne!(of(v4, [0x0a00_0001, 0, 0, 0]), of(v4, [0x0a00_0101, 0, 0, 0]));
        let v6 = [u32::MAX, u32::MAX, 0, 0];
        assert_eq!(of(v6, [1, 2, 3, 4]), of(v6, [1, 2, 9, 9]));
        assert_ne!(of(v6, [1, 2, 3, 4]), of(v6, [1, 3, 3, 4]));
    }

    #[test]
    fn neighbours_under_neighbouring_rules_have_buckets_of_their_own() {
        let mut all = std::collections::BTreeSet::new();
        for number in 0..32 {
            for network in 0..32 {
                let mut key = [0; WORDS];
                key[4..6].copy_from_slice(&[0x2001_0db8, network]);
                let limit = Limit { mask: [u32::MAX, u32::MAX, 0, 0], word: 4, number, ..TEN_A_SECOND };
                all.insert(bucket(&limit, &key, u32::MAX >> 1, 5));
            }
        }
        assert_eq!(all.len(), 32 * 32);
    }

    #[test]
    fn a_limit_without_address_shares_with_nobody() {
        let of = |number| bucket(&Limit { word: WHOLE, number, ..TEN_A_SECOND }, &[7; WORDS], 0xff, 5);
        assert_eq!([of(0), of(1), of(2)], [0x100, 0x101, 0x102]);
    }

    /// Addresses that somebody chose under one seed, because they share a victim's bucket, share it under no other but by
    /// chance: 1 in 256 here.
    #[test]
    fn who_shares_a_bucket_is_the_seeds() {
        let of = |seed, address: u32| {
            let mut key = [0; WORDS];
            key[4] = address;
            bucket(&Limit { mask: [u32::MAX, 0, 0, 0], word: 4, ..TEN_A_SECOND }, &key, 0xff, seed)
        };
        let victim = 0xc000_0201;
        let chosen: Vec<u32> = (0..1 << 18).filter(|own| of(1, *own) == of(1, victim)).collect();
        assert!((800..1300).contains(&chosen.len()), "{}", chosen.len());
        for seed in [0, 2, 1 << 40, u64::MAX] {
            let still = chosen.iter().filter(|own| of(seed, **own) == of(seed, victim)).count();
            assert!(still < 30, "{still} of {} under {seed}", chosen.len());
        }
    }

    #[test]
    fn what_a_longer_interval_left_is_not_waited_for() {
        let now = 5_000_000_000;
        let mut arrival = now + 3_600_000_000_000;
        assert!(exceeds(&mut arrival, now, &TEN_A_SECOND));
        assert!(!exceeds(&mut arrival, now + 100_000_000, &TEN_A_SECOND));
    }
}
