//! What rules can ask of a packet, laid out as the key of the classifier.

use classify::{Five, Key, WORDS};
use wire::{Fragment, Frame, Headers, Malformed, ethernet, ipv4, ipv6, transport};

use crate::essential;

/// Words of the key. What a packet has not is a value that no condition names.
pub mod word {
    /// Addresses are four words, the first one the highest bits; of IPv4 the first is the address and the others are 0. A port
    /// that is not there is [`NO_PORT`](super::NO_PORT). The protocol is the upper-layer one.
    pub use classify::word::{DESTINATION, DESTINATION_PORT, PROTOCOL, SOURCE, SOURCE_PORT};
    /// [`NO_FLAGS`](super::NO_FLAGS): no TCP header.
    pub const TCP_FLAGS: u8 = 11;
    /// [`NO_BYTE`](super::NO_BYTE): no ICMP header.
    pub const ICMP_TYPE: u8 = 12;
    pub const ICMP_CODE: u8 = 13;
    /// Of the IP packet.
    pub const LENGTH: u8 = 14;
    pub const TTL: u8 = 15;
    pub const DSCP: u8 = 16;
    /// A `wire::Fragment`.
    pub const FRAGMENT: u8 = 17;
    /// [`NO_VLAN`](super::NO_VLAN): no tag.
    pub const VLAN: u8 = 18;
    /// Two words: four bytes, two bytes.
    pub const SOURCE_MAC: u8 = 19;
    pub const DESTINATION_MAC: u8 = 21;
    pub const ETHERTYPE: u8 = 23;
    pub const OPTIONS: u8 = 24;
    /// The interface's slot.
    pub const INTERFACE: u8 = 25;
    /// A bit for each set that has the address.
    pub const SOURCE_SETS: u8 = 26;
    pub const DESTINATION_SETS: u8 = 27;
    /// 1: what [`essential`](crate::essential) names, or ARP.
    pub use classify::word::FLAG as ESSENTIAL;
    /// 1: a reply to what was sent.
    pub const ESTABLISHED: u8 = 29;
    /// Two words, where a number is written and read again, so that it is one of which the verifier knows nothing.
    pub const SPARE: u8 = 30;
}

pub const NO_PORT: u32 = 1 << 16;
pub const NO_FLAGS: u32 = 1 << 8;
pub const NO_BYTE: u32 = 1 << 8;
pub const NO_VLAN: u32 = 1 << 12;

/// Words that few rule lists ask for: they are filled in where the bit is set.
pub mod ask {
    /// Length, TTL, DSCP and options.
    pub const NETWORK: u32 = 1;
    /// VLAN, MAC addresses and ethertype.
    pub const LINK: u32 = 2;
    pub const INTERFACE: u32 = 4;
    pub const ESSENTIAL: u32 = 8;
    /// Flows that were seen going out.
    pub const ESTABLISHED: u32 = 16;
    /// TCP flags, ICMP's type and code, and which fragment it is. Only of whole packets over plain IPv4 they are left out.
    pub const TRANSPORT: u32 = 32;
}

/// Fills in a packet's key. The words of sets, of the interface and of flows are the caller's. An error is a transport
/// header that is cut off.
#[inline(always)]
pub fn fill(key: &mut Key, frame: &Frame<'_>, headers: &Headers, asked: u32) -> Result<(), Malformed> {
    match headers.version {
        4 => fill_v4(key, frame, headers, asked),
        6 => fill_v6(key, frame, headers, asked),
        // What is no IP has one bucket under a limit by address, not that of the packet before it.
        _ => {
            set(key, word::SOURCE, 0);
            set(key, word::DESTINATION, 0);
        }
    }
    if asked & ask::LINK != 0 {
        fill_link(key, frame, headers);
    }
    if asked & ask::ESSENTIAL != 0 {
        let arp = headers.version == 0 && headers.ethertype == ethernet::ARP;
        set(key, word::ESSENTIAL, u32::from(arp || essential::is_essential(frame, headers)));
    }
    if headers.version == 0 { Ok(()) } else { fill_transport(key, frame, headers) }
}

/// As [`fill`], of a whole packet of IPv4, with its [`Five`].
#[inline(always)]
pub fn fill_plain(
    key: &mut Key,
    frame: &Frame<'_>,
    headers: &Headers,
    asked: u32,
) -> Result<Five, Malformed> {
    let five = five_of_plain(frame, headers, asked)?;
    set(key, word::SOURCE, five.source());
    set(key, word::DESTINATION, five.destination());
    set(key, word::SOURCE_PORT, five.source_port());
    set(key, word::DESTINATION_PORT, five.destination_port());
    set(key, word::PROTOCOL, headers.protocol.into());
    if asked & ask::TRANSPORT != 0 {
        fill_transport(key, frame, headers)?;
    }
    if asked & ask::NETWORK != 0 {
        fill_v4(key, frame, headers, asked);
    }
    if asked & ask::LINK != 0 {
        fill_link(key, frame, headers);
    }
    if asked & ask::ESSENTIAL != 0 {
        set(key, word::ESSENTIAL, five.flag());
    }
    Ok(five)
}

