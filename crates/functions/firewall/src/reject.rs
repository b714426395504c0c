//! The answer to a packet that a rule rejects: a reset to TCP, "administratively prohibited" to anything else, made in the packet's own
//! frame and sent back where it came from.
//!
//! ```text
//! TCP     | link | IP | TCP | …  |      becomes   | link | IP | RST |
//! others  | link | IP | 8 bytes | … |   becomes   | link | IP | ICMP | IP | 8 bytes |
//! ```

use wire::{
    Fragment, Frame, Headers, ethernet, icmp,
    ipv4::{self, offset as v4},
    ipv6::{self, offset as v6},
    transport::{self, TCP_HEADER, tcp_flag},
};

/// What is sent back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Reset,
    Unreachable,
}

/// Bytes behind the quoted IP header: RFC 792 wants no more, and RFC 4443 section 3.1 allows it.
pub const QUOTED: usize = 8;

/// The TTL of answers, as the kernel's own have it (`net.ipv4.ip_default_ttl`).
const TTL: u8 = 64;
/// RFC 1812 section 5.2.7.1, RFC 4443 section 3.1.
const UNREACHABLE_V4: [u8; 2] = [3, 13];
const UNREACHABLE_V6: [u8; 2] = [1, 1];

/// What a packet that is rejected is answered with. `None`: nothing, because an answer to it could go round in circles or to many
/// (RFC 1122 section 3.2.2, RFC 4443 section 2.4(e), RFC 9293 section 3.10.7.1), or because its headers are not in plain places.
#[inline(always)]
pub fn answer(frame: &Frame<'_>, headers: &Headers) -> Option<Answer> {
    let link = frame.window::<{ ethernet::HEADER }>(0)?;
    // To many, or by a sender that is none.
    if (link.u8::<0>() | link.u8::<6>()) & 1 != 0 || headers.fragment() == Fragment::Later {
        return None;
    }
    let behind_ip = headers.transport_offset() - headers.network_offset();
    let length = match headers.version {
        4 if behind_ip == ipv4::HEADER => {
            let ip = frame.window::<{ ipv4::HEADER }>(headers.network_offset())?;
            if !is_host_v4(ip.be32::<{ v4::SOURCE }>()) || !is_host_v4(ip.be32::<{ v4::DESTINATION }>()) {
                return None;
            }
            usize::from(ip.be16::<{ v4::TOTAL_LENGTH }>())
        }
        6 if behind_ip == ipv6::HEADER => {
            let ip = frame.window::<{ ipv6::HEADER }>(headers.network_offset())?;
            let [source, destination] = [ip.be128::<{ v6::SOURCE }>(), ip.be128::<{ v6::DESTINATION }>()];
            if !is_host_v6(source) || !is_host_v6(destination) {
                return None;
            }
            usize::from(ip.be16::<{ v6::PAYLOAD_LENGTH }>()) + ipv6::HEADER
        }
        _ => return None,
    };
    if headers.protocol == transport::TCP {
        let tcp = frame.window::<TCP_HEADER>(headers.transport_offset())?;
        let is_whole = length >= behind_ip + TCP_HEADER && headers.fragment() == Fragment::Whole;
        return if is_whole && tcp.u8::<{ transport::TCP_FLAGS }>() & tcp_flag::RST == 0 {
            Some(Answer::Reset)
        } else {
            None
        };
    }
    let quoted = frame.window::<QUOTED>(headers.transport_offset())?;
    if length < behind_ip + QUOTED
        || (transport::is_icmp(headers) && is_error(headers.version, quoted.u8::<0>()))
    {
        return None;
    }
    Some(Answer::Unreachable)
}

/// An address that one host can have: not of this network, of many, of nobody.
#[inline(always)]
const fn is_host_v4(address: u32) -> bool {
    let first = address >> 24;
    first != 0 && first != 127 && first < 224
}

#[inline(always)]
const fn is_host_v6([a, b, c, d]: [u32; 4]) -> bool {
    a >> 24 != 0xff && !(a == 0 && b == 0 && c == 0 && d <= 1)
}

/// ICMP messages that answer something: an error about one would be about an error. What RFC 4443 says of ICMPv6 redirects goes for
/// those of ICMP too.
#[inline(always)]
const fn is_error(version: u8, kind: u8) -> bool {
    if version == 4 { matches!(kind, 3 | 4 | 5 | 11 | 12) } else { kind < 128 || kind == 137 }
}

