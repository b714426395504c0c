//! One lookup: the longest prefix that covers the source address decides.

use abi::{Action, Reason, Step};
use wire::{Frame, Headers, ethernet, ipv4, ipv6, parse};

use crate::shared::Value;

/// The world this stage sees: its tables and counters.
pub trait Env {
    /// The value of the longest prefix that covers the address (host order), 0 when none does.
    fn lookup_v4(&self, address: u32) -> u32;
    /// As `lookup_v4`; the address as its two halves, host order.
    fn lookup_v6(&self, high: u64, low: u64) -> u32;
    fn hit(&mut self, slot: u32, bytes: u64);
}

/// Judges one frame of `length` bytes. Frames that are not IP, and sources that no prefix covers, go on; fragments are
/// judged like any other packet, since they all carry the source.
#[inline(always)]
pub fn process(frame: &Frame<'_>, headers: &Headers, length: u64, env: &mut impl Env) -> Step {
    let at = headers.network_offset();
    let value = match headers.version {
        4 => lookup_v4(frame, at, env),
        6 => lookup_v6(frame, at, env),
        _ => 0,
    };
    judge(value, length, env)
}

/// Judges a frame that is not what it says it is, by the source in its fixed IP header, where there is one. The kernel
/// delivers some of what senko does not read to its end, such as a long chain of IPv6 extension headers: nobody shall
/// come around a prefix that way.
#[inline(always)]
pub fn process_malformed(frame: &Frame<'_>, length: u64, env: &mut impl Env) -> Step {
    let Ok(mut ethertype) = parse::ethertype(frame) else { return Step::Next };
    let mut at = ethernet::HEADER;
    for _ in 0..2 {
        if ethernet::is_tag(ethertype) {
            let Some(tag) = frame.window::<{ ethernet::TAG }>(at) else { return Step::Next };
            ethertype = tag.be16::<2>();
            at += ethernet::TAG;
        }
    }
    let value = match ethertype {
        ethernet::IPV4 => lookup_v4(frame, at, env),
        ethernet::IPV6 => lookup_v6(frame, at, env),
        _ => 0,
    };
    judge(value, length, env)
}

/// The value of the source of the IPv4 header at `at`; 0 where there is no such header.
#[inline(always)]
fn lookup_v4(frame: &Frame<'_>, at: usize, env: &impl Env) -> u32 {
    match frame.window::<{ ipv4::HEADER }>(at) {
        Some(ip) if ip.u8::<0>() >> 4 == 4 => env.lookup_v4(ip.be32::<{ ipv4::offset::SOURCE }>()),
        _ => 0,
    }
}

/// As `lookup_v4`, of an IPv6 header.
#[inline(always)]
fn lookup_v6(frame: &Frame<'_>, at: usize, env: &impl Env) -> u32 {
    match frame.window::<{ ipv6::HEADER }>(at) {
        Some(ip) if ip.u8::<0>() >> 4 == 6 => {
            let [a, b, c, d] = ip.be128::<{ ipv6::offset::SOURCE }>();
            env.lookup_v6(u64::from(a) << 32 | u64::from(b), u64::from(c) << 32 | u64::from(d))
        }
        _ => 0,
    }
}

#[inline(always)]
fn judge(value: u32, length: u64, env: &mut impl Env) -> Step {
    if value == 0 {
        return Step::Next;
    }
    let value = Value(value);
    env.hit(value.slot(), length);
    if value.is_allow() { Step::Next } else { Step::Done(Action::Drop, Reason::FirewallDrop) }
}