/// The five-tuple of a whole packet of IPv4. Without a branch for the protocol, which changes from packet to packet: a branch
/// that is not foretold costs more than all of this.
#[inline(always)]
pub fn five_of_plain(frame: &Frame<'_>, headers: &Headers, asked: u32) -> Result<Five, Malformed> {
    let begins = transport::begins(headers.protocol);
    let at = headers.transport_offset();
    if frame.len() < at as u64 + u64::from(begins.bytes()) {
        return Err(Malformed::TcpTruncated);
    }
    let Some(ip) = frame.window::<{ ipv4::HEADER }>(headers.network_offset()) else {
        return Err(Malformed::Ipv4Truncated);
    };
    let ports = frame.window::<4>(at).map_or(0, |ports| ports.be32::<0>());
    let has_ports = begins.has_ports_mask();
    let port = |port: u32| port & has_ports | NO_PORT & !has_ports;
    let (source_port, destination_port) = (port(ports >> 16), port(ports & 0xffff));
    let addresses = ip.be64::<{ ipv4::offset::SOURCE }>();
    let five = Five::of_addresses(addresses, headers.protocol.into(), source_port, destination_port);
    if asked & ask::ESSENTIAL == 0 {
        return Ok(five);
    }
    Ok(five.flagged(essential::is_essential_v4(headers.protocol, destination_port)))
}

#[inline(always)]
fn set(key: &mut Key, word: u8, value: u32) {
    key[usize::from(word) & (WORDS - 1)] = value;
}

#[inline(always)]
fn fill_v4(key: &mut Key, frame: &Frame<'_>, headers: &Headers, asked: u32) {
    let Some(ip) = frame.window::<{ ipv4::HEADER }>(headers.network_offset()) else { return };
    set(key, word::SOURCE, ip.be32::<{ ipv4::offset::SOURCE }>());
    set(key, word::DESTINATION, ip.be32::<{ ipv4::offset::DESTINATION }>());
    if asked & ask::NETWORK != 0 {
        set(key, word::LENGTH, ip.be16::<{ ipv4::offset::TOTAL_LENGTH }>().into());
        set(key, word::TTL, ip.u8::<{ ipv4::offset::TTL }>().into());
        set(key, word::DSCP, u32::from(ip.u8::<1>() >> 2));
        set(key, word::OPTIONS, u32::from(ip.u8::<{ ipv4::offset::VERSION_IHL }>() != 0x45));
    }
}

#[inline(always)]
fn fill_v6(key: &mut Key, frame: &Frame<'_>, headers: &Headers, asked: u32) {
    let Some(ip) = frame.window::<{ ipv6::HEADER }>(headers.network_offset()) else { return };
    let [a, b, c, d] = ip.be128::<{ ipv6::offset::SOURCE }>();
    set(key, word::SOURCE, a);
    set(key, word::SOURCE + 1, b);
    set(key, word::SOURCE + 2, c);
    set(key, word::SOURCE + 3, d);
    let [a, b, c, d] = ip.be128::<{ ipv6::offset::DESTINATION }>();
    set(key, word::DESTINATION, a);
    set(key, word::DESTINATION + 1, b);
    set(key, word::DESTINATION + 2, c);
    set(key, word::DESTINATION + 3, d);
    if asked & ask::NETWORK != 0 {
        let payload = u32::from(ip.be16::<{ ipv6::offset::PAYLOAD_LENGTH }>());
        set(key, word::LENGTH, payload + ipv6::HEADER as u32);
        set(key, word::TTL, ip.u8::<{ ipv6::offset::HOP_LIMIT }>().into());
        // Version, then eight bits of traffic class, of which the upper six are the DSCP (RFC 2474).
        set(key, word::DSCP, u32::from(ip.be16::<0>() >> 6 & 0x3f));
        let next = ip.u8::<{ ipv6::offset::NEXT_HEADER }>();
        // A fragment header is none, but others may stand behind it.
        let behind_fragment = headers.network_offset() + ipv6::HEADER + 8;
        let is_fragment_alone = next == ipv6::FRAGMENT && headers.transport_offset() == behind_fragment;
        set(key, word::OPTIONS, u32::from(ipv6::is_extension(next) && !is_fragment_alone));
    }
}

#[inline(always)]
fn fill_link(key: &mut Key, frame: &Frame<'_>, headers: &Headers) {
    let Some(link) = frame.window::<{ ethernet::HEADER }>(0) else { return };
    set(key, word::DESTINATION_MAC, link.be32::<0>());
    set(key, word::DESTINATION_MAC + 1, link.be16::<4>().into());
    set(key, word::SOURCE_MAC, link.be32::<6>());
    set(key, word::SOURCE_MAC + 1, link.be16::<10>().into());
    set(key, word::ETHERTYPE, headers.ethertype.into());
    let tag = if headers.tags == 0 { None } else { frame.window::<{ ethernet::TAG }>(ethernet::HEADER) };
    set(key, word::VLAN, tag.map_or(NO_VLAN, |tag| u32::from(tag.be16::<0>() & 0x0fff)));
}

#[inline(always)]
fn fill_transport(key: &mut Key, frame: &Frame<'_>, headers: &Headers) -> Result<(), Malformed> {
    let fragment = headers.fragment();
    set(key, word::PROTOCOL, headers.protocol.into());
    set(key, word::FRAGMENT, fragment as u32);
    let (mut ports, mut flags, mut icmp) = ((NO_PORT, NO_PORT), NO_FLAGS, (NO_BYTE, NO_BYTE));
    if fragment != Fragment::Later {
        let t = transport::transport(frame, headers)?;
        if transport::has_ports(headers.protocol) {
            ports = (t.source_port.into(), t.destination_port.into());
            if headers.protocol == transport::TCP {
                flags = t.tcp_flags.into();
            }
        } else if transport::is_icmp(headers) {
            icmp = (t.icmp_type.into(), t.icmp_code.into());
        }
    }
    set(key, word::SOURCE_PORT, ports.0);
    set(key, word::DESTINATION_PORT, ports.1);
    set(key, word::TCP_FLAGS, flags);
    set(key, word::ICMP_TYPE, icmp.0);
    set(key, word::ICMP_CODE, icmp.1);
    Ok(())
}
