//! Frames, header by header, from the innermost out: each function puts one header before the bytes it is given.

use std::net::{Ipv4Addr, Ipv6Addr};

pub const IPV4: u16 = 0x0800;
pub const ARP: u16 = 0x0806;
pub const IPV6: u16 = 0x86dd;

pub const ICMP: u8 = 1;
pub const TCP: u8 = 6;
pub const UDP: u8 = 17;
pub const ICMPV6: u8 = 58;

/// The Internet checksum by RFC 1071's own words: sum up 16-bit words, add the carries, complement.
pub fn internet_checksum(parts: &[&[u8]]) -> u16 {
    let bytes: Vec<u8> = parts.concat();
    let mut sum = 0_u32;
    for at in (0..bytes.len()).step_by(2) {
        let low = if at + 1 < bytes.len() { bytes[at + 1] } else { 0 };
        sum += u32::from(bytes[at]) * 256 + u32::from(low);
        if sum >= 0x1_0000 {
            sum -= 0xffff;
        }
    }
    !(sum as u16)
}

/// Ethernet with VLAN tags, given as (tag type, control information), outermost first.
pub fn ethernet(tags: &[(u16, u16)], ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x02, 0, 0, 0, 0, 0x01, 0x02, 0, 0, 0, 0, 0x02];
    for (tag_type, control) in tags {
        frame.extend(tag_type.to_be_bytes());
        frame.extend(control.to_be_bytes());
    }
    frame.extend(ethertype.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The parts of an IPv4 header that tests vary.
#[derive(Debug, Clone)]
pub struct Ipv4 {
    pub source: Ipv4Addr,
    pub destination: Ipv4Addr,
    pub protocol: u8,
    pub ttl: u8,
    /// Flags and offset as they stand in the header.
    pub fragment: u16,
    /// Padded to whole words with zeroes, which end the list.
    pub options: Vec<u8>,
}

/// Wraps `payload` in an IPv4 header with a right checksum.
pub fn ipv4(ip: &Ipv4, payload: &[u8]) -> Vec<u8> {
    let mut options = ip.options.clone();
    options.resize(options.len().next_multiple_of(4), 0);
    let header = 20 + options.len();
    let mut packet = vec![0x40 | (header / 4) as u8, 0];
    packet.extend(((header + payload.len()) as u16).to_be_bytes());
    packet.extend([0x12, 0x34]);
    packet.extend(ip.fragment.to_be_bytes());
    packet.extend([ip.ttl, ip.protocol, 0, 0]);
    packet.extend(ip.source.octets());
    packet.extend(ip.destination.octets());
    packet.extend(options);
    let sum = internet_checksum(&[&packet]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend(payload);
    packet
}

/// An IPv6 extension header.
#[derive(Debug, Clone)]
pub enum Extension {
    /// Hop-by-hop 0, routing 43, destination options 60, mobility 135, HIP 139, shim6 140: type and length field.
    Options(u8, u8),
    /// With its length field.
    Authentication(u8),
    /// Offset and M flag as they stand in the header.
    Fragment(u16),
}

impl Extension {
    fn number(&self) -> u8 {
        match self {
            Self::Options(number, _) => *number,
            Self::Authentication(_) => 51,
            Self::Fragment(_) => 44,
        }
    }

    fn bytes(&self, next: u8) -> Vec<u8> {
        match self {
            Self::Options(_, length) => {
                let size = 8 + 8 * usize::from(*length);
                // One PadN option (RFC 8200 section 4.2) fills the header as far as its length byte reaches.
                let mut bytes = vec![next, *length, 1, (size - 4).min(255) as u8];
                bytes.resize(size, 0);
                bytes
            }
            Self::Authentication(length) => {
                let mut bytes = vec![next, *length, 0, 0];
                bytes.resize(8 + 4 * usize::from(*length), 0xaa);
                bytes
            }
            Self::Fragment(field) => {
                let [high, low] = field.to_be_bytes();
                vec![next, 0, high, low, 0, 0, 0, 7]
            }
        }
    }
}

/// The parts of an IPv6 header that tests vary.
#[derive(Debug, Clone)]
pub struct Ipv6 {
    pub source: Ipv6Addr,
    pub destination: Ipv6Addr,
    pub protocol: u8,
    pub hop_limit: u8,
    pub extensions: Vec<Extension>,
}

/// Wraps `payload` in an IPv6 header and its extension headers.
pub fn ipv6(ip: &Ipv6, payload: &[u8]) -> Vec<u8> {
    let mut next = ip.protocol;
    let mut body = payload.to_vec();
    for extension in ip.extensions.iter().rev() {
        body = [extension.bytes(next), body].concat();
        next = extension.number();
    }
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend((body.len() as u16).to_be_bytes());
    packet.extend([next, ip.hop_limit]);
    packet.extend(ip.source.octets());
    packet.extend(ip.destination.octets());
    packet.extend(body);
    packet
}

/// TCP without options. Its checksum is zero: nothing in senko reads it.
pub fn tcp(source: u16, destination: u16, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut segment = [source.to_be_bytes(), destination.to_be_bytes()].concat();
    segment.extend([0, 0, 0x03, 0xe8, 0, 0, 0x07, 0xd0, 0x50, flags, 0xfa, 0xf0, 0, 0, 0, 0]);
    segment.extend(payload);
    segment
}

/// UDP (and UDP-Lite), without checksum.
pub fn udp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let mut datagram = [source.to_be_bytes(), destination.to_be_bytes()].concat();
    datagram.extend(((8 + payload.len()) as u16).to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(payload);
    datagram
}

/// ICMP with a right checksum.
pub fn icmp(kind: u8, code: u8, rest: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut message = vec![kind, code, 0, 0];
    message.extend(rest);
    message.extend(payload);
    let sum = internet_checksum(&[&message]);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}

/// ICMPv6 with a right checksum, which covers the addresses (RFC 8200 section 8.1).
pub fn icmpv6(
    source: Ipv6Addr,
    destination: Ipv6Addr,
    kind: u8,
    code: u8,
    rest: [u8; 4],
    payload: &[u8],
) -> Vec<u8> {
    let mut message = vec![kind, code, 0, 0];
    message.extend(rest);
    message.extend(payload);
    let sum = icmpv6_checksum(source, destination, &message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}

/// Over the pseudo header and the message as it stands.
pub fn icmpv6_checksum(source: Ipv6Addr, destination: Ipv6Addr, message: &[u8]) -> u16 {
    let length = (message.len() as u32).to_be_bytes();
    internet_checksum(&[&source.octets(), &destination.octets(), &length, &[0, 0, 0, ICMPV6], message])
}

/// An ARP request (1) or reply (2) for IPv4 over Ethernet.
pub fn arp(
    operation: u16,
    sender_mac: [u8; 6],
    sender: Ipv4Addr,
    target_mac: [u8; 6],
    target: Ipv4Addr,
) -> Vec<u8> {
    let mut packet = vec![0, 1, 0x08, 0, 6, 4];
    packet.extend(operation.to_be_bytes());
    packet.extend(sender_mac);
    packet.extend(sender.octets());
    packet.extend(target_mac);
    packet.extend(target.octets());
    packet
}

/// Short frames are padded to Ethernet's minimum (without its checksum).
pub fn padded(mut frame: Vec<u8>) -> Vec<u8> {
    frame.resize(frame.len().max(60), 0);
    frame
}
