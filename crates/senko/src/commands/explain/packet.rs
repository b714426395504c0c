//! A packet in words: `tcp from 192.0.2.1:5 to 203.0.113.10:80 syn`.
//!
//! ```text
//! (tcp|udp|icmp|icmpv6) from ADDRESS[:PORT] to ADDRESS[:PORT] [FLAG…] [length BYTES] [ttl N] [vlan ID]
//! ```

use std::net::{IpAddr, SocketAddr};

use etherparse::{PacketBuilder, TcpHeader};

/// What is wrong, and the bytes of the text that it is wrong in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    pub what: String,
    pub start: usize,
    pub end: usize,
}

impl Mistake {
    /// The text, and the place below it.
    pub fn pointer(&self, text: &str) -> String {
        let columns = |part: &str| part.chars().count();
        let (before, word) = (&text[..self.start], &text[self.start..self.end]);
        format!("{text}\n{}{}", " ".repeat(columns(before)), "^".repeat(columns(word).max(1)))
    }
}

/// Ports that are not said: one of those that programs get, and a well-known one.
const CLIENT: u16 = 40_000;
const TCP_SERVER: u16 = 80;
const UDP_SERVER: u16 = 53;
/// The longest frame that the kernel runs a program on, in one buffer.
const LONGEST: u16 = 3500;
const TTL: u8 = 64;

/// A packet that was described.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Packet {
    protocol: Protocol,
    source: End,
    destination: End,
    flags: Vec<Flag>,
    length: Option<u16>,
    ttl: u8,
    vlan: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Tcp,
    Udp,
    Icmp,
    Icmpv6,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct End {
    address: IpAddr,
    port: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flag {
    Syn,
    Ack,
    Fin,
    Rst,
    Psh,
    Urg,
}

const PROTOCOLS: [(&str, Protocol); 4] =
    [("tcp", Protocol::Tcp), ("udp", Protocol::Udp), ("icmp", Protocol::Icmp), ("icmpv6", Protocol::Icmpv6)];
const FLAGS: [(&str, Flag); 6] = [
    ("syn", Flag::Syn),
    ("ack", Flag::Ack),
    ("fin", Flag::Fin),
    ("rst", Flag::Rst),
    ("psh", Flag::Psh),
    ("urg", Flag::Urg),
];

/// The frame that a text describes.
pub fn frame(text: &str) -> Result<Vec<u8>, Mistake> {
    let packet = read(text)?;
    build(&packet).ok_or_else(|| Mistake {
        what: "these do not make a packet".into(),
        start: 0,
        end: text.len(),
    })
}

/// The words that are left, each with its place.
struct Words<'t> {
    text: &'t str,
    at: usize,
}

#[derive(Debug, Clone, Copy)]
struct Word<'t> {
    text: &'t str,
    start: usize,
}

impl Word<'_> {
    fn wrong(self, what: impl Into<String>) -> Mistake {
        Mistake { what: what.into(), start: self.start, end: self.start + self.text.len() }
    }
}

impl<'t> Words<'t> {
    fn next(&mut self) -> Option<Word<'t>> {
        let rest = &self.text[self.at..];
        let start = self.at + (rest.len() - rest.trim_start().len());
        let length = self.text[start..].find(char::is_whitespace).unwrap_or(self.text.len() - start);
        self.at = start + length;
        (length > 0).then(|| Word { text: &self.text[start..start + length], start })
    }

    fn expect(&mut self, what: &str) -> Result<Word<'t>, Mistake> {
        let end = self.text.trim_end().len();
        let missing = Mistake { what: format!("here {what} is missing"), start: end, end };
        self.next().ok_or(missing)
    }

    fn keyword(&mut self, keyword: &str) -> Result<(), Mistake> {
        let word = self.expect(&format!("`{keyword}`"))?;
        if word.text == keyword {
            return Ok(());
        }
        Err(word.wrong(format!("`{}` stands where `{keyword}` is wanted", word.text)))
    }

    /// The number behind a keyword.
    fn number(&mut self, of: &str, least: u16, most: u16) -> Result<u16, Mistake> {
        let word = self.expect(&format!("the number of `{of}`"))?;
        let number = word.text.parse().ok().filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| word.wrong(format!("`{of}` wants a number from {least} to {most}")))
    }
}

