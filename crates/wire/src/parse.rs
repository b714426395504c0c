//! One pass over the front of a frame: Ethernet, at most two VLAN tags, IPv4 or IPv6 with its extension headers.
//!
//! ```text
//! | Ethernet 14 | tag 4 | tag 4 | IPv4 20..60               | TCP, UDP, ICMP …
//!                              | IPv6 40 | extension … (7) |
//! ^ 0                          ^ network                   ^ transport
//! ```
//!
//! The IP length fields must fit the frame. Headers behind the IP header must fit the frame, too, but are not held
//! against the IP length: in a packet that ends before its transport header, that header is read from Ethernet's padding.
//! Whoever answers or changes packets must look at the length.

use crate::{Frame, ethernet, ipv4, ipv6};

/// Where the headers of a frame are and what they announce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Headers {
    /// The type after all tags; below [`ethernet::FIRST_TYPE`] a length.
    pub ethertype: u16,
    /// VLAN tags that were walked over, 0..=2.
    pub tags: u8,
    /// 4, 6, or 0 when the frame is not IP.
    pub version: u8,
    /// The upper-layer protocol, behind all extension headers; 0 when the frame is not IP.
    pub protocol: u8,
    /// IPv4's fragment field; an IPv6 fragment header's is brought into the same form. Raw, because most paths never ask.
    fragment_field: u16,
    network: u16,
    transport: u16,
}

impl Headers {
    /// Which part of a datagram this frame carries.
    #[inline(always)]
    pub const fn fragment(&self) -> Fragment {
        if self.fragment_field & ipv4::FRAGMENT_OFFSET_MASK != 0 {
            Fragment::Later
        } else if self.fragment_field & ipv4::MORE_FRAGMENTS != 0 {
            Fragment::First
        } else {
            Fragment::Whole
        }
    }

    /// Byte offset of the IP header (of the payload, when the frame is not IP).
    #[inline(always)]
    pub const fn network_offset(&self) -> usize {
        // The mask changes nothing (two tags end at 22) and tells the verifier a bound that survives a spill.
        (self.network & 0x1f) as usize
    }

    /// All of it in one word, to be handed to a function of its own.
    #[inline(always)]
    pub const fn packed(&self) -> u64 {
        (self.ethertype as u64) << 48
            | (self.fragment_field as u64) << 32
            | (self.transport as u64) << 18
            | (self.network as u64) << 13
            | (self.tags as u64) << 11
            | (self.version as u64) << 8
            | self.protocol as u64
    }

    /// From [`packed`](Self::packed).
    #[inline(always)]
    pub const fn unpacked(word: u64) -> Self {
        Self {
            ethertype: (word >> 48) as u16,
            fragment_field: (word >> 32) as u16,
            transport: (word >> 18 & 0x3fff) as u16,
            network: (word >> 13 & 0x1f) as u16,
            tags: (word >> 11 & 3) as u8,
            version: (word >> 8 & 7) as u8,
            protocol: word as u8,
        }
    }

    /// Byte offset of the transport header. In a later fragment it is data.
    #[inline(always)]
    pub const fn transport_offset(&self) -> usize {
        (self.transport & 0x3fff) as usize
    }
}

/// Which part of a datagram a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Fragment {
    /// The whole datagram. An IPv6 fragment header that holds everything (atomic, RFC 6946) counts as whole.
    Whole = 0,
    /// The first of several: the transport header is there.
    First = 1,
    /// Not the first: what follows is data, whatever it looks like.
    Later = 2,
}

/// Why a frame is not what it says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Malformed {
    EthernetTruncated = 0,
    VlanTruncated = 1,
    Ipv4Truncated = 2,
    Ipv4Version = 3,
    Ipv4HeaderLength = 4,
    Ipv4TotalLength = 5,
    Ipv6Truncated = 6,
    Ipv6Version = 7,
    Ipv6PayloadLength = 8,
    Ipv6ExtensionTruncated = 9,
    Ipv6TooManyExtensions = 10,
    TcpTruncated = 11,
    UdpTruncated = 12,
    IcmpTruncated = 13,
}

