//! Capturing in the kernel: a record is reserved when the frame comes in, so that it holds the bytes XDP saw, and
//! handed over when the verdict is known.

use core::ptr;

use abi::{Action, Reason};
use aya_ebpf::{
    EbpfContext as _, Global,
    bindings::{BPF_F_CURRENT_CPU, BPF_RB_NO_WAKEUP, xdp_md},
    btf_maps::{PerCpuArray, PerfEventByteArray, RingBuf},
    helpers::{bpf_ktime_get_ns, bpf_perf_event_output, bpf_ringbuf_discard, bpf_ringbuf_submit},
    macros::btf_map,
    programs::XdpContext,
};
use wire::{Frame, Headers};

use crate::{
    logic::{self, Filter},
    shared::{CLASSES, HEADER, MAX_SNAPLEN, RING_BYTES, RecordHeader},
};

#[btf_map]
static RECORDS: RingBuf<u8, { RING_BYTES as usize }> = RingBuf::new();

/// For kernels without a ring buffer (before 5.8) or without `bpf_xdp_load_bytes` (before 5.18): the perf buffer's
/// helper copies the frame itself.
#[btf_map]
static PERF_RECORDS: PerfEventByteArray = PerfEventByteArray::new();

/// Records that found the buffer full.
#[btf_map]
static CAPTURE_LOST: PerCpuArray<u64, 1> = PerCpuArray::new();

#[unsafe(no_mangle)]
static CAPTURE_SNAPLEN: Global<u32> = Global::new(96);
/// 1: records go through the perf buffer.
#[unsafe(no_mangle)]
static CAPTURE_PERF: Global<u8> = Global::new(0);
#[unsafe(no_mangle)]
static CAPTURE_FILTER: Global<u32> = Global::new(0);
#[unsafe(no_mangle)]
static CAPTURE_PROTOCOL: Global<u8> = Global::new(0);
#[unsafe(no_mangle)]
static CAPTURE_PORT: Global<u16> = Global::new(0);
#[unsafe(no_mangle)]
static CAPTURE_IP_VERSION: Global<u8> = Global::new(0);
#[unsafe(no_mangle)]
static CAPTURE_ETHERTYPE: Global<u16> = Global::new(0);
#[unsafe(no_mangle)]
static CAPTURE_HOST0: Global<u32> = Global::new(0);
#[unsafe(no_mangle)]
static CAPTURE_HOST1: Global<u32> = Global::new(0);
#[unsafe(no_mangle)]
static CAPTURE_HOST2: Global<u32> = Global::new(0);
#[unsafe(no_mangle)]
static CAPTURE_HOST3: Global<u32> = Global::new(0);

struct Globals;

impl Filter for Globals {
    #[inline(always)]
    fn parts(&self) -> u32 {
        CAPTURE_FILTER.load()
    }

    #[inline(always)]
    fn protocol(&self) -> u8 {
        CAPTURE_PROTOCOL.load()
    }

    #[inline(always)]
    fn port(&self) -> u16 {
        CAPTURE_PORT.load()
    }

    #[inline(always)]
    fn host(&self) -> [u32; 4] {
        [CAPTURE_HOST0.load(), CAPTURE_HOST1.load(), CAPTURE_HOST2.load(), CAPTURE_HOST3.load()]
    }

    #[inline(always)]
    fn ip_version(&self) -> u8 {
        CAPTURE_IP_VERSION.load()
    }

    #[inline(always)]
    fn ethertype(&self) -> u16 {
        CAPTURE_ETHERTYPE.load()
    }
}

/// A frame that was wanted, between its arrival and its verdict. No enum, whose pointer would be undefined where there is none:
/// verifiers before 6.3 refuse to read what was not written. And a number beside the pointer, since for those before 6.4 a
/// record that was reserved may be null again when it is asked a second time.
#[derive(Clone, Copy)]
pub struct Pending {
    buffer: u64,
    /// A reserved record of the ring. It must be submitted: the verifier insists.
    record: *mut u8,
}

const RING: u64 = 1;
/// To be written to the perf buffer when the verdict is known.
const PERF: u64 = 2;

impl Pending {
    const NONE: Self = Self { buffer: 0, record: ptr::null_mut() };
}

/// Begins a record if the filter wants the frame.
#[inline(always)]
pub fn begin(ctx: &XdpContext, frame: &Frame<'_>, headers: &Headers, length: u64) -> Pending {
    if logic::wanted(frame, headers, &Globals) { start(ctx, length) } else { Pending::NONE }
}

/// Begins a record of a malformed frame if the filter wants such.
#[inline(always)]
pub fn begin_malformed(ctx: &XdpContext, length: u64) -> Pending {
    if logic::wants_malformed(&Globals) { start(ctx, length) } else { Pending::NONE }
}

#[inline(always)]
fn start(ctx: &XdpContext, length: u64) -> Pending {
    if CAPTURE_PERF.load() != 0 {
        return Pending { buffer: PERF, ..Pending::NONE };
    }
    let record = reserve(ctx, length);
    if record.is_null() { Pending::NONE } else { Pending { buffer: RING, record } }
}

