//! A naive second parser, for tests: slices that are eaten from the front, one header at a time. It shares nothing with
//! `parse`, so that a mistake would have to be made twice. Functions' models stand on it.

use alloc::vec::Vec;

use crate::{Fragment, Frame, Headers, Malformed, parse, transport};

/// A frame, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dissected<'a> {
    /// After at most two tags.
    pub ethertype: u16,
    /// VLAN ids, outermost first.
    pub vlans: Vec<u16>,
    pub ip: Option<Ip<'a>>,
}

/// The IP part of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ip<'a> {
    pub version: u8,
    /// 4 or 16 bytes.
    pub source: &'a [u8],
    pub destination: &'a [u8],
    /// Behind all extension headers.
    pub protocol: u8,
    pub part: Part,
    /// IPv4 options, or IPv6 extension headers.
    pub has_options: bool,
    /// What its length field says, with the header.
    pub total_length: usize,
    /// From the IP header to the end of the frame.
    pub packet: &'a [u8],
    /// From the transport header to the end of the frame; empty when the frame ends before.
    pub payload: &'a [u8],
}

/// Which part of a datagram a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    All,
    First,
    Later,
}

/// Takes apart a frame that was `length` bytes long on the wire. An error is the name of what is wrong, as
/// `Malformed::name` has it.
pub fn dissect(frame: &[u8], length: usize) -> Result<Dissected<'_>, &'static str> {
    let mut rest = frame;
    eat(&mut rest, 12).ok_or("ethernet_truncated")?;
    let mut ethertype = eat_number(&mut rest, 2).ok_or("ethernet_truncated")?;
    let mut vlans = Vec::new();
    while [0x8100, 0x88a8, 0x9100].contains(&ethertype) && vlans.len() < 2 {
        let control = eat_number(&mut rest, 2).ok_or("vlan_truncated")?;
        ethertype = eat_number(&mut rest, 2).ok_or("vlan_truncated")?;
        vlans.push((control % 4096) as u16);
    }
    let room = length - (frame.len() - rest.len());
    let ip = match ethertype {
        0x0800 => Some(ipv4(rest, room)?),
        0x86dd => Some(ipv6(rest, room)?),
        _ => None,
    };
    Ok(Dissected { ethertype: ethertype as u16, vlans, ip })
}

fn ipv4(packet: &[u8], room: usize) -> Result<Ip<'_>, &'static str> {
    let header = packet.get(..20).ok_or("ipv4_truncated")?;
    if header[0] / 16 != 4 {
        return Err("ipv4_version");
    }
    let header_length = usize::from(header[0] % 16) * 4;
    if header_length < 20 {
        return Err("ipv4_header_length");
    }
    let total_length = number(&header[2..4]) as usize;
    if total_length < header_length || total_length > room {
        return Err("ipv4_total_length");
    }
    let more = header[6] & 0b0010_0000 != 0;
    let offset = number(&[header[6] & 0b0001_1111, header[7]]);
    Ok(Ip {
        version: 4,
        source: &header[12..16],
        destination: &header[16..20],
        protocol: header[9],
        part: part(offset, more),
        has_options: header_length > 20,
        total_length,
        packet,
        payload: packet.get(header_length..).unwrap_or(&[]),
    })
}

fn ipv6(packet: &[u8], room: usize) -> Result<Ip<'_>, &'static str> {
    let mut rest = packet;
    let header = eat(&mut rest, 40).ok_or("ipv6_truncated")?;
    if header[0] / 16 != 6 {
        return Err("ipv6_version");
    }
    let total_length = 40 + number(&header[4..6]) as usize;
    if total_length > room {
        return Err("ipv6_payload_length");
    }
    let mut ip = Ip {
        version: 6,
        source: &header[8..24],
        destination: &header[24..40],
        protocol: header[6],
        part: Part::All,
        has_options: false,
        total_length,
        packet,
        payload: &[],
    };
    let mut extensions = 0;
    while ip.part != Part::Later && [0, 43, 44, 51, 60, 135, 139, 140].contains(&ip.protocol) {
        if extensions == 7 {
            return Err("ipv6_too_many_extensions");
        }
        extensions += 1;
        let start = rest.get(..8).ok_or("ipv6_extension_truncated")?;
        let size = match ip.protocol {
            44 => 8,
            51 => 8 + 4 * usize::from(start[1]),
            _ => 8 + 8 * usize::from(start[1]),
        };
        if ip.protocol == 44 {
            let more = start[3] % 2 == 1 || ip.part == Part::First;
            ip.part = part(number(&start[2..4]) / 8, more);
        }
        ip.protocol = start[0];
        rest = rest.get(size..).unwrap_or(&[]);
    }
    ip.has_options = extensions > 0;
    ip.payload = rest;
    Ok(ip)
}