impl Malformed {
    pub const ALL: [Self; 14] = [
        Self::EthernetTruncated,
        Self::VlanTruncated,
        Self::Ipv4Truncated,
        Self::Ipv4Version,
        Self::Ipv4HeaderLength,
        Self::Ipv4TotalLength,
        Self::Ipv6Truncated,
        Self::Ipv6Version,
        Self::Ipv6PayloadLength,
        Self::Ipv6ExtensionTruncated,
        Self::Ipv6TooManyExtensions,
        Self::TcpTruncated,
        Self::UdpTruncated,
        Self::IcmpTruncated,
    ];

    /// Whether the frame ended too early, rather than said something wrong.
    pub const fn is_truncation(self) -> bool {
        matches!(
            self,
            Self::EthernetTruncated
                | Self::VlanTruncated
                | Self::Ipv4Truncated
                | Self::Ipv6Truncated
                | Self::Ipv6ExtensionTruncated
                | Self::TcpTruncated
                | Self::UdpTruncated
                | Self::IcmpTruncated
        )
    }

    /// Stable name for JSON rows and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EthernetTruncated => "ethernet_truncated",
            Self::VlanTruncated => "vlan_truncated",
            Self::Ipv4Truncated => "ipv4_truncated",
            Self::Ipv4Version => "ipv4_version",
            Self::Ipv4HeaderLength => "ipv4_header_length",
            Self::Ipv4TotalLength => "ipv4_total_length",
            Self::Ipv6Truncated => "ipv6_truncated",
            Self::Ipv6Version => "ipv6_version",
            Self::Ipv6PayloadLength => "ipv6_payload_length",
            Self::Ipv6ExtensionTruncated => "ipv6_extension_truncated",
            Self::Ipv6TooManyExtensions => "ipv6_too_many_extensions",
            Self::TcpTruncated => "tcp_truncated",
            Self::UdpTruncated => "udp_truncated",
            Self::IcmpTruncated => "icmp_truncated",
        }
    }
}

/// The Ethernet type of a frame, before any tag is looked at.
#[inline(always)]
pub fn ethertype(frame: &Frame<'_>) -> Result<u16, Malformed> {
    let eth = frame.window::<{ ethernet::HEADER }>(0).ok_or(Malformed::EthernetTruncated)?;
    Ok(eth.be16::<12>())
}

/// Parses a frame of `length` bytes on the wire, of which the first buffer is in `frame`.
#[inline(always)]
pub fn parse(frame: &Frame<'_>, length: u64) -> Result<Headers, Malformed> {
    let ethertype = ethertype(frame)?;
    match ethertype {
        ethernet::IPV4 => parse_ipv4(frame, length, 0, ethernet::HEADER),
        ethernet::IPV6 => parse_ipv6(frame, length, 0, ethernet::HEADER),
        _ => parse_tagged(frame, length, ethertype),
    }
}

/// The rest of [`parse`] for a frame whose first type is not IP: tagged, or another protocol.
#[inline(always)]
pub fn parse_tagged(frame: &Frame<'_>, length: u64, first: u16) -> Result<Headers, Malformed> {
    let mut ethertype = first;
    let mut network = ethernet::HEADER;
    let mut tags = 0;
    if ethernet::is_tag(ethertype) {
        let tag = frame.window::<{ ethernet::TAG }>(network).ok_or(Malformed::VlanTruncated)?;
        ethertype = tag.be16::<2>();
        network += ethernet::TAG;
        tags = 1;
        if ethernet::is_tag(ethertype) {
            let tag = frame.window::<{ ethernet::TAG }>(network).ok_or(Malformed::VlanTruncated)?;
            ethertype = tag.be16::<2>();
            network += ethernet::TAG;
            tags = 2;
        }
        match ethertype {
            ethernet::IPV4 => return parse_ipv4(frame, length, tags, network),
            ethernet::IPV6 => return parse_ipv6(frame, length, tags, network),
            _ => {}
        }
    }
    Ok(Headers {
        ethertype,
        tags,
        version: 0,
        protocol: 0,
        fragment_field: 0,
        network: network as u16,
        transport: network as u16,
    })
}

/// Whether an IPv4 header at `network` begins with version 4 and a length of 20 bytes, as nearly all do.
#[inline(always)]
pub fn is_plain_ipv4(frame: &Frame<'_>, network: usize) -> Result<bool, Malformed> {
    let ip = frame.window::<{ ipv4::HEADER }>(network).ok_or(Malformed::Ipv4Truncated)?;
    Ok(ip.u8::<{ ipv4::offset::VERSION_IHL }>() == 0x45)
}

