//! From records to rows, one a sampled drop.

use std::net::{Ipv4Addr, Ipv6Addr};

use abi::{Action, Event, Reason, layout::from_bytes};
use serde::Serialize;
use wire::{Frame, icmp, protocol, transport};

use crate::subject::describe;

/// An event out of the ring's bytes; `None` when there are more or fewer than one has.
pub fn event(record: &[u8]) -> Option<Event> {
    // The ring rounds nothing up: a record is as long as what was reserved.
    from_bytes(record)
}

/// One row of `senko events --json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Seconds since 1970.
    pub time: f64,
    pub interface: String,
    pub verdict: &'static str,
    /// An `abi::Reason`.
    pub reason: &'static str,
    /// After VLAN tags; `null`: the frame is too short to have one.
    pub ethertype: Option<u16>,
    pub ip_version: Option<u8>,
    /// Of what is not IP, the ethertype's name.
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
    pub icmp_type: Option<u8>,
    /// Bytes on the wire.
    pub length: u32,
    /// Drops that the row stands for, its own included: those of one CPU and interface since the row before. 0: the frame is
    /// told of because a rule logs it.
    pub drops: u64,
}

impl Row {
    /// `time` is the event's in seconds since 1970; the record has the kernel's monotonic clock.
    pub fn new(event: &Event, time: f64, interface: &str) -> Self {
        // The parser's frame can be written to, so it gets its own bytes.
        let subject = describe(&Frame::new(&mut event.bytes().to_vec()), event.length.into());
        let ip = subject.ip_version != 0;
        let protocol = if ip {
            protocol::ip_name(subject.protocol).map_or_else(|| subject.protocol.to_string(), Into::into)
        } else if subject.ethertype == 0 {
            "ethernet".into()
        } else {
            protocol::ethertype_text(subject.ethertype)
        };
        let port = |port| (ip && transport::has_ports(subject.protocol)).then_some(port);
        let is_icmp =
            matches!((subject.ip_version, subject.protocol), (4, icmp::PROTOCOL_V4) | (6, icmp::PROTOCOL_V6));
        Self {
            time,
            interface: interface.into(),
            verdict: Action::from_code(event.action.into()).map_or("unknown", Action::name),
            reason: Reason::from_code(event.reason).map_or("unknown", Reason::name),
            ethertype: (subject.ethertype != 0).then_some(subject.ethertype),
            ip_version: ip.then_some(subject.ip_version),
            protocol,
            source: ip.then(|| address(subject.ip_version, subject.source)),
            destination: ip.then(|| address(subject.ip_version, subject.destination)),
            source_port: port(subject.source_port),
            destination_port: port(subject.destination_port),
            icmp_type: is_icmp.then_some(subject.icmp_type),
            length: event.length,
            drops: event.drops,
        }
    }

    /// The row as a line: `18:04:05.123 eth0 blocked: udp 192.0.2.1:4000 > 198.51.100.2:53, length 46 (1 of 1532 drops)`.
    pub fn line(&self) -> String {
        let mut line =
            format!("{} {} {}: {}", time_of_day(self.time), self.interface, self.reason, self.protocol);
        if let (Some(source), Some(destination)) = (&self.source, &self.destination) {
            let from = endpoint(source, self.source_port);
            line += &format!(" {from} > {}", endpoint(destination, self.destination_port));
        }
        if let Some(kind) = self.icmp_type {
            let name =
                if self.ip_version == Some(4) { icmp::type_name_v4(kind) } else { icmp::type_name_v6(kind) };
            line += &name.map_or_else(|| format!(" type {kind}"), |name| format!(" {name}"));
        }
        line += &format!(", length {}", self.length);
        if self.drops == 0 {
            line += &format!(" (logged, {})", self.verdict);
        }
        if self.drops > 1 {
            line += &format!(" (1 of {} drops)", self.drops);
        }
        line
    }
}

fn address(version: u8, words: [u32; 4]) -> String {
    if version == 4 {
        return Ipv4Addr::from_bits(words[3]).to_string();
    }
    let bits = words.into_iter().fold(0_u128, |bits, word| bits << 32 | u128::from(word));
    Ipv6Addr::from_bits(bits).to_string()
}

fn endpoint(address: &str, port: Option<u16>) -> String {
    match port {
        None => address.into(),
        Some(port) if address.contains(':') => format!("[{address}]:{port}"),
        Some(port) => format!("{address}:{port}"),
    }
}