/// Hands the record over with its verdict.
#[inline(always)]
pub fn finish(ctx: &XdpContext, pending: Pending, length: u64, action: Action, reason: Reason) {
    if pending.buffer == RING {
        let header: *mut RecordHeader = pending.record.cast();
        // SAFETY: `record` is a reservation of at least HEADER bytes, and nobody reads it before the submit.
        // Without wake-up: waking the reader for each packet costs forty times as much as the rest; it polls.
        unsafe {
            (*header).verdict = action as u32;
            (*header).reason = reason as u32;
            bpf_ringbuf_submit(pending.record.cast(), u64::from(BPF_RB_NO_WAKEUP));
        }
    }
    if pending.buffer == PERF {
        let captured = captured(length);
        let header = RecordHeader {
            // SAFETY: the helper has no preconditions.
            time: unsafe { bpf_ktime_get_ns() },
            length: length as u32,
            captured: captured as u32,
            queue: ctx.rx_queue_index(),
            verdict: action as u32,
            reason: reason as u32,
            ifindex: ctx.ingress_ifindex() as u32,
        };
        // aya's own wrapper throws the result away, and a full buffer must be counted.
        let map = ptr::from_ref(&PERF_RECORDS).cast_mut().cast();
        let flags = captured << 32 | BPF_F_CURRENT_CPU;
        let bytes = ptr::from_ref(&header).cast_mut().cast();
        // SAFETY: the map is a perf event array; the header has no padding and lives until the call returns.
        if unsafe { bpf_perf_event_output(ctx.as_ptr(), map, flags, bytes, u64::from(HEADER)) } != 0 {
            count_lost();
        }
    }
}

#[inline(always)]
fn captured(length: u64) -> u64 {
    let snaplen = u64::from(CAPTURE_SNAPLEN.load());
    if length < snaplen { length } else { snaplen }
}

/// Reserves the smallest record that holds what is wanted of the frame and fills it but for the verdict.
#[inline(always)]
fn reserve(ctx: &XdpContext, length: u64) -> *mut u8 {
    let wanted = captured(length);
    if wanted <= u64::from(CLASSES[0]) {
        reserve_class::<{ CLASSES[0] }, { (HEADER + CLASSES[0]) as usize }>(ctx, length, wanted)
    } else if wanted <= u64::from(CLASSES[1]) {
        reserve_class::<{ CLASSES[1] }, { (HEADER + CLASSES[1]) as usize }>(ctx, length, wanted)
    } else if wanted <= u64::from(CLASSES[2]) {
        reserve_class::<{ CLASSES[2] }, { (HEADER + CLASSES[2]) as usize }>(ctx, length, wanted)
    } else if wanted <= u64::from(CLASSES[3]) {
        reserve_class::<{ CLASSES[3] }, { (HEADER + CLASSES[3]) as usize }>(ctx, length, wanted)
    } else {
        let wanted = wanted.min(u64::from(MAX_SNAPLEN));
        reserve_class::<{ CLASSES[4] }, { (HEADER + CLASSES[4]) as usize }>(ctx, length, wanted)
    }
}

#[inline(always)]
fn reserve_class<const DATA: u32, const SIZE: usize>(ctx: &XdpContext, length: u64, wanted: u64) -> *mut u8 {
    let Some(mut bytes) = RECORDS.reserve_bytes(SIZE, 0) else {
        count_lost();
        return ptr::null_mut();
    };
    let record = bytes.as_mut_ptr();
    // SAFETY: the reservation is HEADER + DATA bytes.
    let data = unsafe { record.add(HEADER as usize) };
    // The caller made sure of the bound; the verifier has to see it on the very register that is passed, and LLVM would
    // drop a test that it knows to be superfluous. By one less: 6.1's does not learn from a test that something is not 0.
    let more = core::hint::black_box(wanted - 1);
    // SAFETY: `data` has DATA bytes.
    if more >= u64::from(DATA) || unsafe { load_bytes(ctx, data, more + 1) } != 0 {
        // SAFETY: the reservation is ours and not used afterwards.
        unsafe { bpf_ringbuf_discard(record.cast(), u64::from(BPF_RB_NO_WAKEUP)) };
        return ptr::null_mut();
    }
    let header: *mut RecordHeader = record.cast();
    // SAFETY: the reservation begins with HEADER bytes, eight-byte aligned, and `finish` writes the rest of them.
    unsafe {
        (*header).time = bpf_ktime_get_ns();
        (*header).length = length as u32;
        (*header).captured = wanted as u32;
        (*header).queue = ctx.rx_queue_index();
        (*header).ifindex = ctx.ingress_ifindex() as u32;
    }
    record
}

/// `bpf_xdp_load_bytes` from the frame's start. The helper's own binding takes the length as `u32`, and narrowing it
/// would hide its bound from the verifier.
///
/// # Safety
/// `data` must have `length` bytes.
#[inline(always)]
unsafe fn load_bytes(ctx: &XdpContext, data: *mut u8, length: u64) -> i64 {
    type Helper = unsafe extern "C" fn(*mut xdp_md, u64, *mut u8, u64) -> i64;
    // SAFETY: helper 189 is bpf_xdp_load_bytes(xdp_md, offset, buffer, length); the rest is the caller's promise.
    unsafe {
        let helper: Helper = core::mem::transmute(189_usize);
        helper(ctx.ctx, 0, data, length)
    }
}

#[inline(always)]
fn count_lost() {
    if let Some(lost) = CAPTURE_LOST.get_ptr_mut(0) {
        // SAFETY: this CPU's own value.
        unsafe { *lost += 1 };
    }
}
