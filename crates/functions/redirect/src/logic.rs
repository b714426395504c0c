//! The two forms of redirection: cross-connect, and answering echo requests.

use abi::{Action, Reason, Step};
use wire::{
    Fragment, Frame, Headers, checksum, icmp,
    ipv4::{self, offset as v4},
    ipv6::{self, offset as v6},
};

/// The TTL of replies, as the kernel's own have it (`net.ipv4.ip_default_ttl`).
const REPLY_TTL: u8 = 64;

/// Where to send a frame, as the kernel's FIB and neighbour table say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextHop {
    pub ifindex: u32,
    pub source_mac: [u8; 6],
    pub destination_mac: [u8; 6],
}

/// The way from `source` to `destination`. IPv4 addresses stand in the last word. Host order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query {
    pub version: u8,
    /// Bytes of the IP packet.
    pub length: u16,
    pub source: [u32; 4],
    pub destination: [u32; 4],
}

/// The world this stage sees.
pub trait Env {
    /// Whether the host itself has this address.
    fn is_local(&mut self, address: [u32; 4]) -> bool;
    /// The kernel's route and neighbour; `Err` with the reason when the kernel must do it.
    fn route(&mut self, query: &Query) -> Result<NextHop, Reason>;
    /// Whether this instance may send through the interface.
    fn serves(&mut self, ifindex: u32) -> bool;
    /// Sends the frame out.
    fn send(&mut self, ifindex: u32) -> Action;
}

/// Answers an echo request for this host; everything else goes on.
///
/// Route and neighbour are looked up before a byte is changed, so that a frame the kernel must answer reaches it as
/// it came.
#[inline(always)]
pub fn reflect(frame: &mut Frame<'_>, headers: &Headers, env: &mut impl Env) -> Step {
    match headers.version {
        4 if headers.protocol == icmp::PROTOCOL_V4 => reflect_v4(frame, headers, env),
        6 if headers.protocol == icmp::PROTOCOL_V6 => reflect_v6(frame, headers, env),
        _ => Step::Next,
    }
}

/// Whether it is a message of the kind that is reflected; of nothing else is more looked at.
#[inline(always)]
pub fn may_be_echo(headers: &Headers) -> bool {
    match headers.version {
        4 => headers.protocol == icmp::PROTOCOL_V4,
        6 => headers.protocol == icmp::PROTOCOL_V6,
        _ => false,
    }
}

/// Not ours: to the kernel, counted under the reason.
#[inline(always)]
fn kernel(reason: Reason) -> Step {
    Step::Done(Action::Pass, reason)
}

/// One buffer's plain packet: no tags (the reply might leave through another port), options, extensions or fragments.
#[inline(always)]
fn is_plain(headers: &Headers, ip_header: usize) -> bool {
    headers.tags == 0
        && headers.fragment() == Fragment::Whole
        && headers.transport_offset() == wire::ethernet::HEADER + ip_header
}

const ETH: usize = wire::ethernet::HEADER;
const V4_WINDOW: usize = ETH + ipv4::HEADER + icmp::HEADER;
const V6_WINDOW: usize = ETH + ipv6::HEADER + icmp::HEADER;
const V4_ICMP: usize = ETH + ipv4::HEADER;
const V6_ICMP: usize = ETH + ipv6::HEADER;

/// Of what is not plain, only what may be an echo request is ours to name: listener reports carry options, too.
#[inline(always)]
fn not_plain(frame: &Frame<'_>, headers: &Headers, request: u16) -> Step {
    if headers.fragment() != Fragment::Later
        && let Some(icmp) = frame.window::<2>(headers.transport_offset())
        && icmp.be16::<0>() != request
    {
        return Step::Next;
    }
    kernel(Reason::RedirectNotPlain)
}

#[inline(always)]
fn reflect_v4(frame: &mut Frame<'_>, headers: &Headers, env: &mut impl Env) -> Step {
    const REQUEST: u16 = u16::from_be_bytes([icmp::ECHO_REQUEST_V4, 0]);
    if !is_plain(headers, ipv4::HEADER) || frame.window::<V4_WINDOW>(0).is_none() {
        return not_plain(frame, headers, REQUEST);
    }
    let Some(mut w) = frame.window_mut::<V4_WINDOW>(0) else { return kernel(Reason::RedirectNotPlain) };
    let type_code = w.be16::<V4_ICMP>();
    if type_code != REQUEST {
        return Step::Next;
    }
    let source = w.be32::<{ ETH + v4::SOURCE }>();
    let destination = w.be32::<{ ETH + v4::DESTINATION }>();
    let length = w.be16::<{ ETH + v4::TOTAL_LENGTH }>();
    // Ethernet pads: what lies behind the packet's own end is not part of it.
    if length < (ipv4::HEADER + icmp::HEADER) as u16 || !is_unicast_v4(source) || !header_checksum_holds(&w) {
        return kernel(Reason::RedirectNotPlain);
    }
    if !env.is_local([0, 0, 0, destination]) {
        return kernel(Reason::RedirectNotLocal);
    }
    let query = Query { version: 4, length, source: [0, 0, 0, destination], destination: [0, 0, 0, source] };
    let hop = match next_hop(env, &query) {
        Ok(hop) => hop,
        Err(reason) => return kernel(reason),
    };

    w.set_mac::<0>(hop.destination_mac);
    w.set_mac::<6>(hop.source_mac);
    w.set_be32::<{ ETH + v4::SOURCE }>(destination);
    w.set_be32::<{ ETH + v4::DESTINATION }>(source);
    // Swapped addresses sum up to the same; only the TTL's word changes.
    let ttl_protocol = w.be16::<{ ETH + v4::TTL }>();
    let reply_ttl_protocol = u16::from_be_bytes([REPLY_TTL, icmp::PROTOCOL_V4]);
    let sum = w.be16::<{ ETH + v4::CHECKSUM }>();
    w.set_be16::<{ ETH + v4::TTL }>(reply_ttl_protocol);
    w.set_be16::<{ ETH + v4::CHECKSUM }>(checksum::update(sum, ttl_protocol, reply_ttl_protocol));
    let reply = u16::from_be_bytes([icmp::ECHO_REPLY_V4, 0]);
    let sum = w.be16::<{ V4_ICMP + 2 }>();
    w.set_be16::<V4_ICMP>(reply);
    w.set_be16::<{ V4_ICMP + 2 }>(checksum::update(sum, type_code, reply));
    Step::Done(env.send(hop.ifindex), Reason::RedirectReflect)
}

