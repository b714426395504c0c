//! The logic against the model, through the counters' slots and back.

mod counters;

use counter::{model, rows::Subject};
use proptest::{collection::vec, prelude::*};
use testkit::{frames, random};

use crate::counters::Counters;

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_the_model(frames in vec(random::frame(), 1..12), icmp_types in any::<bool>()) {
        let mut counters = Counters::new(icmp_types);
        frames.iter().for_each(|frame| counters.count(frame));
        prop_assert_eq!(counters.snapshot(), model::count(frames.iter().map(Vec::as_slice), icmp_types));
    }

    /// No frame is counted in no row, and none twice but for its ICMP type.
    #[test]
    fn every_frame_is_counted_once(frame in random::frame()) {
        let mut counters = Counters::new(false);
        counters.count(&frame);
        let snapshot = counters.snapshot();
        prop_assert_eq!(snapshot.len(), 1);
        let count = snapshot.values().next().expect("one row");
        prop_assert_eq!((count.packets, count.bytes), (1, frame.len() as u64));
    }
}

/// As a later fragment and as 58 over IPv4, the same bytes are no ICMP type.
#[test]
fn icmp_types_are_counted_only_where_there_are_any() {
    let [source, destination] = [random::ADDRESSES_V4[0], random::ADDRESSES_V4[1]];
    let ip = frames::Ipv4 { source, destination, protocol: 1, ttl: 64, fragment: 0, options: Vec::new() };
    let frame = |ip: &frames::Ipv4| {
        frames::ethernet(&[], frames::IPV4, &frames::ipv4(ip, &frames::icmp(8, 0, [0; 4], b"")))
    };
    let expect = |ip: &frames::Ipv4, subjects: &[Subject]| {
        let mut counters = Counters::new(true);
        counters.count(&frame(ip));
        assert_eq!(counters.snapshot().into_keys().collect::<Vec<_>>(), subjects, "{ip:?}");
    };
    expect(&ip, &[Subject::Ipv4(1), Subject::Icmp(8)]);
    expect(&frames::Ipv4 { fragment: 0x2000, ..ip.clone() }, &[Subject::Ipv4(1), Subject::Icmp(8)]);
    expect(&frames::Ipv4 { fragment: 2, ..ip.clone() }, &[Subject::Ipv4(1)]);
    expect(&frames::Ipv4 { protocol: 58, ..ip }, &[Subject::Ipv4(58)]);
}
