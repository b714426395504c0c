//! What each condition and action of a rule means, by example, for the host and the kernel: packets that a rule is about,
//! packets beside them, and the same bytes where they are something else.

mod actions;
mod edges;
mod matchers;

use std::net::{Ipv4Addr, Ipv6Addr};

use abi::{Action, Reason};

pub use self::{actions::stories, edges::edges, matchers::cases};
use crate::frames::{self, Extension, Ipv4, Ipv6};

/// A frame, and the interface of [`crate::rules::INTERFACES`] that it comes in by.
pub type Coming = (Vec<u8>, &'static str);

/// A rule that drops, alone. In its texts are the sets of [`crate::rules::SETS`].
pub struct Case {
    pub rule: &'static str,
    pub hits: Vec<Coming>,
    /// The condition does not hold.
    pub misses: Vec<Coming>,
    /// The bytes are the same and mean something else, or nothing.
    pub guards: Vec<Coming>,
}

/// Rules in order, and what becomes of frames one after the other.
pub struct Story {
    pub rules: &'static [&'static str],
    pub default: &'static str,
    pub fragments: &'static str,
    pub frames: Vec<(Vec<u8>, Action, Reason)>,
    /// Packets by rule; those that are not here have none.
    pub counts: &'static [(&'static str, u64)],
    /// How many of the frames are told of.
    pub told: usize,
    /// What the frames that come to the kernel are marked with, one after the other; those without a mark left out.
    pub marks: &'static [u32],
}

/// A frame that `drop udp dport 53` is tried on.
pub struct Edge {
    pub name: &'static str,
    pub frame: Vec<u8>,
    pub is_dropped: bool,
    /// Of a header that is cut off, no rule can say what it is.
    pub is_malformed: bool,
}

const A: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const B: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const FAR: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);
const A6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
const B6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
const FAR6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdead, 0, 0, 0, 0, 0, 9);
/// For experiments (IEEE 802).
const OTHER: u16 = 0x88b5;

fn plain(protocol: u8) -> Ipv4 {
    Ipv4 { source: A, destination: B, protocol, ttl: 64, fragment: 0, options: Vec::new() }
}

fn plain6(protocol: u8) -> Ipv6 {
    Ipv6 { source: A6, destination: B6, protocol, hop_limit: 64, extensions: Vec::new() }
}

fn over_v4(ip: &Ipv4, payload: &[u8]) -> Vec<u8> {
    frames::ethernet(&[], frames::IPV4, &frames::ipv4(ip, payload))
}

fn over_v6(ip: &Ipv6, payload: &[u8]) -> Vec<u8> {
    frames::ethernet(&[], frames::IPV6, &frames::ipv6(ip, payload))
}

fn v4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    over_v4(&plain(protocol), payload)
}

fn v6(protocol: u8, payload: &[u8]) -> Vec<u8> {
    over_v6(&plain6(protocol), payload)
}

fn between(source: Ipv4Addr, destination: Ipv4Addr) -> Vec<u8> {
    over_v4(&Ipv4 { source, destination, ..plain(17) }, &udp(4000, 9))
}

fn between6(source: Ipv6Addr, destination: Ipv6Addr) -> Vec<u8> {
    over_v6(&Ipv6 { source, destination, ..plain6(17) }, &udp(4000, 9))
}

fn udp(from: u16, to: u16) -> Vec<u8> {
    frames::udp(from, to, b"senko")
}

fn tcp(from: u16, to: u16, flags: u8) -> Vec<u8> {
    frames::tcp(from, to, flags, b"senko")
}

fn ping(kind: u8, code: u8) -> Vec<u8> {
    frames::icmp(kind, code, [0, 1, 0, 2], b"senko")
}

fn ping6(kind: u8, code: u8) -> Vec<u8> {
    frames::icmpv6(A6, B6, kind, code, [0, 1, 0, 2], b"senko")
}

fn lldp_like() -> Vec<u8> {
    frames::ethernet(&[], 0x88cc, &[0; 46])
}

fn arp() -> Vec<u8> {
    frames::ethernet(&[], frames::ARP, &frames::arp(1, [2, 0, 0, 0, 0, 1], A, [0; 6], B))
}

/// As it is, in a later fragment.
fn later(protocol: u8, payload: &[u8]) -> Vec<u8> {
    over_v4(&Ipv4 { fragment: 185, ..plain(protocol) }, payload)
}

fn behind(extensions: Vec<Extension>, protocol: u8, payload: &[u8]) -> Vec<u8> {
    over_v6(&Ipv6 { extensions, ..plain6(protocol) }, payload)
}

/// The same bytes behind another ethertype.
fn retyped(frame: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame[12..14].copy_from_slice(&OTHER.to_be_bytes());
    frame
}

fn tagged(frame: &[u8], tags: &[(u16, u16)]) -> Vec<u8> {
    let ethertype = u16::from_be_bytes([frame[12], frame[13]]);
    frames::ethernet(tags, ethertype, &frame[14..])
}

fn with(mut frame: Vec<u8>, at: usize, byte: u8) -> Vec<u8> {
    frame[at] = byte;
    frame
}

fn case(rule: &'static str, hits: Vec<Vec<u8>>, misses: Vec<Vec<u8>>, guards: Vec<Vec<u8>>) -> Case {
    let coming = |frames: Vec<Vec<u8>>| frames.into_iter().map(|frame| (frame, "eth0")).collect();
    Case { rule, hits: coming(hits), misses: coming(misses), guards: coming(guards) }
}
