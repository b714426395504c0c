//! Which counter a frame belongs to.

use wire::{Frame, Headers, Malformed, transport};

use crate::shared::slot;

/// The world this stage sees: its counters.
pub trait Env {
    /// Adds one packet of `bytes` to a slot of the array.
    fn count(&mut self, slot: u32, bytes: u64);
    /// Adds one packet of `bytes` to an ethertype that is not IP.
    fn count_ethertype(&mut self, ethertype: u16, bytes: u64);
    /// Whether ICMP is also counted by type.
    fn wants_icmp_types(&self) -> bool;
}

/// Counts one frame. `length` is its length on the wire.
#[inline(always)]
pub fn process(frame: &Frame<'_>, headers: &Headers, length: u64, env: &mut impl Env) {
    match headers.version {
        4 => env.count(slot::IPV4 + u32::from(headers.protocol), length),
        6 => env.count(slot::IPV6 + u32::from(headers.protocol), length),
        _ => env.count_ethertype(headers.ethertype, length),
    }
    if transport::is_icmp(headers) && env.wants_icmp_types() {
        count_icmp_type(frame, headers, length, env);
    }
}

/// Counts one frame that is not what it says it is.
#[inline(always)]
pub fn process_malformed(malformed: Malformed, length: u64, env: &mut impl Env) {
    env.count(slot::MALFORMED + malformed as u32, length);
}

#[inline(always)]
fn count_icmp_type(frame: &Frame<'_>, headers: &Headers, length: u64, env: &mut impl Env) {
    // A truncated or later fragment has no type to count; the protocol's counter has it.
    if headers.fragment() == wire::Fragment::Later {
        return;
    }
    if let Ok(t) = transport::transport(frame, headers) {
        let base = if headers.version == 4 { slot::ICMP } else { slot::ICMPV6 };
        env.count(base + u32::from(t.icmp_type), length);
    }
}
