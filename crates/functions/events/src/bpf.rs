//! Sampling in the kernel.

use core::ptr;

use abi::{Action, Event, Reason};
use aya_ebpf::{
    bindings::BPF_RB_NO_WAKEUP,
    btf_maps::{PerCpuArray, RingBuf},
    helpers::{bpf_ktime_get_ns, bpf_ringbuf_submit, generated::bpf_jiffies64},
    macros::btf_map,
    programs::XdpContext,
};
use wire::Frame;

use crate::{
    logic,
    shared::{Clock, RING_BYTES},
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
    let Some(mut record) = EVENTS.reserve_bytes(size_of::<Event>(), 0) else { return };
    let record: *mut Event = record.as_mut_ptr().cast();
    // From the context again: the verifier would otherwise follow every path to here once more. Nothing that is dropped
    // has been rewritten.
    // SAFETY: data..data_end is this frame's memory for as long as the program runs, and nobody else's any more.
    let frame = unsafe { Frame::from_raw(ctx.data(), ctx.data_end()) };
    let subject = logic::describe(&frame, length);
    let event = Event {
        time: due.time,
        drops: due.drops,
        source: subject.source,
        destination: subject.destination,
        ifindex: ctx.ingress_ifindex() as u32,
        interface,
        length: length as u32,
        source_port: subject.source_port,
        destination_port: subject.destination_port,
        ethertype: subject.ethertype,
        reason: reason as u8,
        action: action as u8,
        ip_version: subject.ip_version,
        protocol: subject.protocol,
        tcp_flags: subject.tcp_flags,
        icmp_type: subject.icmp_type,
    };
    // SAFETY: the reservation has the size of an event, eight-byte aligned, and is ours until it is submitted. Without
    // wake-up, which would cost many times the drop: readers poll.
    unsafe {
        ptr::write(record, event);
        bpf_ringbuf_submit(record.cast(), u64::from(BPF_RB_NO_WAKEUP));
    }
    due.written(clock);
}
