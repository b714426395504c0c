//! What leaves a host is what a network card would put on the wire, and redirected frames arrive.

mod fixture;

#[path = "fixture/xdp.rs"]
mod xdp;

use etherparse::{PacketHeaders, TransportHeader};
use lab::{Topology, raw_listen, raw_send, udp_send};

/// With checksum offload a veth would deliver the pseudo-header sum only.
#[test]
fn udp_checksums_are_complete_when_they_arrive() {
    let lab = fixture::up("offloads", Topology::Pair, 2);
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    let listener = raw_listen(h2, h2.iface()).unwrap();
    for target in [h2.ipv4().into(), h2.ipv6().into()] {
        udp_send(h1, target, 4001, b"some payload", 1).unwrap();
        let is_udp = |f: &[u8]| {
            let packet = PacketHeaders::from_ethernet_slice(f);
            packet.is_ok_and(|p| matches!(p.transport, Some(TransportHeader::Udp(_))))
        };
        let frame = listener.find(fixture::deadline(), is_udp).unwrap();
        let packet = PacketHeaders::from_ethernet_slice(&frame).unwrap();
        let Some(TransportHeader::Udp(udp)) = packet.transport else { unreachable!() };
        let sum = match packet.net.unwrap() {
            etherparse::NetHeaders::Ipv4(ip, _) => udp.calc_checksum_ipv4(&ip, packet.payload.slice()),
            etherparse::NetHeaders::Ipv6(ip, _) => udp.calc_checksum_ipv6(&ip, packet.payload.slice()),
            other => panic!("{other:?}"),
        };
        assert_eq!(udp.checksum, sum.unwrap(), "to {target}");
    }
}

/// h1 -> r, where an XDP program redirects every frame to h2's cable. h2 has no program of its own:
/// without GRO on its end, the kernel would drop all of them silently. Before 5.13 it does all the same: only a program helps.
#[test]
fn a_host_without_a_program_accepts_redirected_frames() {
    let lab = fixture::up("offloads", Topology::Router, 2);
    let (h1, h2, r) = (lab.host("h1"), lab.host("h2"), lab.host("r"));
    let program = xdp::redirect_to(r.interface("to-h2").index);
    let _link = r.run(|| xdp::attach_native(&program, r.interface("to-h1").index)).unwrap();
    let listener = raw_listen(h2, "to-r").unwrap();
    let mut frame = [h2.mac(), h1.mac()].concat();
    frame.extend([0x88, 0xb5]);
    frame.extend([0x5e; 50]);
    raw_send(h1, "to-r", &[&frame]).unwrap();
    let release = nix::sys::utsname::uname().unwrap().release().to_string_lossy().into_owned();
    let mut numbers = release.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    let program;
    let _there;
    if (numbers.next(), numbers.next()) < (Some(5), Some(13)) {
        assert!(listener.find(std::time::Duration::from_millis(500), |f| f == frame).is_none());
        program = xdp::pass();
        _there = h2.run(|| xdp::attach_native(&program, h2.interface("to-r").index)).unwrap();
        raw_send(h1, "to-r", &[&frame]).unwrap();
    }
    assert!(listener.find(fixture::deadline(), |f| f == frame).is_some());
}
