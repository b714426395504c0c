//! Two hosts on a cable reach each other from the first packet on.

mod fixture;

use lab::{Lab, LabError, PingReport, Topology, ping};

#[test]
fn hosts_ping_each_other_over_ipv4_and_ipv6_at_once() {
    let lab = fixture::up("pair", Topology::Pair, 2);
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    let all = PingReport { sent: 3, received: 3 };
    assert_eq!(ping(h1, h2.ipv4().into(), 3).unwrap(), all);
    assert_eq!(ping(h1, h2.ipv6().into(), 3).unwrap(), all);
    assert_eq!(ping(h2, h1.ipv4().into(), 3).unwrap(), all);
    assert_eq!(ping(h2, h1.ipv6().into(), 3).unwrap(), all);
}

#[test]
fn a_ping_without_an_answer_is_reported_as_such() {
    let lab = fixture::up("pair", Topology::Pair, 2);
    let [a, b, c, _] = lab.host("h1").ipv4().octets();
    let report = ping(lab.host("h1"), [a, b, c, 77].into(), 2).unwrap();
    assert!(report.sent > 0);
    assert_eq!(report.received, 0);
    // No route at all: ping cannot send, which is an error and not a loss.
    let unreachable = ping(lab.host("h1"), [192, 0, 2, 1].into(), 1);
    assert!(matches!(unreachable, Err(LabError::Ping { .. })), "{unreachable:?}");
}

#[test]
fn a_closure_runs_inside_and_its_panic_comes_out() {
    let lab = fixture::up("pair", Topology::Pair, 2);
    let h1 = lab.host("h1");
    let names = || nix::net::if_::if_nameindex().unwrap().iter().map(|i| i.name().to_owned()).collect();
    let inside: Vec<_> = h1.run(names).unwrap();
    assert_eq!(inside, [c"lo".to_owned(), c"to-h2".to_owned()]);
    let panicked = std::panic::catch_unwind(|| h1.run(|| panic!("from inside")));
    assert_eq!(*panicked.unwrap_err().downcast::<&str>().unwrap(), "from inside");
}

#[test]
fn a_pair_has_two_hosts() {
    let error = Lab::builder(fixture::unique("pair")).hosts(3).build().unwrap_err();
    assert!(matches!(error, LabError::HostCount { asked: 3, .. }), "{error}");
    assert_eq!(error.exit_code(), 2);
}
