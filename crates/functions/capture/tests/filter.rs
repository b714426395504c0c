//! The filter against its model, from arguments and frames to captured or not.

use std::{cell::Cell, net::IpAddr};

use capture::{
    cli::FilterArgs,
    filter::{FilterError, FilterValues},
    logic, model,
};
use proptest::{prelude::*, test_runner::TestRunner};
use testkit::random::{self, ADDRESSES_V4, ADDRESSES_V6, PORTS};
use wire::{Frame, parse};

fn captured(filter: &FilterValues, bytes: &[u8]) -> bool {
    let mut copy = bytes.to_vec();
    let frame = Frame::new(&mut copy);
    match parse(&frame, bytes.len() as u64) {
        Ok(headers) => logic::wanted(&frame, &headers, filter),
        Err(_) => logic::wants_malformed(filter),
    }
}

/// Mostly one or two parts: with more hardly any frame matches.
fn arguments() -> impl Strategy<Value = FilterArgs> {
    const NAMES: [&str; 10] = ["tcp", "udp", "icmp", "ICMPv6", "sctp", "arp", "lldp", "1", "58", "6"];
    let proto = prop::option::weighted(0.4, prop::sample::select(&NAMES[..]).prop_map(Into::into));
    let port = prop::option::weighted(0.3, prop::sample::select(&PORTS[..]));
    let v4 = prop::sample::select(&ADDRESSES_V4[..]).prop_map(IpAddr::V4);
    let v6 = prop::sample::select(&ADDRESSES_V6[..]).prop_map(IpAddr::V6);
    let host = prop::option::weighted(0.3, prop_oneof![v4, v6]);
    let version = prop_oneof![4 => Just((false, false)), 1 => Just((true, false)), 1 => Just((false, true))];
    (prop::bool::weighted(0.15), proto, port, host, version)
        .prop_map(|(syn, proto, port, host, (ipv4, ipv6))| FilterArgs { syn, proto, port, host, ipv4, ipv6 })
}

#[test]
fn agrees_with_the_model() {
    let config = ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() };
    let (taken, left) = (Cell::new(0), Cell::new(0));
    let result = TestRunner::new(config).run(&(arguments(), random::frame()), |(args, frame)| {
        let Ok(filter) = FilterValues::from_args(&args) else { return Ok(()) };
        let expected = model::captured(&args, &frame);
        let counter = if expected { &taken } else { &left };
        counter.set(counter.get() + 1);
        prop_assert_eq!(captured(&filter, &frame), expected);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    // Both outcomes must be met often, or the test says little.
    assert!(taken.get() > 1000 && left.get() > 1000, "{} captured, {} not", taken.get(), left.get());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5000, failure_persistence: None, ..ProptestConfig::default() })]

    /// What `from_args` refuses, no frame could have matched.
    #[test]
    fn refused_filters_match_nothing(args in arguments(), frame in random::frame()) {
        match FilterValues::from_args(&args) {
            // 58 over IPv4 and 1 over IPv6 have no ports either, but numbers are taken as they are.
            Err(FilterError::UnknownProtocol(_)) => return Err(TestCaseError::fail("all names are known")),
            Err(_) => prop_assert!(!model::captured(&args, &frame)),
            Ok(_) => {}
        }
    }

    #[test]
    fn the_empty_filter_takes_everything(frame in random::frame()) {
        prop_assert!(captured(&FilterValues::default(), &frame));
        prop_assert!(model::captured(&FilterArgs::default(), &frame));
    }
}