fn read(text: &str) -> Result<Packet, Mistake> {
    let mut words = Words { text, at: 0 };
    let word = words.expect("a protocol: tcp, udp, icmp or icmpv6")?;
    let known = PROTOCOLS.into_iter().find(|(name, _)| *name == word.text);
    let unknown = || word.wrong(format!("`{}` is none of tcp, udp, icmp and icmpv6", word.text));
    let (_, protocol) = known.ok_or_else(unknown)?;
    words.keyword("from")?;
    let source = end(words.expect("the source's address")?, protocol)?;
    words.keyword("to")?;
    let word = words.expect("the destination's address")?;
    let destination = end(word, protocol)?;
    if source.address.is_ipv4() != destination.address.is_ipv4() {
        let version = if source.address.is_ipv4() { 4 } else { 6 };
        return Err(word.wrong(format!("the source is an IPv{version} address, and this is none")));
    }
    let mut packet =
        Packet { protocol, source, destination, flags: Vec::new(), length: None, ttl: TTL, vlan: None };
    while let Some(word) = words.next() {
        match word.text {
            "length" => {
                let least = shortest(&packet);
                packet.length = Some(words.number("length", least, LONGEST)?);
            }
            "ttl" => packet.ttl = words.number("ttl", 0, 255)? as u8,
            "vlan" => packet.vlan = Some(words.number("vlan", 0, 4095)?),
            flag => match FLAGS.into_iter().find(|(name, _)| *name == flag) {
                Some((_, flag)) if protocol == Protocol::Tcp => packet.flags.push(flag),
                Some(_) => return Err(word.wrong(format!("`{flag}` is TCP's"))),
                None => {
                    let known = "syn, ack, fin, rst, psh, urg, length N, ttl N and vlan N";
                    return Err(word.wrong(format!("`{flag}` is none of {known}")));
                }
            },
        }
    }
    if let Some(length) = packet.length.filter(|length| *length < shortest(&packet)) {
        let what = format!("{length} bytes are too few for these headers: they have {}", shortest(&packet));
        return Err(Mistake { what, start: 0, end: text.len() });
    }
    Ok(packet)
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`.
fn end(word: Word<'_>, protocol: Protocol) -> Result<End, Mistake> {
    let end = if let Ok(address) = word.text.parse::<IpAddr>() {
        End { address, port: None }
    } else if let Ok(socket) = word.text.parse::<SocketAddr>() {
        End { address: socket.ip(), port: Some(socket.port()) }
    } else {
        let what = format!("`{}` is no address: write 192.0.2.1:80 or [2001:db8::1]:80", word.text);
        return Err(word.wrong(what));
    };
    match protocol {
        Protocol::Icmp | Protocol::Icmpv6 if end.port.is_some() => Err(word.wrong("ICMP has no ports")),
        Protocol::Icmp if end.address.is_ipv6() => Err(word.wrong("this is IPv6, whose ICMP is `icmpv6`")),
        Protocol::Icmpv6 if end.address.is_ipv4() => Err(word.wrong("this is IPv4, whose ICMP is `icmp`")),
        _ => Ok(end),
    }
}

/// Bytes of the headers.
fn shortest(packet: &Packet) -> u16 {
    let tag = if packet.vlan.is_some() { 4 } else { 0 };
    let ip = if packet.source.address.is_ipv4() { 20 } else { 40 };
    let transport = if packet.protocol == Protocol::Tcp { 20 } else { 8 };
    14 + tag + ip + transport
}

const RECEIVER: [u8; 6] = [2, 0, 0, 0, 0, 2];
const SENDER: [u8; 6] = [2, 0, 0, 0, 0, 1];

fn build(packet: &Packet) -> Option<Vec<u8>> {
    let mut frame = [RECEIVER, SENDER].concat();
    if let Some(id) = packet.vlan {
        frame.extend([0x81, 0x00]);
        frame.extend(id.to_be_bytes());
    }
    let ip = match (packet.source.address, packet.destination.address) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            frame.extend([0x08, 0x00]);
            PacketBuilder::ipv4(source.octets(), destination.octets(), packet.ttl)
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            frame.extend([0x86, 0xdd]);
            PacketBuilder::ipv6(source.octets(), destination.octets(), packet.ttl)
        }
        _ => return None,
    };
    let payload = vec![0; packet.length.map_or(0, |length| usize::from(length - shortest(packet)))];
    let ports = |server| (packet.source.port.unwrap_or(CLIENT), packet.destination.port.unwrap_or(server));
    match packet.protocol {
        Protocol::Tcp => ip.tcp_header(tcp(packet, ports(TCP_SERVER))).write(&mut frame, &payload),
        Protocol::Udp => {
            let (source, destination) = ports(UDP_SERVER);
            ip.udp(source, destination).write(&mut frame, &payload)
        }
        Protocol::Icmp => ip.icmpv4_echo_request(1, 1).write(&mut frame, &payload),
        Protocol::Icmpv6 => ip.icmpv6_echo_request(1, 1).write(&mut frame, &payload),
    }
    .ok()?;
    Some(frame)
}

/// Without flags it is a segment of a connection that stands.
fn tcp(packet: &Packet, (source, destination): (u16, u16)) -> TcpHeader {
    let mut header = TcpHeader::new(source, destination, 1, 64_240);
    header.ack = packet.flags.is_empty();
    for flag in &packet.flags {
        match flag {
            Flag::Syn => header.syn = true,
            Flag::Ack => header.ack = true,
            Flag::Fin => header.fin = true,
            Flag::Rst => header.rst = true,
            Flag::Psh => header.psh = true,
            Flag::Urg => header.urg = true,
        }
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `senko dump` says of it.
    fn said(text: &str) -> String {
        let frame = frame(text).unwrap_or_else(|mistake| panic!("{mistake:?}"));
        let length = frame.len() as u32;
        capture::text::describe(&frame, length, &capture::record::summarize(&frame, length))
    }

    #[test]
    fn words_make_packets() {
        let cases = [
            ("tcp from 192.0.2.1:5 to 203.0.113.10:80 syn", "IP 192.0.2.1.5 > 203.0.113.10.80: Flags [S]"),
            ("tcp from 192.0.2.1 to 203.0.113.10", "IP 192.0.2.1.40000 > 203.0.113.10.80: Flags [.]"),
            (
                "tcp from [2001:db8::1]:5 to 2001:db8::2 syn ack",
                "IP6 2001:db8::1.5 > 2001:db8::2.80: Flags [S.]",
            ),
            (
                " udp  from 192.0.2.1:5 to 192.0.2.2:53 length 100",
                "IP 192.0.2.1.5 > 192.0.2.2.53: UDP, length 58",
            ),
            ("icmp from 192.0.2.1 to 192.0.2.2 ttl 1", "IP 192.0.2.1 > 192.0.2.2: ICMP echo request"),
            ("icmpv6 from fd00::1 to fd00::2 vlan 7", "vlan 7, IP6 fd00::1 > fd00::2: ICMP6 echo request"),
        ];
        for (text, wanted) in cases {
            let said = said(text);
            assert!(said.starts_with(wanted), "{text}: {said}");
        }
        assert_eq!(frame("udp from 192.0.2.1 to 192.0.2.2 length 100").map(|frame| frame.len()), Ok(100));
        let ttl = frame("udp from 192.0.2.1 to 192.0.2.2 ttl 9").expect("a packet")[22];
        assert_eq!(ttl, 9);
    }

    #[test]
    fn mistakes_are_pointed_at() {
        let cases = [
            ("sctp from 192.0.2.1 to 192.0.2.2", "sctp", "none of tcp"),
            ("tcp form 192.0.2.1 to 192.0.2.2", "form", "`from` is wanted"),
            ("tcp from 192.0.2.300 to 192.0.2.2", "192.0.2.300", "no address"),
            ("tcp from 192.0.2.1 to 2001:db8::1", "2001:db8::1", "IPv4"),
            ("icmp from 192.0.2.1:5 to 192.0.2.2", "192.0.2.1:5", "no ports"),
            ("icmp from fd00::1 to fd00::2", "fd00::1", "icmpv6"),
            ("tcp from 192.0.2.1 to 192.0.2.2 syyn", "syyn", "none of syn"),
            ("udp from 192.0.2.1 to 192.0.2.2 syn", "syn", "TCP's"),
            ("tcp from 192.0.2.1 to 192.0.2.2 length 10", "10", "from 54 to 3500"),
            ("tcp from 192.0.2.1 to 192.0.2.2 ttl 256", "256", "from 0 to 255"),
            ("tcp from 192.0.2.1 to", "", "address is missing"),
            ("", "", "a protocol"),
        ];
        for (text, word, wanted) in cases {
            let mistake = frame(text).expect_err(text);
            assert_eq!(&text[mistake.start..mistake.end], word, "{mistake:?}");
            assert!(mistake.what.contains(wanted), "{text}: {mistake:?}");
        }
        let text = "tcp from 192.0.2.1 to 192.0.2.2 syyn";
        let pointer = frame(text).expect_err("no flag").pointer(text);
        assert_eq!(pointer, format!("{text}\n{}^^^^", " ".repeat(32)));
    }
}
