//! The source address decides: a live block first, then the longest prefix of the lists that covers it, then the default.

use abi::{Action, Reason, Step};
use wire::{Frame, Headers, ethernet, ipv4, ipv6, parse};

use crate::{essential, shared::Value};

/// The world this stage sees: its tables and counters.
pub trait Env {
    /// The value of the longest prefix that covers the address (host order), 0 when none does.
    fn lookup_v4(&self, address: u32) -> u32;
    /// As `lookup_v4`; the address as its two halves, host order.
    fn lookup_v6(&self, high: u64, low: u64) -> u32;
    fn hit(&mut self, slot: u32, bytes: u64);

    /// Whether the lists are looked up.
    fn has_lists(&self) -> bool {
        true
    }

    /// Whether an IP packet that no prefix covers is dropped.
    fn drops_by_default(&self) -> bool {
        false
    }

    /// Whether the blocks are looked up.
    fn has_blocks(&self) -> bool {
        false
    }

    /// The value of the longest block that covers the address, 0 when none does.
    fn block_v4(&self, _address: u32) -> u32 {
        0
    }

    /// As `block_v4`; the address as its two halves.
    fn block_v6(&self, _high: u64, _low: u64) -> u32 {
        0
    }

    fn block_hit(&mut self, _slot: u32, _bytes: u64) {}
}

/// Judges one frame of `length` bytes. Frames that are not IP go on; fragments are judged like any other packet, since
/// they all carry the source.
#[inline(always)]
pub fn process(frame: &Frame<'_>, headers: &Headers, length: u64, env: &mut impl Env) -> Step {
    // Before the lookups: the verifier would otherwise walk each of their paths once for each place that the transport
    // header can be in, ten times as many instructions.
    let by_default = env.drops_by_default() && !essential::is_essential(frame, headers);
    match headers.version {
        4 => judge::<4>(frame, headers.network_offset(), by_default, length, env),
        6 => judge::<6>(frame, headers.network_offset(), by_default, length, env),
        _ => Step::Next,
    }
}

/// Judges a frame that is not what it says it is, by the source in its fixed IP header, where there is one. The kernel
/// delivers some of what senko does not read to its end, such as a long chain of IPv6 extension headers: nobody shall
/// come around a prefix that way, nor around the default, under which a frame that announces IP needs a prefix to pass.
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
    match ethertype {
        ethernet::IPV4 => judge::<4>(frame, at, env.drops_by_default(), length, env),
        ethernet::IPV6 => judge::<6>(frame, at, env.drops_by_default(), length, env),
        _ => Step::Next,
    }
}

/// Blocks, then lists, then the default, by the source in the IP header at `at`.
#[inline(always)]
fn judge<const VERSION: u8>(
    frame: &Frame<'_>,
    at: usize,
    by_default: bool,
    length: u64,
    env: &mut impl Env,
) -> Step {
    if env.has_blocks() {
        let block = if VERSION == 4 {
            source_v4(frame, at).map_or(0, |source| env.block_v4(source))
        } else {
            source_v6(frame, at).map_or(0, |(high, low)| env.block_v6(high, low))
        };
        if block != 0 {
            env.block_hit(Value(block).slot(), length);
            return Step::Done(Action::Drop, Reason::Blocked);
        }
    }
    if env.has_lists() {
        let listed = if VERSION == 4 {
            source_v4(frame, at).map_or(0, |source| env.lookup_v4(source))
        } else {
            source_v6(frame, at).map_or(0, |(high, low)| env.lookup_v6(high, low))
        };
        if listed != 0 {
            let value = Value(listed);
            env.hit(value.slot(), length);
            return if value.is_allow() {
                Step::Next
            } else {
                Step::Done(Action::Drop, Reason::FirewallDrop)
            };
        }
    }
    if by_default { Step::Done(Action::Drop, Reason::FirewallDefault) } else { Step::Next }
}

/// The source of the IPv4 header at `at`, where there is one.
#[inline(always)]
fn source_v4(frame: &Frame<'_>, at: usize) -> Option<u32> {
    let ip = frame.window::<{ ipv4::HEADER }>(at)?;
    if ip.u8::<0>() >> 4 == 4 { Some(ip.be32::<{ ipv4::offset::SOURCE }>()) } else { None }
}

/// As `source_v4`, of an IPv6 header: the two halves.
#[inline(always)]
fn source_v6(frame: &Frame<'_>, at: usize) -> Option<(u64, u64)> {
    let ip = frame.window::<{ ipv6::HEADER }>(at)?;
    if ip.u8::<0>() >> 4 != 6 {
        return None;
    }
    let [a, b, c, d] = ip.be128::<{ ipv6::offset::SOURCE }>();
    Some((u64::from(a) << 32 | u64::from(b), u64::from(c) << 32 | u64::from(d)))
}