/// Turns a TCP segment into its reset, whatever is behind the TCP header. The frame ends there afterwards.
#[inline(always)]
pub fn reset(frame: &mut Frame<'_>, headers: &Headers) -> Option<()> {
    let at = headers.transport_offset();
    let network = headers.network_offset();
    let length = if headers.version == 4 {
        frame.window::<{ ipv4::HEADER }>(network)?.be16::<{ v4::TOTAL_LENGTH }>() as u32 - ipv4::HEADER as u32
    } else {
        u32::from(frame.window::<{ ipv6::HEADER }>(network)?.be16::<{ v6::PAYLOAD_LENGTH }>())
    };
    let tcp = frame.window::<TCP_HEADER>(at)?;
    let (ports, flags) = ((tcp.be16::<0>(), tcp.be16::<2>()), tcp.u8::<{ transport::TCP_FLAGS }>());
    let header = u32::from(tcp.u8::<12>() >> 4) * 4;
    // RFC 9293 section 3.10.7.1: of what acknowledges, its number; else nought, and all of the segment is acknowledged.
    let (sequence, acknowledged, answer) = if flags & tcp_flag::ACK != 0 {
        (tcp.be32::<8>(), 0, tcp_flag::RST)
    } else {
        let counted = u32::from(flags & tcp_flag::SYN != 0) + u32::from(flags & tcp_flag::FIN != 0);
        (
            0,
            tcp.be32::<4>().wrapping_add(length.saturating_sub(header)).wrapping_add(counted),
            tcp_flag::RST | tcp_flag::ACK,
        )
    };
    let mut sum = pseudo(frame, headers)?.add16(transport::TCP.into()).add16(TCP_HEADER as u16);
    sum = sum
        .add16(ports.1)
        .add16(ports.0)
        .add32(sequence)
        .add32(acknowledged)
        .add16(0x5000 | u16::from(answer));
    let mut tcp = frame.window_mut::<TCP_HEADER>(at)?;
    tcp.set_be16::<0>(ports.1);
    tcp.set_be16::<2>(ports.0);
    tcp.set_be32::<4>(sequence);
    tcp.set_be32::<8>(acknowledged);
    tcp.set_be16::<12>(0x5000 | u16::from(answer));
    tcp.set_be16::<14>(0);
    tcp.set_be16::<16>(sum.folded());
    tcp.set_be16::<18>(0);
    turn_link(frame)?;
    if headers.version == 4 {
        let ip = frame.window::<{ ipv4::HEADER }>(network)?;
        let (source, destination) = (ip.be32::<{ v4::SOURCE }>(), ip.be32::<{ v4::DESTINATION }>());
        write_v4(frame, network, destination, source, transport::TCP, TCP_HEADER as u16)
    } else {
        let ip = frame.window::<{ ipv6::HEADER }>(network)?;
        let (source, destination) = (ip.be128::<{ v6::SOURCE }>(), ip.be128::<{ v6::DESTINATION }>());
        write_v6(frame, network, destination, source, transport::TCP, TCP_HEADER as u16)
    }
}

/// Bytes that the packet moves back to make room in front of it.
#[inline(always)]
pub const fn room(version: u8) -> usize {
    icmp::HEADER + if version == 4 { ipv4::HEADER } else { ipv6::HEADER }
}

/// The link header of a frame, to be written again where the frame begins when there is room in front of it.
#[derive(Debug, Clone, Copy)]
pub struct Link {
    to: [u8; 6],
    from: [u8; 6],
    tags: [u32; 2],
}

#[inline(always)]
pub fn link(frame: &Frame<'_>, headers: &Headers) -> Option<Link> {
    let ends = frame.window::<{ ethernet::HEADER }>(0)?;
    let mut tags = [0; 2];
    if headers.tags > 0 {
        tags[0] = frame.window::<4>(12)?.be32::<0>();
    }
    if headers.tags > 1 {
        tags[1] = frame.window::<4>(16)?.be32::<0>();
    }
    Some(Link { to: ends.mac::<6>(), from: ends.mac::<0>(), tags })
}

