//! The promises on random bytes, on what is nearly right, and on what is right but for some bytes.

use proptest::{collection::vec, prelude::*, sample::Index};

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Bytes of which some are others, and perhaps the end is missing.
fn damaged(good: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let edits = vec((any::<Index>(), any::<u8>()), 0..6);
    (edits, prop::option::weighted(0.2, any::<Index>())).prop_map(move |(edits, end)| {
        let mut bytes = good.clone();
        for (at, value) in edits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(end) = end {
            bytes.truncate(end.index(bytes.len()));
        }
        bytes
    })
}

proptest! {
    #![proptest_config(config(4000))]

    #[test]
    fn packets(behind in prop_oneof![3 => Just(0), 1 => 0..3000_u16], frame in testkit::random::frame()) {
        invariants::packet(&[&behind.to_le_bytes()[..], &frame].concat());
    }

    #[test]
    fn filters(
        words in vec(prop::sample::select(&[
            "--syn", "--proto", "tcp", "udp", "icmp", "58", "arp", "none", "256", "--port", "53", "443", "65536",
            "--host", "10.0.0.1", "2001:db8::1", "::", "-4", "-6", "--ipv4", "--", "-46",
        ][..]), 0..6),
        frame in testkit::random::frame(),
    ) {
        invariants::filter(&[words.join(" ").as_bytes(), b"\n", &frame].concat());
    }

    #[test]
    fn captures(bytes in vec(any::<u8>(), 0..600)) {
        invariants::pcapng(&bytes);
    }

    #[test]
    fn nearly_nothing(bytes in vec(any::<u8>(), 0..80)) {
        invariants::packet(&bytes);
        invariants::filter(&bytes);
        invariants::configuration(&bytes);
        invariants::object(&[b"\x7fELF\x02\x01\x01", &bytes[..]].concat());
    }
}

proptest! {
    #![proptest_config(config(8))]

    #[test]
    fn objects(bytes in damaged(engine::pipeline_object().to_vec())) {
        invariants::object(&bytes);
    }
}

/// Found by the fuzzer: what it kept of an object file whose symbol's name has a control character.
#[test]
fn a_name_in_an_object_is_shown_without_what_a_terminal_obeys() {
    let crash = include_bytes!("found/object-name");
    invariants::object(crash);
    let said = engine::prepared(crash).expect_err("it is damaged").to_string();
    assert!(said.contains("\\u{7f}"), "{said}");
}
