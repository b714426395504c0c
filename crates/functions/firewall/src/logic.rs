//! One lookup: the longest prefix that covers the source address decides.

use abi::{Action, Reason, Step};
use wire::{Frame, Headers, ipv4, ipv6};

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
        4 => match frame.window::<{ ipv4::HEADER }>(at) {
            Some(ip) => env.lookup_v4(ip.be32::<{ ipv4::offset::SOURCE }>()),
            None => 0,
        },
        6 => match frame.window::<{ ipv6::HEADER }>(at) {
            Some(ip) => {
                let [a, b, c, d] = ip.be128::<{ ipv6::offset::SOURCE }>();
                env.lookup_v6(u64::from(a) << 32 | u64::from(b), u64::from(c) << 32 | u64::from(d))
            }
            None => 0,
        },
        _ => 0,
    };
    if value == 0 {
        return Step::Next;
    }
    let value = Value(value);
    env.hit(value.slot(), length);
    if value.is_allow() { Step::Next } else { Step::Done(Action::Drop, Reason::FirewallDrop) }
}
