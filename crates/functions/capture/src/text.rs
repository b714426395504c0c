//! One line a packet, in tcpdump's manner, and hex dumps.

use std::fmt::Write as _;

use wire::{Fragment, Frame, Headers, Window, icmp, ipv4, ipv6, parse, transport};

use crate::record::{Summary, tcp_flags};

/// The time of day in UTC, nanoseconds: `18:04:05.123456789`.
pub fn time_of_day(nanoseconds_since_1970: u64) -> String {
    let seconds = nanoseconds_since_1970 / 1_000_000_000;
    let (hours, minutes) = (seconds / 3600 % 24, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{:09}", seconds % 60, nanoseconds_since_1970 % 1_000_000_000)
}

/// The Ethernet header: `02:00:00:00:00:01 > 02:00:00:00:00:02, ethertype ipv4 (0x0800), length 98: `.
pub fn link_header(bytes: &[u8], summary: &Summary, length: u32) -> String {
    let Some((macs, _)) = bytes.split_at_checked(12) else { return String::new() };
    let mac = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(":");
    let ethertype = summary.ethertype.unwrap_or(0);
    let name = wire::protocol::ethertype_text(ethertype);
    format!(
        "{} > {}, ethertype {name} ({ethertype:#06x}), length {length}: ",
        mac(&macs[6..]),
        mac(&macs[..6])
    )
}

/// What the packet is, without time and interface.
pub fn describe(bytes: &[u8], length: u32, summary: &Summary) -> String {
    let mut line = String::new();
    for id in &summary.vlan {
        let _ = write!(line, "vlan {id}, ");
    }
    let mut copy = bytes.to_vec();
    let frame = Frame::new(&mut copy);
    match parse(&frame, u64::from(length)) {
        Ok(headers) if headers.version == 0 => line += &not_ip(&frame, &headers, summary, length),
        Ok(headers) => line += &ip(&frame, &headers, summary, length),
        // tcpdump's sign for what the capture does not hold.
        Err(_) if summary.malformed.is_none() => {
            let _ = write!(line, "[|{}], length {length}", summary.protocol);
        }
        Err(malformed) => {
            let _ = write!(line, "malformed: {}, length {length}", malformed.name().replace('_', " "));
        }
    }
    line
}

const ARP: usize = 28;

fn not_ip(frame: &Frame<'_>, headers: &Headers, summary: &Summary, length: u32) -> String {
    if headers.ethertype != wire::ethernet::ARP {
        let name = match wire::protocol::ethertype_name(headers.ethertype) {
            None if headers.ethertype >= wire::ethernet::FIRST_TYPE => {
                format!("ethertype {}", summary.protocol)
            }
            _ => summary.protocol.to_uppercase(),
        };
        return format!("{name}, length {length}");
    }
    let Some(arp) = frame.window::<ARP>(headers.network_offset()) else {
        return format!("ARP, truncated, length {length}");
    };
    let address = |bits| std::net::Ipv4Addr::from_bits(bits);
    let (sender, target) = (address(arp.be32::<14>()), address(arp.be32::<24>()));
    match arp.be16::<6>() {
        1 => format!("ARP, Request who-has {target} tell {sender}, length {ARP}"),
        2 => {
            let mac = arp.mac::<8>().map(|b| format!("{b:02x}")).join(":");
            format!("ARP, Reply {sender} is-at {mac}, length {ARP}")
        }
        operation => format!("ARP, operation {operation}, length {ARP}"),
    }
}

fn ip(frame: &Frame<'_>, headers: &Headers, summary: &Summary, length: u32) -> String {
    let family = if headers.version == 4 { "IP" } else { "IP6" };
    let end = |address: &Option<String>, port: Option<u16>| {
        let address = address.as_deref().unwrap_or("?");
        port.map_or_else(|| address.to_owned(), |port| format!("{address}.{port}"))
    };
    let source = end(&summary.source, summary.source_port);
    let destination = end(&summary.destination, summary.destination_port);
    let payload = ip_end(frame, headers, length).saturating_sub(headers.transport_offset());
    let what = match headers.fragment() {
        Fragment::Later => format!("{} fragment, later part, length {payload}", summary.protocol),
        _ => upper_layer(frame, headers, summary, payload),
    };
    let first = if headers.fragment() == Fragment::First { ", first fragment" } else { "" };
    format!("{family} {source} > {destination}: {what}{first}")
}

/// Where the IP packet ends: Ethernet pads short frames.
fn ip_end(frame: &Frame<'_>, headers: &Headers, length: u32) -> usize {
    let at = headers.network_offset();
    let total = if headers.version == 4 {
        frame
            .window::<{ ipv4::HEADER }>(at)
            .map(|ip| usize::from(ip.be16::<{ ipv4::offset::TOTAL_LENGTH }>()))
    } else {
        frame
            .window::<{ ipv6::HEADER }>(at)
            .map(|ip| usize::from(ip.be16::<{ ipv6::offset::PAYLOAD_LENGTH }>()) + ipv6::HEADER)
    };
    total.map_or(length as usize, |total| at + total)
}

fn upper_layer(frame: &Frame<'_>, headers: &Headers, summary: &Summary, payload: usize) -> String {
    let at = headers.transport_offset();
    let name = summary.protocol.as_str();
    match headers.protocol {
        transport::TCP => match frame.window::<20>(at) {
            Some(tcp) => tcp_line(&tcp, payload),
            None => format!("TCP, truncated, length {payload}"),
        },
        transport::UDP => match frame.window::<8>(at) {
            Some(_) => format!("UDP, length {}", payload.saturating_sub(8)),
            None => format!("UDP, truncated, length {payload}"),
        },
        icmp::PROTOCOL_V4 | icmp::PROTOCOL_V6 if transport::is_icmp(headers) => match frame.window::<8>(at) {
            Some(icmp) => icmp_line(headers.version, &icmp, payload),
            None => format!("{}, truncated, length {payload}", name.to_uppercase()),
        },
        _ => format!("{name}, length {payload}"),
    }
}

fn tcp_line(tcp: &Window<'_, 20>, payload: usize) -> String {
    let flags = tcp.u8::<13>();
    let data = payload.saturating_sub(usize::from(tcp.u8::<12>() >> 4) * 4);
    let mut line = format!("Flags [{}], seq {}", tcp_flags(flags), tcp.be32::<4>());
    if flags & transport::tcp_flag::ACK != 0 {
        let _ = write!(line, ", ack {}", tcp.be32::<8>());
    }
    let _ = write!(line, ", win {}, length {data}", tcp.be16::<14>());
    line
}

fn icmp_line(version: u8, w: &Window<'_, 8>, payload: usize) -> String {
    let (kind, code) = (w.u8::<0>(), w.u8::<1>());
    let (family, name) =
        if version == 4 { ("ICMP", icmp::type_name_v4(kind)) } else { ("ICMP6", icmp::type_name_v6(kind)) };
    match (version, kind) {
        (4, icmp::ECHO_REQUEST_V4 | icmp::ECHO_REPLY_V4)
        | (6, icmp::ECHO_REQUEST_V6 | icmp::ECHO_REPLY_V6) => {
            let name = name.unwrap_or_default().replace('-', " ");
            format!("{family} {name}, id {}, seq {}, length {payload}", w.be16::<4>(), w.be16::<6>())
        }
        _ => match name {
            Some(name) => format!("{family} {}, code {code}, length {payload}", name.replace('-', " ")),
            None => format!("{family} type {kind}, code {code}, length {payload}"),
        },
    }
}

/// Sixteen bytes a line with their offset, as `tcpdump -x` but for the whole frame.
pub fn hex_dump(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (line, chunk) in bytes.chunks(16).enumerate() {
        let _ = write!(text, "\t{:#06x}: ", line * 16);
        for pair in chunk.chunks(2) {
            text.push(' ');
            for byte in pair {
                let _ = write!(text, "{byte:02x}");
            }
        }
        text.push('\n');
    }
    text
}
