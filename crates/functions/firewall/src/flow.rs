//! Flows that were seen going out: what tells one from another in the packets of both ways.
//!
//! A flow is written down as the packet that was sent has it. What comes back is looked up with its ends exchanged, and an
//! ICMP error by the packet that it quotes.

use classify::Key;
use wire::{Fragment, Frame, Headers, icmp, ipv4, ipv6, transport};

use crate::key::word;

/// A flow by its sender's view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// Of IPv4 the first word is the address, and the others are 0.
    pub source: [u32; 4],
    pub destination: [u32; 4],
    /// The source's port, then the destination's; of an ICMP query its identifier and its type; 0 of what has neither.
    pub ports: u32,
    /// The IP version, then the upper-layer protocol.
    pub protocol: u32,
}

/// What a packet that goes out means for its flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Sent {
    /// TCP's SYN, alone or with ACK: nobody has answered it yet.
    Open = 0,
    /// Any other TCP segment.
    Data = 1,
    /// FIN.
    End = 2,
    /// RST: often the answer to what belongs to no connection.
    Reset = 3,
    /// UDP, and protocols that are known by their addresses alone.
    Datagram = 4,
    /// An ICMP message that asks for an answer.
    Query = 5,
}

impl Sent {
    /// From its number, which a function of the kernel's program can be handed.
    #[inline(always)]
    pub const fn from_number(number: u32) -> Self {
        match number {
            0 => Self::Open,
            1 => Self::Data,
            2 => Self::End,
            3 => Self::Reset,
            4 => Self::Datagram,
            _ => Self::Query,
        }
    }
}

/// The flow of a packet that goes out, and what it means for it. `None`: nothing is to be remembered. That is a later fragment,
/// which has no ports, an ICMP message that asks nothing, and a header that is cut off.
#[inline(always)]
pub fn of_sent(frame: &Frame<'_>, headers: &Headers) -> Option<(Flow, Sent)> {
    if headers.version == 0 || headers.fragment() == Fragment::Later {
        return None;
    }
    let t = transport::transport(frame, headers).ok()?;
    let (ports, sent) = if transport::is_icmp(headers) {
        let message = frame.window::<{ icmp::HEADER }>(headers.transport_offset())?;
        if !is_query(headers.version, t.icmp_type) {
            return None;
        }
        (pair(message.be16::<4>(), t.icmp_type.into()), Sent::Query)
    } else if headers.protocol == transport::TCP {
        (pair(t.source_port, t.destination_port), of_flags(t.tcp_flags))
    } else {
        (pair(t.source_port, t.destination_port), Sent::Datagram)
    };
    let (source, destination) = addresses(frame, headers)?;
    let protocol = u32::from(headers.version) << 8 | u32::from(headers.protocol);
    Some((Flow { source, destination, ports, protocol }, sent))
}

/// The flow that a packet which came in answers, by its key; ICMP is [`of_message`]'s. `None`: it answers none.
#[inline(always)]
pub fn of_reply(headers: &Headers, key: &Key) -> Option<Flow> {
    if headers.version == 0 || headers.fragment() == Fragment::Later {
        return None;
    }
    let at = |word: u8| key[usize::from(word)];
    let ports = if transport::has_ports(headers.protocol) {
        at(word::DESTINATION_PORT) << 16 | at(word::SOURCE_PORT)
    } else {
        0
    };
    let (mut source, mut destination) = ([0; 4], [0; 4]);
    source[0] = at(word::DESTINATION);
    destination[0] = at(word::SOURCE);
    if headers.version == 6 {
        // The key's other words are another packet's where this is IPv4.
        source = [source[0], at(word::DESTINATION + 1), at(word::DESTINATION + 2), at(word::DESTINATION + 3)];
        destination = [destination[0], at(word::SOURCE + 1), at(word::SOURCE + 2), at(word::SOURCE + 3)];
    }
    let protocol = u32::from(headers.version) << 8 | u32::from(headers.protocol);
    Some(Flow { source, destination, ports, protocol })
}

/// The flow that an ICMP message which came in is about: that of the query it answers, or of the packet it quotes. An error goes
/// to whoever sent what it quotes (RFC 792, RFC 4443 section 2.2), so one that quotes another's packet is about nothing.
#[inline(always)]
pub fn of_message(frame: &Frame<'_>, headers: &Headers) -> Option<Flow> {
    if headers.fragment() == Fragment::Later || !transport::is_icmp(headers) {
        return None;
    }
    let (source, destination) = addresses(frame, headers)?;
    let message = frame.window::<{ icmp::HEADER }>(headers.transport_offset())?;
    let kind = message.u8::<{ icmp::offset::TYPE }>();
    if let Some(query) = query_of(headers.version, kind) {
        let protocol = u32::from(headers.version) << 8 | u32::from(headers.protocol);
        let ports = pair(message.be16::<4>(), query.into());
        return Some(Flow { source: destination, destination: source, ports, protocol });
    }
    let at = headers.transport_offset() + icmp::HEADER;
    let quoted = match (headers.version, kind) {
        (4, 3 | 11 | 12) => of_quoted_v4(frame, at)?,
        (6, 1..=4) => of_quoted_v6(frame, at)?,
        _ => return None,
    };
    if quoted.source == destination { Some(quoted) } else { None }
}