#[inline(always)]
fn reflect_v6(frame: &mut Frame<'_>, headers: &Headers, env: &mut impl Env) -> Step {
    const REQUEST: u16 = u16::from_be_bytes([icmp::ECHO_REQUEST_V6, 0]);
    if !is_plain(headers, ipv6::HEADER) || frame.window::<V6_WINDOW>(0).is_none() {
        return not_plain(frame, headers, REQUEST);
    }
    let Some(mut w) = frame.window_mut::<V6_WINDOW>(0) else { return kernel(Reason::RedirectNotPlain) };
    let type_code = w.be16::<V6_ICMP>();
    if type_code != REQUEST {
        return Step::Next;
    }
    let source = w.be128::<{ ETH + v6::SOURCE }>();
    let destination = w.be128::<{ ETH + v6::DESTINATION }>();
    let payload = w.be16::<{ ETH + v6::PAYLOAD_LENGTH }>();
    if payload < icmp::HEADER as u16 || !is_unicast_v6(source) {
        return kernel(Reason::RedirectNotPlain);
    }
    if !env.is_local(destination) {
        return kernel(Reason::RedirectNotLocal);
    }
    let length = payload.saturating_add(ipv6::HEADER as u16);
    let query = Query { version: 6, length, source: destination, destination: source };
    let hop = match next_hop(env, &query) {
        Ok(hop) => hop,
        Err(reason) => return kernel(reason),
    };

    w.set_mac::<0>(hop.destination_mac);
    w.set_mac::<6>(hop.source_mac);
    w.set_be128::<{ ETH + v6::SOURCE }>(destination);
    w.set_be128::<{ ETH + v6::DESTINATION }>(source);
    w.set_u8::<{ ETH + v6::HOP_LIMIT }>(REPLY_TTL);
    // The pseudo header's sum is the same with the addresses swapped (RFC 8200 section 8.1).
    let reply = u16::from_be_bytes([icmp::ECHO_REPLY_V6, 0]);
    let sum = w.be16::<{ V6_ICMP + 2 }>();
    w.set_be16::<V6_ICMP>(reply);
    w.set_be16::<{ V6_ICMP + 2 }>(checksum::update(sum, type_code, reply));
    Step::Done(env.send(hop.ifindex), Reason::RedirectReflect)
}

#[inline(always)]
fn next_hop(env: &mut impl Env, query: &Query) -> Result<NextHop, Reason> {
    let hop = env.route(query)?;
    if env.serves(hop.ifindex) { Ok(hop) } else { Err(Reason::RedirectForeignPort) }
}

/// Not 0/8, 127/8, multicast or above (RFC 1122 section 3.2.1.3: such sources must not be answered).
#[inline(always)]
fn is_unicast_v4(address: u32) -> bool {
    let top = address >> 24;
    top != 0 && top != 127 && top < 224
}

/// Not unspecified, loopback or multicast (RFC 4291 section 2.5), nor link-local, whose interface only the kernel knows.
#[inline(always)]
fn is_unicast_v6(address: [u32; 4]) -> bool {
    let [a, b, c, d] = address;
    let low = a | b | c == 0 && d <= 1;
    !low && a >> 24 != 0xff && a >> 22 != 0xfe80 >> 6
}

/// RFC 1122 section 3.2.1.2: a header with a wrong checksum must not be answered. Its sum is all ones.
#[inline(always)]
fn header_checksum_holds<const N: usize>(w: &wire::Window<'_, N>) -> bool {
    let words = [
        w.be16::<{ ETH }>(),
        w.be16::<{ ETH + 2 }>(),
        w.be16::<{ ETH + 4 }>(),
        w.be16::<{ ETH + 6 }>(),
        w.be16::<{ ETH + 8 }>(),
        w.be16::<{ ETH + 10 }>(),
        w.be16::<{ ETH + 12 }>(),
        w.be16::<{ ETH + 14 }>(),
        w.be16::<{ ETH + 16 }>(),
        w.be16::<{ ETH + 18 }>(),
    ];
    let mut sum: u32 = 0;
    for word in words {
        sum += u32::from(word);
    }
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    sum == 0xffff
}
