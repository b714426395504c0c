//! The parser against a naive one made of slices: on valid frames, on damaged ones, on noise, and on every truncation.

use proptest::prelude::*;
use wire::{Frame, Headers, Malformed, model, parse};

fn parsed(bytes: &[u8], length: usize) -> Result<Headers, Malformed> {
    parse(&Frame::new(&mut bytes.to_vec()), length as u64)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_the_model_on_any_frame(bytes in testkit::random::frame()) {
        model::agrees(&bytes, bytes.len());
    }

    /// A frame whose first buffer holds only its beginning, as captures and multi-buffer frames are.
    #[test]
    fn agrees_with_the_model_on_the_beginning_of_a_longer_frame(
        bytes in testkit::random::frame(),
        more in 0..3000_usize,
    ) {
        model::agrees(&bytes, bytes.len() + more);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_truncation_is_an_error_or_the_same_headers(bytes in testkit::random::valid()) {
        let whole = parsed(&bytes, bytes.len());
        for end in 0..bytes.len() {
            model::agrees(&bytes[..end], end);
            if let (Ok(cut), Ok(whole)) = (parsed(&bytes[..end], end), &whole) {
                prop_assert_eq!(&cut, whole, "cut to {}", end);
            }
            if end < 14 {
                prop_assert_eq!(parsed(&bytes[..end], end), Err(Malformed::EthernetTruncated));
            }
        }
    }
}