fn part(offset: u32, more: bool) -> Part {
    match (offset, more) {
        (0, false) => Part::All,
        (0, true) => Part::First,
        _ => Part::Later,
    }
}

impl Ip<'_> {
    /// The header of the upper layer, of `size` bytes: not in later fragments, nor when the frame ends before.
    pub fn upper(&self, size: usize) -> Option<&[u8]> {
        if self.part == Part::Later { None } else { self.payload.get(..size) }
    }

    /// Source and destination port, where the protocol has them and the frame shows them.
    pub fn ports(&self) -> Option<(u16, u16)> {
        let [6 | 17 | 33 | 132 | 136] = [self.protocol] else { return None };
        let ports = self.upper(4)?;
        Some((number(&ports[..2]) as u16, number(&ports[2..]) as u16))
    }

    /// ICMP over IPv4, or ICMPv6 over IPv6.
    pub fn is_icmp(&self) -> bool {
        (self.version, self.protocol) == (4, 1) || (self.version, self.protocol) == (6, 58)
    }
}

/// A number in network order.
pub fn number(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |number, byte| number * 256 + u32::from(*byte))
}

fn eat<'a>(rest: &mut &'a [u8], n: usize) -> Option<&'a [u8]> {
    let (eaten, left) = rest.split_at_checked(n)?;
    *rest = left;
    Some(eaten)
}

fn eat_number(rest: &mut &[u8], n: usize) -> Option<u32> {
    eat(rest, n).map(number)
}

/// Asserts that the parser finds in a frame, which was `length` bytes long on the wire, what is found here.
///
/// # Panics
/// When it does not.
pub fn agrees(frame: &[u8], length: usize) {
    let parsed = parse(&Frame::new(&mut frame.to_vec()), length as u64);
    match (parsed, dissect(frame, length)) {
        (Err(malformed), Err(name)) => assert_eq!(malformed.name(), name),
        (Ok(headers), Ok(dissected)) => same(frame, &headers, &dissected),
        (parsed, dissected) => panic!("{parsed:?}, but the model says {dissected:?}"),
    }
}

fn same(frame: &[u8], headers: &Headers, dissected: &Dissected<'_>) {
    let part = match headers.fragment() {
        Fragment::Whole => Part::All,
        Fragment::First => Part::First,
        Fragment::Later => Part::Later,
    };
    assert_eq!(headers.ethertype, dissected.ethertype);
    assert_eq!(usize::from(headers.tags), dissected.vlans.len());
    let Some(ip) = &dissected.ip else {
        assert_eq!((headers.version, headers.protocol, part), (0, 0, Part::All));
        return;
    };
    assert_eq!((headers.version, headers.protocol, part), (ip.version, ip.protocol, ip.part));
    assert_eq!(headers.network_offset(), frame.len() - ip.packet.len());
    assert_eq!(frame.get(headers.transport_offset()..).unwrap_or(&[]), ip.payload);
    let read = transport::transport(&Frame::new(&mut frame.to_vec()), headers);
    let (needed, name) = match ip.protocol {
        6 => (20, "tcp_truncated"),
        17 | 33 | 132 | 136 => (8, "udp_truncated"),
        _ if ip.is_icmp() => (4, "icmp_truncated"),
        _ => (0, ""),
    };
    let Some(upper) = ip.upper(needed) else {
        if ip.part == Part::Later {
            assert_eq!(read, Ok(transport::Transport::default()));
        } else {
            assert_eq!(read.map_err(Malformed::name), Err(name));
        }
        return;
    };
    let (source_port, destination_port) = ip.ports().unwrap_or_default();
    let (icmp_type, icmp_code) = if ip.is_icmp() { (upper[0], upper[1]) } else { (0, 0) };
    let tcp_flags = if ip.protocol == 6 { upper[13] } else { 0 };
    let expected = transport::Transport { source_port, destination_port, tcp_flags, icmp_type, icmp_code };
    assert_eq!(read, Ok(expected));
}