/// Writes the link, IP and ICMP headers of an error in front of a packet, which begins [`room`] bytes behind its place by `headers`.
#[inline(always)]
pub fn unreachable(frame: &mut Frame<'_>, headers: &Headers, link: &Link) -> Option<()> {
    write_link(frame, headers, link)?;
    let network = headers.network_offset();
    if headers.version == 4 {
        let at = network + ipv4::HEADER;
        let quoted = frame.window::<{ ipv4::HEADER + QUOTED }>(at + icmp::HEADER)?;
        let (source, destination) = (quoted.be32::<{ v4::SOURCE }>(), quoted.be32::<{ v4::DESTINATION }>());
        let mut sum = Sum(0).add16(u16::from_be_bytes(UNREACHABLE_V4));
        sum = sum.add32(quoted.be32::<0>()).add32(quoted.be32::<4>()).add32(quoted.be32::<8>());
        sum = sum
            .add32(quoted.be32::<12>())
            .add32(quoted.be32::<16>())
            .add32(quoted.be32::<20>())
            .add32(quoted.be32::<24>());
        write_icmp(frame, at, UNREACHABLE_V4, sum)?;
        let payload = icmp::HEADER + ipv4::HEADER + QUOTED;
        write_v4(frame, network, destination, source, icmp::PROTOCOL_V4, payload as u16)
    } else {
        let at = network + ipv6::HEADER;
        let quoted = frame.window::<{ ipv6::HEADER + QUOTED }>(at + icmp::HEADER)?;
        let (source, destination) = (quoted.be128::<{ v6::SOURCE }>(), quoted.be128::<{ v6::DESTINATION }>());
        let payload = icmp::HEADER + ipv6::HEADER + QUOTED;
        // Both addresses twice: in the pseudo header and in what is quoted.
        let mut sum = Sum(0).add128(source).add128(destination).add128(source).add128(destination);
        sum = sum
            .add16(payload as u16)
            .add16(icmp::PROTOCOL_V6.into())
            .add16(u16::from_be_bytes(UNREACHABLE_V6));
        sum = sum
            .add32(quoted.be32::<0>())
            .add32(quoted.be32::<4>())
            .add32(quoted.be32::<40>())
            .add32(quoted.be32::<44>());
        write_icmp(frame, at, UNREACHABLE_V6, sum)?;
        write_v6(frame, network, destination, source, icmp::PROTOCOL_V6, payload as u16)
    }
}

/// Where the frame of an answer ends.
#[inline(always)]
pub fn length(answer: Answer, headers: &Headers) -> usize {
    let ip = if headers.version == 4 { ipv4::HEADER } else { ipv6::HEADER };
    headers.network_offset()
        + match answer {
            Answer::Reset => ip + TCP_HEADER,
            Answer::Unreachable => room(headers.version) + ip + QUOTED,
        }
}

#[inline(always)]
fn turn_link(frame: &mut Frame<'_>) -> Option<()> {
    let mut ends = frame.window_mut::<{ ethernet::HEADER }>(0)?;
    // In words: LLVM makes a call of six bytes that are exchanged, and the stack of calls is counted in full.
    let (to, from) = ((ends.be32::<0>(), ends.be16::<4>()), (ends.be32::<6>(), ends.be16::<10>()));
    ends.set_be32::<0>(from.0);
    ends.set_be16::<4>(from.1);
    ends.set_be32::<6>(to.0);
    ends.set_be16::<10>(to.1);
    Some(())
}

#[inline(always)]
fn write_link(frame: &mut Frame<'_>, headers: &Headers, link: &Link) -> Option<()> {
    let mut ends = frame.window_mut::<12>(0)?;
    ends.set_mac::<0>(link.to);
    ends.set_mac::<6>(link.from);
    // At constants: the verifier follows no offset that is counted back from where the packet begins.
    if headers.tags == 0 {
        frame.window_mut::<2>(12)?.set_be16::<0>(headers.ethertype);
    } else if headers.tags == 1 {
        let mut tag = frame.window_mut::<6>(12)?;
        tag.set_be32::<0>(link.tags[0]);
        tag.set_be16::<4>(headers.ethertype);
    } else {
        let mut tags = frame.window_mut::<10>(12)?;
        tags.set_be32::<0>(link.tags[0]);
        tags.set_be32::<4>(link.tags[1]);
        tags.set_be16::<8>(headers.ethertype);
    }
    Some(())
}

