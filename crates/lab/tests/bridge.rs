//! Hosts in one subnet on the ports of a bridge.

mod fixture;

use lab::{PingReport, Topology, ping, raw_listen, raw_send};

#[test]
fn all_hosts_reach_each_other_and_the_bridge() {
    let lab = fixture::up("bridge", Topology::Bridge, 3);
    let hosts = lab.hosts();
    for (from, to) in [(0, 1), (1, 2), (2, 0), (0, 3)] {
        for target in [hosts[to].ipv4().into(), hosts[to].ipv6().into()] {
            let report = ping(&hosts[from], target, 2).unwrap();
            assert_eq!(report, PingReport { sent: 2, received: 2 }, "h{} -> {target}", from + 1);
        }
    }
}

/// One layer-2 network: a frame of no known protocol for everybody reaches every other host.
#[test]
fn a_broadcast_frame_reaches_every_other_host() {
    let lab = fixture::up("bridge", Topology::Bridge, 3);
    let (h2, h3) = (lab.host("h2"), lab.host("h3"));
    let (at_h2, at_h3) = (raw_listen(h2, "to-r").unwrap(), raw_listen(h3, "to-r").unwrap());
    let mut frame = vec![0xff; 6];
    frame.extend(lab.host("h1").mac());
    frame.extend([0x88, 0xb5]); // IEEE 802 local experimental ethertype
    frame.extend([0x5e; 50]);
    raw_send(lab.host("h1"), "to-r", &[&frame]).unwrap();
    for listener in [at_h2, at_h3] {
        assert!(listener.find(fixture::deadline(), |f| f == frame).is_some());
    }
}