/// Destination unreachable, time exceeded and parameter problem quote the IP header and eight bytes more.
#[inline(always)]
fn of_quoted_v4(frame: &Frame<'_>, at: usize) -> Option<Flow> {
    let ip = frame.window::<{ ipv4::HEADER }>(at)?;
    let version_ihl = ip.u8::<{ ipv4::offset::VERSION_IHL }>();
    let header = usize::from(version_ihl & 0x0f) * 4;
    if version_ihl >> 4 != 4 || header < ipv4::HEADER {
        return None;
    }
    if ip.be16::<{ ipv4::offset::FRAGMENT }>() & ipv4::FRAGMENT_OFFSET_MASK != 0 {
        return None;
    }
    let protocol = ip.u8::<{ ipv4::offset::PROTOCOL }>();
    let source = [ip.be32::<{ ipv4::offset::SOURCE }>(), 0, 0, 0];
    let destination = [ip.be32::<{ ipv4::offset::DESTINATION }>(), 0, 0, 0];
    let ports = quoted_ports(frame, at + header, 4, protocol)?;
    Some(Flow { source, destination, ports, protocol: 4 << 8 | u32::from(protocol) })
}

/// Of a quoted packet with extension headers only a fragment header is read: what a host sends has hardly ever another.
#[inline(always)]
fn of_quoted_v6(frame: &Frame<'_>, at: usize) -> Option<Flow> {
    let ip = frame.window::<{ ipv6::HEADER }>(at)?;
    if ip.u8::<0>() >> 4 != 6 {
        return None;
    }
    let (source, destination) =
        (ip.be128::<{ ipv6::offset::SOURCE }>(), ip.be128::<{ ipv6::offset::DESTINATION }>());
    let (mut protocol, mut behind) = (ip.u8::<{ ipv6::offset::NEXT_HEADER }>(), at + ipv6::HEADER);
    if protocol == ipv6::FRAGMENT {
        let fragment = frame.window::<8>(behind)?;
        if fragment.be16::<2>() & 0xfff8 != 0 {
            return None;
        }
        protocol = fragment.u8::<0>();
        behind += 8;
    }
    let ports = quoted_ports(frame, behind, 6, protocol)?;
    Some(Flow { source, destination, ports, protocol: 6 << 8 | u32::from(protocol) })
}

#[inline(always)]
fn quoted_ports(frame: &Frame<'_>, at: usize, version: u8, protocol: u8) -> Option<u32> {
    if transport::has_ports(protocol) {
        let t = frame.window::<4>(at)?;
        return Some(pair(t.be16::<0>(), t.be16::<2>()));
    }
    let own = if version == 4 { icmp::PROTOCOL_V4 } else { icmp::PROTOCOL_V6 };
    if protocol == own {
        let message = frame.window::<{ icmp::HEADER }>(at)?;
        let kind = message.u8::<{ icmp::offset::TYPE }>();
        return if is_query(version, kind) { Some(pair(message.be16::<4>(), kind.into())) } else { None };
    }
    Some(0)
}

#[inline(always)]
fn addresses(frame: &Frame<'_>, headers: &Headers) -> Option<([u32; 4], [u32; 4])> {
    if headers.version == 4 {
        let ip = frame.window::<{ ipv4::HEADER }>(headers.network_offset())?;
        let (from, to) = (ip.be32::<{ ipv4::offset::SOURCE }>(), ip.be32::<{ ipv4::offset::DESTINATION }>());
        Some(([from, 0, 0, 0], [to, 0, 0, 0]))
    } else {
        let ip = frame.window::<{ ipv6::HEADER }>(headers.network_offset())?;
        Some((ip.be128::<{ ipv6::offset::SOURCE }>(), ip.be128::<{ ipv6::offset::DESTINATION }>()))
    }
}

#[inline(always)]
const fn pair(first: u16, second: u16) -> u32 {
    (first as u32) << 16 | second as u32
}

#[inline(always)]
const fn of_flags(flags: u8) -> Sent {
    use wire::transport::tcp_flag::{FIN, RST, SYN};
    if flags & RST != 0 {
        Sent::Reset
    } else if flags & SYN != 0 {
        Sent::Open
    } else if flags & FIN != 0 {
        Sent::End
    } else {
        Sent::Data
    }
}

/// Echo and, of IPv4, timestamp: the queries that hosts still answer (RFC 6918 has done away with the others).
#[inline(always)]
const fn is_query(version: u8, kind: u8) -> bool {
    matches!((version, kind), (4, icmp::ECHO_REQUEST_V4 | 13) | (6, icmp::ECHO_REQUEST_V6))
}

/// The query's type, of an answer's.
#[inline(always)]
const fn query_of(version: u8, answer: u8) -> Option<u8> {
    match (version, answer) {
        (4, icmp::ECHO_REPLY_V4) => Some(icmp::ECHO_REQUEST_V4),
        (4, 14) => Some(13),
        (6, icmp::ECHO_REPLY_V6) => Some(icmp::ECHO_REQUEST_V6),
        _ => None,
    }
}