#[inline(always)]
fn write_icmp(frame: &mut Frame<'_>, at: usize, kind: [u8; 2], sum: Sum) -> Option<()> {
    let mut message = frame.window_mut::<{ icmp::HEADER }>(at)?;
    message.set_be16::<0>(u16::from_be_bytes(kind));
    message.set_be16::<2>(sum.folded());
    message.set_be32::<4>(0);
    Some(())
}

#[inline(always)]
fn write_v4(
    frame: &mut Frame<'_>,
    at: usize,
    source: u32,
    destination: u32,
    protocol: u8,
    payload: u16,
) -> Option<()> {
    let length = ipv4::HEADER as u16 + payload;
    let ttl_protocol = u16::from(TTL) << 8 | u16::from(protocol);
    let sum =
        Sum(0).add16(0x4500).add16(length).add16(0x4000).add16(ttl_protocol).add32(source).add32(destination);
    let mut ip = frame.window_mut::<{ ipv4::HEADER }>(at)?;
    ip.set_be16::<0>(0x4500);
    ip.set_be16::<2>(length);
    // Not to be fragmented, so that it needs no number (RFC 6864).
    ip.set_be32::<4>(0x4000);
    ip.set_be16::<8>(ttl_protocol);
    ip.set_be16::<10>(sum.folded());
    ip.set_be32::<12>(source);
    ip.set_be32::<16>(destination);
    Some(())
}

#[inline(always)]
fn write_v6(
    frame: &mut Frame<'_>,
    at: usize,
    source: [u32; 4],
    destination: [u32; 4],
    protocol: u8,
    payload: u16,
) -> Option<()> {
    let mut ip = frame.window_mut::<{ ipv6::HEADER }>(at)?;
    ip.set_be32::<0>(6 << 28);
    ip.set_be16::<4>(payload);
    ip.set_be16::<6>(u16::from(protocol) << 8 | u16::from(TTL));
    ip.set_be128::<8>(source);
    ip.set_be128::<24>(destination);
    Some(())
}

/// Both addresses: their order does not matter.
#[inline(always)]
fn pseudo(frame: &Frame<'_>, headers: &Headers) -> Option<Sum> {
    if headers.version == 4 {
        let ip = frame.window::<{ ipv4::HEADER }>(headers.network_offset())?;
        Some(Sum(0).add32(ip.be32::<{ v4::SOURCE }>()).add32(ip.be32::<{ v4::DESTINATION }>()))
    } else {
        let ip = frame.window::<{ ipv6::HEADER }>(headers.network_offset())?;
        Some(Sum(0).add128(ip.be128::<{ v6::SOURCE }>()).add128(ip.be128::<{ v6::DESTINATION }>()))
    }
}

/// A sum of 16-bit words, carries and all.
#[derive(Clone, Copy)]
struct Sum(u64);

impl Sum {
    #[inline(always)]
    const fn add16(self, word: u16) -> Self {
        Self(self.0 + word as u64)
    }

    #[inline(always)]
    const fn add32(self, words: u32) -> Self {
        Self(self.0 + (words >> 16) as u64 + (words & 0xffff) as u64)
    }

    #[inline(always)]
    const fn add128(self, [a, b, c, d]: [u32; 4]) -> Self {
        self.add32(a).add32(b).add32(c).add32(d)
    }

    #[inline(always)]
    const fn folded(self) -> u16 {
        let sum = (self.0 & 0xffff) + (self.0 >> 16);
        let sum = (sum & 0xffff) + (sum >> 16);
        !(sum as u16)
    }
}

/// The whole answer to a frame, as the program makes it step by step.
#[cfg(not(target_arch = "bpf"))]
pub fn answered(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = bytes.to_vec();
    let own = Frame::new(&mut bytes);
    let headers = wire::parse::parse(&own, own.len()).ok()?;
    let answer = answer(&own, &headers)?;
    let link = link(&own, &headers)?;
    let mut made = match answer {
        Answer::Reset => bytes,
        Answer::Unreachable => [vec![0; room(headers.version)], bytes].concat(),
    };
    let mut frame = Frame::new(&mut made);
    match answer {
        Answer::Reset => reset(&mut frame, &headers)?,
        Answer::Unreachable => unreachable(&mut frame, &headers, &link)?,
    }
    made.truncate(length(answer, &headers));
    Some(made)
}
