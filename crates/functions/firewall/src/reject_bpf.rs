//! Answers to what is rejected, in the kernel.

use aya_ebpf::{
    bindings::xdp_md,
    btf_maps::PerCpuArray,
    helpers::generated::{bpf_xdp_adjust_head, bpf_xdp_adjust_tail},
    macros::btf_map,
};
use wire::{Frame, Headers};

use crate::{
    flow_bpf::nanoseconds,
    limit,
    reject::{self, Answer},
    shared::{Limit, WHOLE},
};

/// When the next answer is due.
#[btf_map]
static REJECT_DUE: PerCpuArray<u64, 1> = PerCpuArray::new();

/// A thousand answers a second on each processor, and a hundred at once (RFC 4443 section 2.4(f); the kernel's own
/// `net.ipv4.icmp_msgs_per_sec` is a thousand): a flood from sources that are made up is not to be sent on to them.
const RATE: Limit =
    Limit { interval: 1_000_000, tolerance: 99_000_000, mask: [0; 4], word: WHOLE, number: 0 };

/// Turns a frame of `length` bytes into the answer to itself; 0: there is none, and the frame may be half of one. A function of its
/// own, so that the verifier walks through it once.
///
/// # Safety
/// `ctx` must be the context of the program that calls, and `headers` those of its packet. What was read of the packet before is not
/// to be used any more.
#[unsafe(no_mangle)]
#[inline(never)]
pub unsafe extern "C" fn firewall_reject(ctx: *mut xdp_md, headers: u64, length: u64) -> u32 {
    // SAFETY: the caller's promise.
    u32::from(unsafe { turn(ctx, &Headers::unpacked(headers), length) }.is_some())
}

/// # Safety
/// As for [`firewall_reject`].
#[inline(always)]
unsafe fn turn(ctx: *mut xdp_md, headers: &Headers, length: u64) -> Option<()> {
    // SAFETY: the caller's promise.
    let mut own = unsafe { frame(ctx) };
    let answer = reject::answer(&own, headers)?;
    let due = REJECT_DUE.get_ptr_mut(0)?;
    // SAFETY: the value is this CPU's own, and XDP programs are not preempted by one another.
    if limit::exceeds(unsafe { &mut *due }, nanoseconds(), &RATE) {
        return None;
    }
    let mut before = length;
    if answer == Answer::Reset {
        reject::reset(&mut own, headers)?;
    } else {
        let link = reject::link(&own, headers)?;
        let room = reject::room(headers.version);
        // SAFETY: the context is the program's; what was read of the packet is not used any more.
        if unsafe { bpf_xdp_adjust_head(ctx, -(room as i32)) } != 0 {
            return None;
        }
        before += room as u64;
        // SAFETY: the caller's promise.
        reject::unreachable(&mut unsafe { frame(ctx) }, headers, &link)?;
    }
    let surplus = before as i32 - reject::length(answer, headers) as i32;
    // SAFETY: as above.
    if surplus > 0 && unsafe { bpf_xdp_adjust_tail(ctx, -surplus) } != 0 {
        return None;
    }
    Some(())
}

/// # Safety
/// `ctx` must be the context of the program.
#[inline(always)]
unsafe fn frame(ctx: *mut xdp_md) -> Frame<'static> {
    // SAFETY: data..data_end is this frame's memory, and only ours.
    unsafe { Frame::from_raw((*ctx).data as usize, (*ctx).data_end as usize) }
}
