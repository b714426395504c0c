//! Frames of any kind go through a cable unchanged.

mod fixture;

use etherparse::{EtherType, IpFragOffset, IpNumber, PacketBuilder, SingleVlanHeader, VlanId};
use lab::{Host, Topology, raw_listen, raw_send};

fn udp4(from: &Host, to: &Host) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(from.mac(), to.mac())
        .ipv4(from.ipv4().octets(), to.ipv4().octets(), 64)
        .udp(4000, 4001)
        .write(&mut frame, b"crafted")
        .unwrap();
    frame
}

/// Puts tags, outermost first, behind the MAC addresses.
fn tagged(frame: &[u8], tags: &[(u16, u16)]) -> Vec<u8> {
    let tags = tags.iter().flat_map(|(tpid, vlan)| [tpid.to_be_bytes(), vlan.to_be_bytes()].concat());
    frame[..12].iter().copied().chain(tags).chain(frame[12..].iter().copied()).collect()
}

#[test]
fn crafted_frames_arrive_byte_for_byte() {
    let lab = fixture::up("packet", Topology::Pair, 2);
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    let plain = udp4(h1, h2);
    let mut fragment = plain.clone();
    fragment[20..22].copy_from_slice(&(0x2000_u16 | 185).to_be_bytes());
    let mut v6 = Vec::new();
    PacketBuilder::ethernet2(h1.mac(), h2.mac())
        .ipv6(h1.ipv6().octets(), h2.ipv6().octets(), 64)
        .udp(4000, 4001)
        .write(&mut v6, b"crafted")
        .unwrap();
    // Hop-by-hop options (RFC 8200 section 4.3) between the IPv6 header and UDP.
    let mut extended = v6.clone();
    extended.splice(54..54, [17, 0, 1, 4, 0, 0, 0, 0]);
    extended[20] = 0;
    extended[19] += 8;
    let frames = [
        plain.clone(),
        tagged(&plain, &[(0x8100, 42)]),
        tagged(&plain, &[(0x88a8, 7), (0x8100, 42)]),
        tagged(&plain, &[(0x8100, 0)]),
        fragment,
        v6,
        extended,
        plain[..14].to_vec(),
    ];
    let listener = raw_listen(h2, h2.iface()).unwrap();
    assert_eq!(raw_send(h1, h1.iface(), &frames).unwrap(), frames.len());
    for (i, frame) in frames.iter().enumerate() {
        let found = listener.find(fixture::deadline(), |f| f == frame);
        assert!(found.is_some(), "frame {i} did not arrive as it was sent: {frame:02x?}");
    }
}

/// The tags above are what an independent parser takes for VLAN and fragment.
#[test]
fn an_independent_parser_reads_the_crafted_frames_alike() {
    let lab = fixture::up("packet", Topology::Pair, 2);
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    let listener = raw_listen(h2, h2.iface()).unwrap();
    let mut frame = tagged(&udp4(h1, h2), &[(0x8100, 42)]);
    frame[24..26].copy_from_slice(&(0x2000_u16 | 3).to_be_bytes());
    raw_send(h1, h1.iface(), &[&frame]).unwrap();
    let arrived = listener.find(fixture::deadline(), |f| f[12..14] == [0x81, 0]).unwrap();
    let (ethernet, rest) = etherparse::Ethernet2Header::from_slice(&arrived).unwrap();
    assert_eq!(ethernet.ether_type, EtherType::VLAN_TAGGED_FRAME);
    let (tag, rest) = SingleVlanHeader::from_slice(rest).unwrap();
    assert_eq!(tag.vlan_id, VlanId::try_new(42).unwrap());
    let (ip, _) = etherparse::Ipv4Header::from_slice(rest).unwrap();
    assert_eq!((ip.protocol, ip.more_fragments), (IpNumber::UDP, true));
    assert_eq!(ip.fragment_offset, IpFragOffset::try_new(3).unwrap());
}

#[test]
fn a_frame_on_an_unknown_interface_is_an_error() {
    let lab = fixture::up("packet", Topology::Pair, 2);
    let error = raw_send(lab.host("h1"), "nowhere", &[[0_u8; 60]]).unwrap_err();
    assert!(error.to_string().contains("`nowhere`"), "{error}");
}
