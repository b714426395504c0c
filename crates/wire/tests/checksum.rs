//! The incremental checksum against the full one, and the full one against an independent routine and etherparse.

use proptest::{collection::vec, prelude::*};
use wire::checksum::{full, update};

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn full_is_what_others_compute(bytes in vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(full(&bytes), testkit::frames::internet_checksum(&[&bytes]));
        let theirs = etherparse::checksum::Sum16BitWords::new().add_slice(&bytes).ones_complement();
        prop_assert_eq!(full(&bytes), u16::from_be(theirs));
    }

    /// Any number of changes, one after the other.
    #[test]
    fn update_is_full_recomputed(
        mut words in vec(any::<u16>(), 1..40),
        changes in vec((any::<prop::sample::Index>(), prop_oneof![any::<u16>(), Just(0), Just(0xffff)]), 1..6),
    ) {
        let bytes = |words: &[u16]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
        let mut sum = full(&bytes(&words));
        for (at, new) in changes {
            let at = at.index(words.len());
            sum = update(sum, words[at], new);
            words[at] = new;
        }
        let expected = full(&bytes(&words));
        if words.iter().all(|word| *word == 0) {
            // Of nothing but zeroes the sum is +0, which no sequence of updates can tell from -0 (RFC 1624 section 3).
            prop_assert!(sum == expected || sum == !expected);
        } else {
            prop_assert_eq!(sum, expected);
        }
    }
}
