//! TCP carries real bytes both ways, and the exchange says so only when it did.

mod fixture;

use std::time::Duration;

use lab::{LabError, Topology, tcp_echo_server, tcp_exchange};

#[test]
fn bytes_go_there_and_back_over_ipv4_and_ipv6() {
    let lab = fixture::up("tcp", Topology::Router, 2);
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    let server = tcp_echo_server(h2, 0).unwrap();
    let bytes = 1_000_000;
    for (round, target) in [(1, h2.ipv4().into()), (2, h2.ipv6().into())] {
        let report = tcp_exchange(h1, (target, server.port()), bytes, fixture::deadline()).unwrap();
        assert_eq!(report.bytes, bytes);
        assert_eq!(server.bytes(), round * bytes as u64);
    }
}

#[test]
fn a_closed_port_and_a_cut_cable_are_errors_in_time() {
    let lab = fixture::up("tcp", Topology::Pair, 2);
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    let refused = tcp_exchange(h1, (h2.ipv4().into(), 9), 10, fixture::deadline()).unwrap_err();
    assert!(matches!(refused, LabError::Traffic { action: "connect", .. }), "{refused}");

    let server = tcp_echo_server(h2, 0).unwrap();
    fixture::succeed(h2.command("ip").args(["link", "set", h2.iface(), "down"]));
    let target = (h2.ipv4().into(), server.port());
    let cut = tcp_exchange(h1, target, 10, Duration::from_millis(300)).unwrap_err();
    assert!(matches!(cut, LabError::Traffic { action: "connect", .. }), "{cut}");
}
