//! What the default never drops, because without it a host loses its address or its link, and with it the person who would
//! put the list right: neighbour discovery and address configuration. A block or a listed prefix drops it all the same.

use wire::{Fragment, Frame, Headers, icmp, transport};

/// RFC 2131 section 4.1: server, client.
const DHCP: [u16; 2] = [67, 68];
/// RFC 8415 section 7.2: client, server.
const DHCPV6: [u16; 2] = [546, 547];

/// RFC 2710: listener query, report and done; a switch that does not hear them forgets where to send neighbour
/// solicitations, and RFC 4890 (section 4.4.1) counts them to what must not be dropped. RFC 4861: router solicitation to
/// redirect.
const DISCOVERY: core::ops::RangeInclusive<u8> = 130..=137;
/// RFC 3810: the report of version 2.
const LISTENER_REPORT_V2: u8 = 143;

/// Whether a whole packet is one of those. Ports are the destination's: whoever sends chooses its own. Neighbour discovery
/// is never fragmented (RFC 6980).
#[inline(always)]
pub fn is_essential(frame: &Frame<'_>, headers: &Headers) -> bool {
    if headers.fragment() != Fragment::Whole {
        return false;
    }
    let at = headers.transport_offset();
    match (headers.version, headers.protocol) {
        (4, transport::UDP) => has_port(frame, at, DHCP),
        (6, transport::UDP) => has_port(frame, at, DHCPV6),
        (6, icmp::PROTOCOL_V6) => frame.window::<{ icmp::HEADER }>(at).is_some_and(|message| {
            let kind = message.u8::<{ icmp::offset::TYPE }>();
            DISCOVERY.contains(&kind) || kind == LISTENER_REPORT_V2
        }),
        _ => false,
    }
}

/// The same of a whole packet of IPv4, 1 or 0, without a branch: which protocol it is cannot be foretold.
#[inline(always)]
pub fn is_essential_v4(protocol: u8, port: u32) -> u32 {
    const { assert!(DHCP[0] + 1 == DHCP[1]) };
    // 0 or 1 above the first port, and no other bit of the protocol.
    let other = port.wrapping_sub(DHCP[0] as u32) >> 1 | u32::from(protocol ^ transport::UDP);
    // The sign's copies, but not the topmost, of which the compiler would make a comparison.
    (u64::from(other).wrapping_sub(1) >> 40) as u32 & 1
}

#[inline(always)]
fn has_port(frame: &Frame<'_>, at: usize, [one, other]: [u16; 2]) -> bool {
    frame.window::<8>(at).is_some_and(|udp| {
        let port = udp.be16::<2>();
        port == one || port == other
    })
}
