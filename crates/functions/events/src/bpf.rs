//! Sampling in the kernel.

use crate::{
    logic,
    shared::{Clock, RING_BYTES},
};
use abi::{Action, Event, Reason, event::SNAPLEN};
use aya_ebpf::{
    bindings::BPF_RB_NO_WAKEUP,
    btf_maps::{PerCpuArray, RingBuf},
    helpers::{bpf_ktime_get_ns, bpf_ringbuf_submit, generated::bpf_jiffies64},
    macros::btf_map,
    programs::XdpContext,
};

#[btf_map]
static EVENTS: RingBuf<u8, { RING_BYTES as usize }> = RingBuf::new();

/// By the interface's slot; for one interface, unless the engine makes it larger.
#[btf_map]
static EVENT_CLOCK: PerCpuArray<Clock, 1> = PerCpuArray::new();

/// Counts a frame that is dropped, and tells of it when a record is due.
#[inline(always)]
pub fn dropped(ctx: &XdpContext, length: u64, action: Action, reason: Reason, interface: u32) {
    let Some(clock) = EVENT_CLOCK.get_ptr_mut(interface) else { return };
    // SAFETY: the value is this CPU's own, and XDP programs are not preempted by one another.
    let clock = unsafe { &mut *clock };
    // SAFETY: neither helper has preconditions.
    let due = unsafe { logic::count(clock, bpf_jiffies64(), || bpf_ktime_get_ns()) };
    let Some(due) = due else { return };
    if write(ctx, length, action, reason, interface, due.time, due.drops) {
        due.written(clock);
    }
}

/// Tells of a frame that a rule wants to be told of, whatever became of it. It stands for no drops.
#[inline(always)]
pub fn told(ctx: &XdpContext, length: u64, action: Action, reason: Reason, interface: u32) {
    // SAFETY: the helper has no preconditions.
    let now = unsafe { bpf_ktime_get_ns() };
    write(ctx, length, action, reason, interface, now, 0);
}

/// `false`: the ring is full.
#[inline(always)]
fn write(
    ctx: &XdpContext,
    length: u64,
    action: Action,
    reason: Reason,
    interface: u32,
    time: u64,
    drops: u64,
) -> bool {
    let Some(mut record) = EVENTS.reserve_bytes(size_of::<Event>(), 0) else { return false };
    let record: *mut Event = record.as_mut_ptr().cast();
    // SAFETY: the reservation has the size of an event, eight-byte aligned, and is ours until it is submitted. The frame's
    // bytes are copied by a helper that reads whatever address it gets, no more of them than the record has room for.
    // Without wake-up, which would cost many times the drop: readers poll.
    unsafe {
        let captured = captured(ctx);
        (*record).time = time;
        (*record).drops = drops;
        (*record).ifindex = ctx.ingress_ifindex() as u32;
        (*record).interface = interface;
        (*record).length = length as u32;
        (*record).captured = captured as u16;
        (*record).reason = reason as u8;
        (*record).action = action as u8;
        copy((*record).frame.as_mut_ptr(), captured, ctx.data());
        bpf_ringbuf_submit(record.cast(), u64::from(BPF_RB_NO_WAKEUP));
    }
    true
}

/// Bytes of the frame's linear part that fit into a record.
#[inline(always)]
fn captured(ctx: &XdpContext) -> u64 {
    let linear = (ctx.data_end() - ctx.data()) as u64;
    linear.min(SNAPLEN as u64)
}

/// `bpf_probe_read_kernel`. The helper's own binding takes the length as `u32`, and narrowing it would hide its bound from
/// the verifier.
///
/// # Safety
/// `to` must have `length` bytes.
#[inline(always)]
unsafe fn copy(to: *mut u8, length: u64, from: usize) -> i64 {
    type Helper = unsafe extern "C" fn(*mut u8, u64, usize) -> i64;
    // SAFETY: helper 113 is bpf_probe_read_kernel(buffer, length, address); the rest is the caller's promise.
    unsafe {
        let helper: Helper = core::mem::transmute(113_usize);
        helper(to, length, from)
    }
}
