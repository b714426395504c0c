//! What a frame that was dropped says of itself, read on the host out of the bytes that a record carries.

use wire::{Fragment, Frame, Headers, ethernet, icmp, ipv4, ipv6, parse, transport};

/// What is told of a frame. Fields that it has not are 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject {
    pub ethertype: u16,
    pub ip_version: u8,
    pub protocol: u8,
    pub tcp_flags: u8,
    pub icmp_type: u8,
    pub source_port: u16,
    pub destination_port: u16,
    pub source: [u32; 4],
    pub destination: [u32; 4],
}

impl Subject {
    pub const NOTHING: Self = Self {
        ethertype: 0,
        ip_version: 0,
        protocol: 0,
        tcp_flags: 0,
        icmp_type: 0,
        source_port: 0,
        destination_port: 0,
        source: [0; 4],
        destination: [0; 4],
    };
}

/// Reads the beginning of a frame that was dropped, `length` bytes on the wire. Of a malformed one, or one whose headers
/// are longer than what is there of it, it says what the fixed IP header says, where there is one.
pub fn describe(frame: &Frame<'_>, length: u64) -> Subject {
    let mut subject = Subject::NOTHING;
    let Ok(mut ethertype) = parse::ethertype(frame) else { return subject };
    let mut at = ethernet::HEADER;
    let mut tags = 0;
    for _ in 0..2 {
        if ethernet::is_tag(ethertype) {
            let Some(tag) = frame.window::<{ ethernet::TAG }>(at) else { break };
            ethertype = tag.be16::<2>();
            at += ethernet::TAG;
            tags += 1;
        }
    }
    subject.ethertype = ethertype;
    match ethertype {
        ethernet::IPV4 => {
            if read_ipv4(frame, at, &mut subject)
                && let Ok(headers) = parse::parse_ipv4(frame, length, tags, at)
            {
                read_transport(frame, &headers, &mut subject);
            }
        }
        ethernet::IPV6 => {
            if read_ipv6(frame, at, &mut subject)
                && let Ok(headers) = parse::parse_ipv6(frame, length, tags, at)
            {
                read_transport(frame, &headers, &mut subject);
            }
        }
        _ => {}
    }
    subject
}

fn read_ipv4(frame: &Frame<'_>, at: usize, subject: &mut Subject) -> bool {
    let Some(ip) = frame.window::<{ ipv4::HEADER }>(at) else { return false };
    if ip.u8::<0>() >> 4 != 4 {
        return false;
    }
    subject.ip_version = 4;
    subject.protocol = ip.u8::<{ ipv4::offset::PROTOCOL }>();
    subject.source[3] = ip.be32::<{ ipv4::offset::SOURCE }>();
    subject.destination[3] = ip.be32::<{ ipv4::offset::DESTINATION }>();
    true
}

fn read_ipv6(frame: &Frame<'_>, at: usize, subject: &mut Subject) -> bool {
    let Some(ip) = frame.window::<{ ipv6::HEADER }>(at) else { return false };
    if ip.u8::<0>() >> 4 != 6 {
        return false;
    }
    subject.ip_version = 6;
    subject.protocol = ip.u8::<{ ipv6::offset::NEXT_HEADER }>();
    subject.source = ip.be128::<{ ipv6::offset::SOURCE }>();
    subject.destination = ip.be128::<{ ipv6::offset::DESTINATION }>();
    true
}

/// The protocol behind extension headers, and of packets that carry its header what stands first in it.
fn read_transport(frame: &Frame<'_>, headers: &Headers, subject: &mut Subject) {
    subject.protocol = headers.protocol;
    if headers.fragment() == Fragment::Later {
        return;
    }
    let at = headers.transport_offset();
    if transport::has_ports(headers.protocol) {
        if let Some(ports) = frame.window::<4>(at) {
            subject.source_port = ports.be16::<0>();
            subject.destination_port = ports.be16::<2>();
        }
        if headers.protocol == transport::TCP
            && let Some(tcp) = frame.window::<{ transport::TCP_HEADER }>(at)
        {
            subject.tcp_flags = tcp.u8::<{ transport::TCP_FLAGS }>();
        }
    } else if transport::is_icmp(headers)
        && let Some(icmp) = frame.window::<4>(at)
    {
        subject.icmp_type = icmp.u8::<{ icmp::offset::TYPE }>();
    }
}
