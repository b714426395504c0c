//! What `senko dump`'s filter means, said a second time and naively, for tests: from what was typed and slices, as
//! tcpdump would take it.

use std::net::IpAddr;

use wire::model::{self, Dissected, Ip};

use crate::cli::FilterArgs;

/// Whether a frame is captured.
///
/// # Panics
/// For protocol names that it does not know; see [`knows`].
pub fn captured(filter: &FilterArgs, frame: &[u8]) -> bool {
    let Ok(dissected) = model::dissect(frame, frame.len()) else {
        let empty = !filter.syn
            && !filter.ipv4
            && !filter.ipv6
            && filter.proto.is_none()
            && filter.port.is_none()
            && filter.host.is_none();
        return empty;
    };
    let every_part = [
        !filter.ipv4 || version(&dissected) == Some(4),
        !filter.ipv6 || version(&dissected) == Some(6),
        filter.proto.as_deref().is_none_or(|name| is_protocol(&dissected, name)),
        filter.host.is_none_or(|host| dissected.ip.as_ref().is_some_and(|ip| is_host(ip, host))),
        filter.port.is_none_or(|port| dissected.ip.as_ref().is_some_and(|ip| is_port(ip, port))),
        !filter.syn || dissected.ip.as_ref().is_some_and(opens_connection),
    ];
    every_part.into_iter().all(|matches| matches)
}

/// Whether the filter's protocol is one that the model has a word for.
pub fn knows(filter: &FilterArgs) -> bool {
    const NAMES: [&str; 7] = ["arp", "lldp", "icmp", "icmpv6", "tcp", "udp", "sctp"];
    filter
        .proto
        .as_ref()
        .is_none_or(|name| NAMES.contains(&name.to_lowercase().as_str()) || name.parse::<u8>().is_ok())
}

fn version(dissected: &Dissected<'_>) -> Option<u8> {
    dissected.ip.as_ref().map(|ip| ip.version)
}

fn is_protocol(dissected: &Dissected<'_>, name: &str) -> bool {
    let protocol = dissected.ip.as_ref().map(|ip| ip.protocol);
    match name.to_lowercase().as_str() {
        "arp" => dissected.ethertype == 0x0806,
        "lldp" => dissected.ethertype == 0x88cc,
        "icmp" => dissected.ip.as_ref().is_some_and(Ip::is_icmp),
        "icmpv6" => protocol == Some(58),
        "tcp" => protocol == Some(6),
        "udp" => protocol == Some(17),
        "sctp" => protocol == Some(132),
        number => protocol == Some(number.parse().expect("a name the model knows, or a number")),
    }
}

fn is_host(ip: &Ip<'_>, host: IpAddr) -> bool {
    let octets = match host {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    ip.source == octets || ip.destination == octets
}

fn is_port(ip: &Ip<'_>, port: u16) -> bool {
    ip.ports().is_some_and(|(source, destination)| source == port || destination == port)
}

/// tcpdump's `tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn`.
fn opens_connection(ip: &Ip<'_>) -> bool {
    let Some(tcp) = ip.upper(20) else { return false };
    let flags = tcp[13];
    let syn = flags & 0x02 != 0;
    let ack = flags & 0x10 != 0;
    ip.protocol == 6 && syn && !ack
}
