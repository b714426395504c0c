//! A captured packet, on the host.

use abi::{Action, Reason, layout::from_bytes};
use serde::Serialize;
use wire::{Frame, Headers, ipv4, ipv6, parse, transport};

use crate::shared::{HEADER, RecordHeader};

/// One record out of the ring.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    pub header: RecordHeader,
    pub bytes: &'a [u8],
}

impl<'a> Packet<'a> {
    /// `None` when the record is shorter than it says.
    pub fn from_record(record: &'a [u8]) -> Option<Self> {
        let (head, data) = record.split_at_checked(HEADER as usize)?;
        let header: RecordHeader = from_bytes(head)?;
        Some(Self { header, bytes: data.get(..header.captured as usize)? })
    }

    pub fn verdict(&self) -> &'static str {
        Action::from_code(self.header.verdict).map_or("unknown", Action::name)
    }

    pub fn reason(&self) -> &'static str {
        u8::try_from(self.header.reason).ok().and_then(Reason::from_code).map_or("unknown", Reason::name)
    }
}

/// What the headers say, for JSON rows and text.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Summary {
    pub ethertype: Option<u16>,
    pub vlan: Vec<u16>,
    pub ip_version: Option<u8>,
    pub protocol: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp_flags: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icmp_type: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icmp_code: Option<u8>,
    /// Why the frame is not what it says it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub malformed: Option<&'static str>,
}

/// One row of `senko dump --json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Seconds since 1970.
    pub time: f64,
    pub interface: String,
    pub queue: u32,
    /// Bytes on the wire.
    pub length: u32,
    pub captured: u32,
    pub verdict: &'static str,
    pub reason: &'static str,
    #[serde(flatten)]
    pub summary: Summary,
    /// The line that is printed without `--json`.
    pub text: String,
    /// The bytes in hex, with `-x`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
}

/// Reads the headers with the data path's own parser. What a capture cut off (`-s`) is missing, not malformed.
pub fn summarize(bytes: &[u8], length: u32) -> Summary {
    // The parser's frame can be written to, so it gets its own bytes.
    let mut copy = bytes.to_vec();
    let frame = Frame::new(&mut copy);
    let (vlan, ethertype) = link(bytes);
    let mut summary = Summary { vlan, ethertype, ..Summary::default() };
    let cut = bytes.len() < length as usize;
    match parse(&frame, u64::from(length)) {
        Ok(headers) => fill(&mut summary, &frame, &headers, cut),
        Err(malformed) if cut && malformed.is_truncation() => {
            summary.protocol = ethertype.map_or_else(|| "ethernet".into(), wire::protocol::ethertype_text);
        }
        Err(malformed) => {
            summary.protocol = "malformed".into();
            summary.malformed = Some(malformed.name());
        }
    }
    summary
}

fn fill(summary: &mut Summary, frame: &Frame<'_>, headers: &Headers, cut: bool) {
    if headers.version == 0 {
        summary.protocol = wire::protocol::ethertype_text(headers.ethertype);
        return;
    }
    summary.ip_version = Some(headers.version);
    summary.protocol =
        wire::protocol::ip_name(headers.protocol).map_or_else(|| headers.protocol.to_string(), Into::into);
    if let Some((source, destination)) = addresses(frame, headers) {
        summary.source = Some(source);
        summary.destination = Some(destination);
    }
    if headers.fragment() == wire::Fragment::Later {
        return;
    }
    match transport::transport(frame, headers) {
        Ok(t) if transport::has_ports(headers.protocol) => {
            summary.source_port = Some(t.source_port);
            summary.destination_port = Some(t.destination_port);
            if headers.protocol == transport::TCP {
                summary.tcp_flags = Some(tcp_flags(t.tcp_flags));
            }
        }
        Ok(t) if transport::is_icmp(headers) => {
            summary.icmp_type = Some(t.icmp_type);
            summary.icmp_code = Some(t.icmp_code);
        }
        Ok(_) => {}
        Err(_) if cut => {}
        Err(malformed) => summary.malformed = Some(malformed.name()),
    }
}

/// Source and destination, as text.
pub fn addresses(frame: &Frame<'_>, headers: &Headers) -> Option<(String, String)> {
    if headers.version == 4 {
        let ip = frame.window::<{ ipv4::HEADER }>(headers.network_offset())?;
        let text = |bits| std::net::Ipv4Addr::from_bits(bits).to_string();
        Some((text(ip.be32::<{ ipv4::offset::SOURCE }>()), text(ip.be32::<{ ipv4::offset::DESTINATION }>())))
    } else {
        let ip = frame.window::<{ ipv6::HEADER }>(headers.network_offset())?;
        let text = |words: [u32; 4]| {
            let bits = words.into_iter().fold(0_u128, |bits, word| bits << 32 | u128::from(word));
            std::net::Ipv6Addr::from_bits(bits).to_string()
        };
        Some((
            text(ip.be128::<{ ipv6::offset::SOURCE }>()),
            text(ip.be128::<{ ipv6::offset::DESTINATION }>()),
        ))
    }
}

/// tcpdump's letters: S, F, R, P, U and `.` for ACK.
pub fn tcp_flags(flags: u8) -> String {
    use transport::tcp_flag::{ACK, FIN, PSH, RST, SYN, URG};
    let letters = [(FIN, 'F'), (SYN, 'S'), (RST, 'R'), (PSH, 'P'), (URG, 'U'), (ACK, '.')];
    let text: String =
        letters.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, letter)| *letter).collect();
    if text.is_empty() { "none".into() } else { text }
}

/// The ids of the tags, outermost first, and the type behind them, as far as the bytes reach.
fn link(bytes: &[u8]) -> (Vec<u16>, Option<u16>) {
    let be16 = |at: usize| Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
    let mut ids = Vec::new();
    let mut at = 12;
    while ids.len() < 2 && be16(at).is_some_and(wire::ethernet::is_tag) {
        let Some(tag) = be16(at + 2) else { return (ids, None) };
        ids.push(tag & 0x0fff);
        at += 4;
    }
    (ids, be16(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_lies_about_its_length_is_refused() {
        let mut record = vec![0_u8; HEADER as usize + 10];
        record[12] = 11;
        assert!(Packet::from_record(&record).is_none());
        record[12] = 10;
        assert_eq!(Packet::from_record(&record).map(|p| p.bytes.len()), Some(10));
        assert!(Packet::from_record(&record[..20]).is_none());
    }
}