/// In UTC, milliseconds.
fn time_of_day(seconds_since_1970: f64) -> String {
    let milliseconds = (seconds_since_1970 * 1e3) as u64;
    let (seconds, milliseconds) = (milliseconds / 1000, milliseconds % 1000);
    let (hours, minutes) = (seconds / 3600 % 24, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{milliseconds:03}", seconds % 60)
}

#[cfg(test)]
mod tests {
    use abi::event::SNAPLEN;
    use testkit::frames::{self, Ipv4, Ipv6};

    use super::*;

    /// A record of `frame`.
    fn dropped(reason: Reason, drops: u64, frame: &[u8]) -> Event {
        let mut event = Event {
            time: 5,
            drops,
            ifindex: 7,
            interface: 0,
            length: frame.len() as u32,
            captured: frame.len().min(SNAPLEN) as u16,
            reason: reason as u8,
            action: Action::Drop as u8,
            frame: [0xee; SNAPLEN],
        };
        event.frame[..event.captured.into()].copy_from_slice(&frame[..event.captured.into()]);
        event
    }

    fn udp() -> Event {
        let ip = Ipv4 {
            source: Ipv4Addr::new(192, 0, 2, 1),
            destination: Ipv4Addr::new(198, 51, 100, 2),
            protocol: 17,
            ttl: 64,
            fragment: 0,
            options: Vec::new(),
        };
        let packet = frames::ipv4(&ip, &frames::udp(4000, 53, &[7; 4]));
        dropped(Reason::Blocked, 1532, &frames::ethernet(&[], 0x0800, &packet))
    }

    fn ipv6(protocol: u8, payload: &[u8]) -> Event {
        let ip = Ipv6 {
            source: "2001:db8::1".parse().expect("an address"),
            destination: "2001:db8::2".parse().expect("an address"),
            protocol,
            hop_limit: 64,
            extensions: Vec::new(),
        };
        dropped(Reason::FirewallDefault, 1, &frames::ethernet(&[], 0x86dd, &frames::ipv6(&ip, payload)))
    }

    fn echo() -> Event {
        ipv6(58, &[128, 0, 0, 0, 0, 0, 0, 0])
    }

    /// The names of a row's fields are promised in docs/json.md.
    #[test]
    fn the_json_row_is_stable() {
        let json =
            |event| serde_json::to_string(&Row::new(event, 1764000245.1239, "eth0")).expect("plain data");
        assert_eq!(
            [json(&udp()), json(&echo()), json(&Event { reason: u8::MAX, captured: 13, ..echo() })],
            [
                r#"{"time":1764000245.1239,"interface":"eth0","verdict":"drop","reason":"blocked","ethertype":2048,"ip_version":4,"protocol":"udp","source":"192.0.2.1","destination":"198.51.100.2","source_port":4000,"destination_port":53,"length":46,"drops":1532}"#,
                r#"{"time":1764000245.1239,"interface":"eth0","verdict":"drop","reason":"firewall_default","ethertype":34525,"ip_version":6,"protocol":"icmpv6","source":"2001:db8::1","destination":"2001:db8::2","icmp_type":128,"length":62,"drops":1}"#,
                r#"{"time":1764000245.1239,"interface":"eth0","verdict":"drop","reason":"unknown","ethertype":null,"ip_version":null,"protocol":"ethernet","length":62,"drops":1}"#,
            ]
        );
    }

    #[test]
    fn a_line_says_it_shorter() {
        let line = |event| Row::new(event, 1764000245.1239, "eth0").line();
        assert_eq!(
            [line(&udp()), line(&echo()), line(&ipv6(6, &frames::tcp(1, 80, 2, &[0; 200]))),],
            [
                "16:04:05.123 eth0 blocked: udp 192.0.2.1:4000 > 198.51.100.2:53, length 46 (1 of 1532 drops)",
                "16:04:05.123 eth0 firewall_default: icmpv6 2001:db8::1 > 2001:db8::2 echo-request, length 62",
                "16:04:05.123 eth0 firewall_default: tcp [2001:db8::1]:1 > [2001:db8::2]:80, length 274",
            ]
        );
    }

    #[test]
    fn a_record_of_another_length_is_none() {
        let udp = udp();
        let bytes = abi::layout::bytes_of(&udp);
        assert_eq!(event(bytes), Some(udp));
        assert_eq!((event(&bytes[1..]), event(&[bytes, &[0; 8]].concat())), (None, None));
    }
}