/// Parses the IPv4 header at `network`, behind `tags` VLAN tags.
#[inline(always)]
pub fn parse_ipv4(frame: &Frame<'_>, length: u64, tags: u8, network: usize) -> Result<Headers, Malformed> {
    let ip = frame.window::<{ ipv4::HEADER }>(network).ok_or(Malformed::Ipv4Truncated)?;
    let version_ihl = ip.u8::<{ ipv4::offset::VERSION_IHL }>();
    if version_ihl >> 4 != 4 {
        return Err(Malformed::Ipv4Version);
    }
    let header = ((version_ihl & 0x0f) as usize) * 4;
    if header < ipv4::HEADER {
        return Err(Malformed::Ipv4HeaderLength);
    }
    parse_ipv4_after(frame, length, tags, network, header)
}

/// The rest of [`parse_ipv4`] for a header of `header` bytes, which is known to be 20..=60.
#[inline(always)]
pub fn parse_ipv4_after(
    frame: &Frame<'_>,
    length: u64,
    tags: u8,
    network: usize,
    header: usize,
) -> Result<Headers, Malformed> {
    let ip = frame.window::<{ ipv4::HEADER }>(network).ok_or(Malformed::Ipv4Truncated)?;
    let total = ip.be16::<{ ipv4::offset::TOTAL_LENGTH }>() as usize;
    if total < header || (network + total) as u64 > length {
        return Err(Malformed::Ipv4TotalLength);
    }
    Ok(Headers {
        ethertype: ethernet::IPV4,
        tags,
        version: 4,
        protocol: ip.u8::<{ ipv4::offset::PROTOCOL }>(),
        fragment_field: ip.be16::<{ ipv4::offset::FRAGMENT }>(),
        network: network as u16,
        transport: (network + header) as u16,
    })
}

/// Parses the IPv6 header at `network`, behind `tags` VLAN tags, and its extension headers.
#[inline(always)]
pub fn parse_ipv6(frame: &Frame<'_>, length: u64, tags: u8, network: usize) -> Result<Headers, Malformed> {
    let ip = frame.window::<{ ipv6::HEADER }>(network).ok_or(Malformed::Ipv6Truncated)?;
    if ip.u8::<0>() >> 4 != 6 {
        return Err(Malformed::Ipv6Version);
    }
    let payload = ip.be16::<{ ipv6::offset::PAYLOAD_LENGTH }>() as usize;
    if (network + ipv6::HEADER + payload) as u64 > length {
        return Err(Malformed::Ipv6PayloadLength);
    }
    let mut headers = Headers {
        ethertype: ethernet::IPV6,
        tags,
        version: 6,
        protocol: ip.u8::<{ ipv6::offset::NEXT_HEADER }>(),
        fragment_field: 0,
        network: network as u16,
        transport: (network + ipv6::HEADER) as u16,
    };
    if ipv6::is_extension(headers.protocol) {
        walk_extensions(frame, &mut headers)?;
    }
    Ok(headers)
}

/// Moves `protocol` and `transport` behind the extension headers.
#[inline(always)]
fn walk_extensions(frame: &Frame<'_>, headers: &mut Headers) -> Result<(), Malformed> {
    for _ in 0..ipv6::MAX_EXTENSIONS {
        let next_header = headers.protocol;
        if !ipv6::is_extension(next_header) {
            return Ok(());
        }
        let at = headers.transport_offset();
        let extension = frame.window::<8>(at).ok_or(Malformed::Ipv6ExtensionTruncated)?;
        if next_header == ipv6::FRAGMENT {
            let field = extension.be16::<2>();
            // A second fragment header does not make a first fragment whole.
            headers.fragment_field |= field >> 3 | (field & 1) << 13;
            if field & 0xfff8 != 0 {
                // What follows is the middle of something: its next-header value names the protocol, and no more
                // headers can be read.
                headers.protocol = extension.u8::<0>();
                headers.transport = (at + 8) as u16;
                return Ok(());
            }
        }
        headers.protocol = extension.u8::<0>();
        headers.transport = (at + ipv6::extension_length(next_header, extension.u8::<1>())) as u16;
    }
    if ipv6::is_extension(headers.protocol) { Err(Malformed::Ipv6TooManyExtensions) } else { Ok(()) }
}
