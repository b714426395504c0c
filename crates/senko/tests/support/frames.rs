//! Frames that ordinary sockets would not send.

use etherparse::PacketBuilder;
use lab::Host;

/// An IPv4 packet of any protocol between two hosts.
pub fn ipv4(from: &Host, to: &Host, protocol: u8, payload: &[u8]) -> Vec<u8> {
    ipv4_from(from.ipv4().octets(), from, to, protocol, payload)
}

/// As if from another source address.
pub fn ipv4_from(source: [u8; 4], from: &Host, to: &Host, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(from.mac(), to.mac())
        .ipv4(source, to.ipv4().octets(), 64)
        .write(&mut frame, protocol.into(), payload)
        .expect("it fits");
    frame
}

pub fn ipv6(from: &Host, to: &Host, protocol: u8, payload: &[u8]) -> Vec<u8> {
    ipv6_from(from.ipv6().octets(), from, to, protocol, payload)
}

pub fn ipv6_from(source: [u8; 16], from: &Host, to: &Host, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(from.mac(), to.mac())
        .ipv6(source, to.ipv6().octets(), 64)
        .write(&mut frame, protocol.into(), payload)
        .expect("it fits");
    frame
}

pub fn udp4_from(source: [u8; 4], from: &Host, to: &Host, port: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(from.mac(), to.mac())
        .ipv4(source, to.ipv4().octets(), 64)
        .udp(4000, port)
        .write(&mut frame, payload)
        .expect("it fits");
    frame
}

pub fn udp6_from(source: [u8; 16], from: &Host, to: &Host, port: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(from.mac(), to.mac())
        .ipv6(source, to.ipv6().octets(), 64)
        .udp(4000, port)
        .write(&mut frame, payload)
        .expect("it fits");
    frame
}

/// A frame of any ethertype.
pub fn other(from: &Host, to: &Host, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    [&to.mac()[..], &from.mac()[..], &ethertype.to_be_bytes()[..], payload].concat()
}

/// Puts tags, outermost first, behind the MAC addresses.
pub fn tagged(frame: &[u8], tags: &[(u16, u16)]) -> Vec<u8> {
    let tags = tags.iter().flat_map(|(tpid, vlan)| [tpid.to_be_bytes(), vlan.to_be_bytes()].concat());
    frame[..12].iter().copied().chain(tags).chain(frame[12..].iter().copied()).collect()
}

/// Puts extension headers between an untagged IPv6 header and what follows: `(number, the header but for its first
/// byte)`, in order.
pub fn extended(frame: &[u8], headers: &[(u8, &[u8])]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    let mut next = frame[20];
    let mut at_front = Vec::new();
    for (number, rest) in headers.iter().rev() {
        at_front = [&[next][..], rest, &at_front].concat();
        next = *number;
    }
    frame[20] = next;
    let payload = u16::from_be_bytes([frame[18], frame[19]]) + at_front.len() as u16;
    frame[18..20].copy_from_slice(&payload.to_be_bytes());
    frame.splice(54..54, at_front);
    frame
}

/// An extension header of eight bytes, but for its first: no length, PadN over the rest.
pub const OPTIONS: &[u8] = &[0, 1, 4, 0, 0, 0, 0];

/// A fragment header but for its first byte, with an offset in eight bytes.
pub fn fragment(offset: u16, more: bool) -> [u8; 7] {
    let field = (offset << 3 | u16::from(more)).to_be_bytes();
    [0, field[0], field[1], 0, 0, 0, 77]
}

/// Makes an untagged IPv4 frame a fragment.
pub fn fragmented(frame: &[u8], offset: u16, more: bool) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame[20..22].copy_from_slice(&(offset | u16::from(more) << 13).to_be_bytes());
    checksummed(&frame)
}

/// With the IPv4 header's checksum set right.
pub fn checksummed(frame: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame[24..26].fill(0);
    let end = 14 + usize::from(frame[14] & 15) * 4;
    let mut sum: u32 =
        frame[14..end].chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    frame[24..26].copy_from_slice(&(!sum as u16).to_be_bytes());
    frame
}
