//! From records to rows, one a sampled drop.

use std::net::{Ipv4Addr, Ipv6Addr};

use abi::{Action, Event, Reason, layout::from_bytes};
use serde::Serialize;
use wire::{icmp, protocol, transport};

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
    /// Drops that the row stands for, its own included: those of one CPU and interface since the row before.
    pub drops: u64,
}

impl Row {
    /// `time` is the event's in seconds since 1970; the record has the kernel's monotonic clock.
    pub fn new(event: &Event, time: f64, interface: &str) -> Self {
        let ip = event.ip_version != 0;
        let protocol = if ip {
            protocol::ip_name(event.protocol).map_or_else(|| event.protocol.to_string(), Into::into)
        } else if event.ethertype == 0 {
            "ethernet".into()
        } else {
            protocol::ethertype_text(event.ethertype)
        };
        let port = |port| (ip && transport::has_ports(event.protocol)).then_some(port);
        let is_icmp =
            matches!((event.ip_version, event.protocol), (4, icmp::PROTOCOL_V4) | (6, icmp::PROTOCOL_V6));
        Self {
            time,
            interface: interface.into(),
            verdict: Action::from_code(event.action.into()).map_or("unknown", Action::name),
            reason: Reason::from_code(event.reason).map_or("unknown", Reason::name),
            ethertype: (event.ethertype != 0).then_some(event.ethertype),
            ip_version: ip.then_some(event.ip_version),
            protocol,
            source: ip.then(|| address(event.ip_version, event.source)),
            destination: ip.then(|| address(event.ip_version, event.destination)),
            source_port: port(event.source_port),
            destination_port: port(event.destination_port),
            icmp_type: is_icmp.then_some(event.icmp_type),
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
    use super::*;

    const UDP: Event = Event {
        time: 5,
        drops: 1532,
        source: [0, 0, 0, 0xc000_0201],
        destination: [0, 0, 0, 0xc633_6402],
        ifindex: 7,
        interface: 0,
        length: 46,
        source_port: 4000,
        destination_port: 53,
        ethertype: 0x0800,
        reason: Reason::Blocked as u8,
        action: Action::Drop as u8,
        ip_version: 4,
        protocol: 17,
        tcp_flags: 0,
        icmp_type: 0,
    };
    const ECHO: Event = Event {
        drops: 1,
        source: [0x2001_0db8, 0, 0, 1],
        destination: [0x2001_0db8, 0, 0, 2],
        source_port: 0,
        destination_port: 0,
        ethertype: 0x86dd,
        reason: Reason::FirewallDefault as u8,
        ip_version: 6,
        protocol: 58,
        icmp_type: 128,
        ..UDP
    };
    const TOO_SHORT: Event = Event {
        source: [0; 4],
        destination: [0; 4],
        ethertype: 0,
        reason: u8::MAX,
        ip_version: 0,
        protocol: 0,
        ..ECHO
    };

    /// The names of a row's fields are promised in docs/json.md.
    #[test]
    fn the_json_row_is_stable() {
        let json =
            |event| serde_json::to_string(&Row::new(event, 1764000245.1239, "eth0")).expect("plain data");
        assert_eq!(
            [json(&UDP), json(&ECHO), json(&TOO_SHORT)],
            [
                r#"{"time":1764000245.1239,"interface":"eth0","verdict":"drop","reason":"blocked","ethertype":2048,"ip_version":4,"protocol":"udp","source":"192.0.2.1","destination":"198.51.100.2","source_port":4000,"destination_port":53,"length":46,"drops":1532}"#,
                r#"{"time":1764000245.1239,"interface":"eth0","verdict":"drop","reason":"firewall_default","ethertype":34525,"ip_version":6,"protocol":"icmpv6","source":"2001:db8::1","destination":"2001:db8::2","icmp_type":128,"length":46,"drops":1}"#,
                r#"{"time":1764000245.1239,"interface":"eth0","verdict":"drop","reason":"unknown","ethertype":null,"ip_version":null,"protocol":"ethernet","length":46,"drops":1}"#,
            ]
        );
    }

    #[test]
    fn a_line_says_it_shorter() {
        let line = |event| Row::new(event, 1764000245.1239, "eth0").line();
        assert_eq!(
            [
                line(&UDP),
                line(&ECHO),
                line(&Event { protocol: 6, source_port: 1, destination_port: 80, ..ECHO })
            ],
            [
                "16:04:05.123 eth0 blocked: udp 192.0.2.1:4000 > 198.51.100.2:53, length 46 (1 of 1532 drops)",
                "16:04:05.123 eth0 firewall_default: icmpv6 2001:db8::1 > 2001:db8::2 echo-request, length 46",
                "16:04:05.123 eth0 firewall_default: tcp [2001:db8::1]:1 > [2001:db8::2]:80, length 46",
            ]
        );
    }

    #[test]
    fn a_record_of_another_length_is_none() {
        let bytes = abi::layout::bytes_of(&UDP);
        assert_eq!(event(bytes), Some(UDP));
        assert_eq!((event(&bytes[1..]), event(&[bytes, &[0; 8]].concat())), (None, None));
    }
}
