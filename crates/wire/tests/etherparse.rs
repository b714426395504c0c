//! The parser against etherparse, which others wrote, on valid frames: Ethernet, VLAN, QinQ, IPv4 with options, IPv6 with
//! extension headers, fragments, TCP, UDP, ICMP and ICMPv6.

use etherparse::{NetSlice, SlicedPacket, TcpHeaderSlice, TransportSlice, UdpHeaderSlice};
use proptest::prelude::*;
use wire::{Fragment, Frame, Headers, Malformed, parse, transport};

/// Values that etherparse walks over in IPv6; it stops at mobility, HIP and shim6, which we walk over.
const KNOWN_TO_BOTH: [u8; 5] = [0, 43, 44, 51, 60];
const OURS_ALONE: [u8; 3] = [135, 139, 140];

/// What etherparse found: version, protocol, whether it is a fragment, offset of the payload.
fn network(bytes: &[u8], packet: &SlicedPacket<'_>) -> Option<(u8, u8, bool, usize)> {
    let payload = packet.net.as_ref()?.ip_payload_ref()?;
    let at = payload.payload.as_ptr() as usize - bytes.as_ptr() as usize;
    let version = if packet.net.as_ref()?.is_ipv4() { 4 } else { 6 };
    Some((version, payload.ip_number.0, payload.fragmented, at))
}

/// Both understood the frame as IP; returns whether there was anything to compare.
fn compare(bytes: &[u8]) -> Result<bool, TestCaseError> {
    let Ok(packet) = SlicedPacket::from_ethernet(bytes) else { return Ok(false) };
    let Some((version, protocol, fragmented, at)) = network(bytes, &packet) else { return Ok(false) };
    if packet.link_exts.len() > 2 || OURS_ALONE.contains(&protocol) {
        return Ok(false);
    }
    let mut copy = bytes.to_vec();
    let frame = Frame::new(&mut copy);
    let headers = match parse(&frame, bytes.len() as u64) {
        Ok(headers) => headers,
        // A limit of ours, and said so: no host sends that many.
        Err(Malformed::Ipv6TooManyExtensions) => return Ok(false),
        Err(malformed) => {
            return Err(TestCaseError::fail(format!("{malformed:?}, but etherparse takes it: {packet:?}")));
        }
    };
    prop_assert_eq!((headers.version, usize::from(headers.tags)), (version, packet.link_exts.len()));
    prop_assert_eq!(headers.fragment() != Fragment::Whole, fragmented);
    prop_assert_eq!(headers.fragment() == Fragment::Later, offset(&packet) != 0);
    // AH over IPv4 is a protocol to us and an extension to etherparse; behind the offset of a later fragment is data.
    let is_ah = version == 4 && headers.protocol == 51;
    if is_ah || (headers.fragment() == Fragment::Later && version == 6) {
        return Ok(true);
    }
    prop_assert_eq!((headers.protocol, headers.transport_offset()), (protocol, at));
    compare_transport(&frame, &headers, &packet, &bytes[at..])?;
    Ok(true)
}

/// The fragment offset in bytes.
fn offset(packet: &SlicedPacket<'_>) -> usize {
    match &packet.net {
        Some(NetSlice::Ipv4(ip)) => usize::from(ip.header().fragments_offset().value()) * 8,
        Some(NetSlice::Ipv6(ip)) => ip
            .extensions()
            .clone()
            .into_iter()
            .filter_map(|extension| match extension {
                etherparse::Ipv6ExtensionSlice::Fragment(fragment) => {
                    Some(usize::from(fragment.fragment_offset().value()) * 8)
                }
                _ => None,
            })
            .sum(),
        _ => 0,
    }
}

fn compare_transport(
    frame: &Frame<'_>,
    headers: &Headers,
    packet: &SlicedPacket<'_>,
    payload: &[u8],
) -> Result<(), TestCaseError> {
    let Ok(ours) = transport::transport(frame, headers) else { return Ok(()) };
    match &packet.transport {
        Some(TransportSlice::Tcp(tcp)) => {
            prop_assert_eq!(
                (ours.source_port, ours.destination_port),
                (tcp.source_port(), tcp.destination_port())
            );
            let bits =
                [tcp.fin(), tcp.syn(), tcp.rst(), tcp.psh(), tcp.ack(), tcp.urg(), tcp.ece(), tcp.cwr()];
            let flags = bits.iter().rev().fold(0, |flags, bit| flags << 1 | u8::from(*bit));
            prop_assert_eq!(ours.tcp_flags, flags);
        }
        Some(TransportSlice::Udp(udp)) => {
            prop_assert_eq!(
                (ours.source_port, ours.destination_port),
                (udp.source_port(), udp.destination_port())
            );
        }
        Some(TransportSlice::Icmpv4(icmp)) if headers.version == 4 => {
            prop_assert_eq!((ours.icmp_type, ours.icmp_code), (icmp.type_u8(), icmp.code_u8()));
        }
        Some(TransportSlice::Icmpv6(icmp)) if headers.version == 6 => {
            prop_assert_eq!((ours.icmp_type, ours.icmp_code), (icmp.type_u8(), icmp.code_u8()));
        }
        // etherparse leaves the headers of fragments alone; in a first one they are there.
        None if headers.fragment() == Fragment::First && headers.protocol == 6 => {
            if let Ok(tcp) = TcpHeaderSlice::from_slice(payload) {
                prop_assert_eq!(
                    (ours.source_port, ours.destination_port),
                    (tcp.source_port(), tcp.destination_port())
                );
            }
        }
        None if headers.fragment() == Fragment::First && headers.protocol == 17 => {
            if let Ok(udp) = UdpHeaderSlice::from_slice(payload) {
                prop_assert_eq!(
                    (ours.source_port, ours.destination_port),
                    (udp.source_port(), udp.destination_port())
                );
            }
        }
        _ => {}
    }
    Ok(())
}

/// Runs over many valid frames and counts those that were compared, so that the test cannot go blind.
#[test]
fn agrees_with_etherparse_on_valid_frames() {
    let config = ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() };
    let compared = std::cell::Cell::new(0);
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let result = runner.run(&testkit::random::valid(), |bytes| {
        compared.set(compared.get() + u32::from(compare(&bytes)?));
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    assert!(compared.get() > 2000, "etherparse took only {} of 4000 frames", compared.get());
}

/// Every extension header that both know, one at a time and all in the order of RFC 8200 section 4.1.
#[test]
fn agrees_on_every_extension_header() {
    use testkit::frames::{self, Extension, Ipv6};
    let extension = |number| match number {
        44 => Extension::Fragment(0),
        51 => Extension::Authentication(4),
        _ => Extension::Options(number, 1),
    };
    let chains: Vec<Vec<u8>> =
        KNOWN_TO_BOTH.iter().map(|number| vec![*number]).chain([vec![0, 60, 43, 44, 51, 60]]).collect();
    for chain in chains {
        let [source, destination] = [testkit::random::ADDRESSES_V6[0], testkit::random::ADDRESSES_V6[1]];
        let extensions = chain.iter().copied().map(extension).collect();
        let ip = Ipv6 { source, destination, protocol: 17, hop_limit: 64, extensions };
        let frame = frames::ethernet(&[], frames::IPV6, &frames::ipv6(&ip, &frames::udp(53, 80, b"x")));
        let compared = compare(&frame).unwrap_or_else(|error| panic!("{chain:?}: {error}"));
        assert!(compared, "{chain:?}: etherparse does not take it");
    }
}
