//! Hosts in subnets of their own, joined by a router that forwards.

mod fixture;

use lab::{PingReport, Topology, ping};

#[test]
fn the_router_forwards_between_all_hosts() {
    let lab = fixture::up("router", Topology::Router, 3);
    let hosts = &lab.hosts()[..3];
    for (from, to) in [(0, 1), (1, 2), (2, 0)] {
        for target in [hosts[to].ipv4().into(), hosts[to].ipv6().into()] {
            let report = ping(&hosts[from], target, 2).unwrap();
            assert_eq!(report, PingReport { sent: 2, received: 2 }, "h{} -> {target}", from + 1);
        }
    }
}

/// What passes between the hosts passes through `r`: without forwarding there, nothing arrives.
#[test]
fn nothing_passes_when_the_router_does_not_forward() {
    let lab = fixture::up("router", Topology::Router, 2);
    let (h1, h2, r) = (lab.host("h1"), lab.host("h2"), lab.host("r"));
    let stop = || {
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "0").unwrap();
        std::fs::write("/proc/sys/net/ipv6/conf/all/forwarding", "0").unwrap();
    };
    r.run(stop).unwrap();
    assert_eq!(ping(h1, h2.ipv4().into(), 2).unwrap().received, 0);
    assert_eq!(ping(h1, h2.ipv6().into(), 2).unwrap().received, 0);
    let near = r.interface("to-h1");
    assert_eq!(ping(h1, near.ipv4.unwrap().into(), 2).unwrap().received, 2);
    assert_eq!(ping(h1, near.ipv6.unwrap().into(), 2).unwrap().received, 2);
}

#[test]
fn only_the_router_forwards() {
    let lab = fixture::up("router", Topology::Router, 2);
    for host in lab.hosts() {
        let forwards = || {
            let read = |path| std::fs::read_to_string(path).unwrap().trim() == "1";
            (read("/proc/sys/net/ipv4/ip_forward"), read("/proc/sys/net/ipv6/conf/all/forwarding"))
        };
        let expected = host.name() == "r";
        assert_eq!(host.run(forwards).unwrap(), (expected, expected), "{}", host.name());
    }
}
