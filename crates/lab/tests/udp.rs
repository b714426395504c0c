//! The UDP sink counts what really arrived.

mod fixture;

use std::time::Duration;

use lab::{Topology, udp_send, udp_sink};

#[test]
fn every_datagram_is_counted_once_with_its_payload() {
    let lab = fixture::up("udp", Topology::Pair, 2);
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    let mut sink = udp_sink(h2, 0).unwrap();
    udp_send(h1, h2.ipv4().into(), sink.port(), b"over four", 1000).unwrap();
    assert_eq!(sink.wait_for(1000, fixture::deadline()), 1000);
    assert_eq!(sink.last(), b"over four");
    udp_send(h1, h2.ipv6().into(), sink.port(), b"over six", 500).unwrap();
    assert_eq!(sink.wait_for(1500, fixture::deadline()), 1500);
    assert_eq!(sink.last(), b"over six");
    assert_eq!(sink.bytes(), 1000 * 9 + 500 * 8);
}

#[test]
fn a_sink_does_not_count_what_goes_elsewhere() {
    let lab = fixture::up("udp", Topology::Pair, 2);
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    let (mut here, mut there) = (udp_sink(h2, 0).unwrap(), udp_sink(h2, 0).unwrap());
    udp_send(h1, h2.ipv4().into(), there.port(), b"x", 5).unwrap();
    assert_eq!(there.wait_for(5, fixture::deadline()), 5);
    assert_eq!(here.count(), 0);
    assert_eq!(here.wait_for(1, Duration::from_millis(50)), 0);
}
