//! The table of flows in the kernel: the egress program writes it, the rules look into it.

use aya_ebpf::{
    Global,
    bindings::{__sk_buff, xdp_md},
    btf_maps::{Array, PerCpuArray},
    helpers::{bpf_ktime_get_ns, generated::bpf_jiffies64},
    macros::btf_map,
    programs::TcContext,
};
use wire::{Frame, Headers, parse::parse, transport};

use crate::{
    flow::{self, Flow, Sent},
    flow_table::{self, Bucket, LINE, SEEDS, Words},
    rules_bpf::own_key,
    shared::RuleClock,
};

/// `BPF_F_MMAPABLE`: its elements begin where pages do, so that a bucket is two whole cache lines; and user space counts in it.
const MMAPABLE: usize = 1 << 10;

// Buckets are the configuration's; the engine sets them at load.
#[btf_map]
static FLOWS: Array<Words, 1, MMAPABLE> = Array::new();
#[btf_map]
static FLOW_SEEDS: Array<[u64; SEEDS], 1> = Array::new();
#[btf_map]
static RULE_CLOCK: PerCpuArray<RuleClock, 1> = PerCpuArray::new();

/// Buckets of `FLOWS`, less one: a mask.
#[unsafe(no_mangle)]
static FLOW_MASK: Global<u32> = Global::new(0);

/// Bytes of a packet that is sent in which all headers are looked for.
const HEADERS: u32 = 128;

/// Remembers a packet that goes out.
#[inline(always)]
pub fn sent(ctx: &TcContext) {
    // What the stack hands on without copying has its headers elsewhere.
    if ctx.data_end() - ctx.data() < HEADERS as usize {
        let length = ctx.len();
        // Refused where it is not so long; then there is nothing to look for.
        let _ = ctx.pull_data(if length < HEADERS { length } else { HEADERS });
    }
    // SAFETY: data..data_end is this packet's memory for as long as the program runs, and only read.
    let frame = unsafe { Frame::from_raw(ctx.data(), ctx.data_end()) };
    let length = u64::from(ctx.len());
    // What cannot be read has no flow.
    if let Ok(headers) = parse(&frame, length) {
        // SAFETY: it is this program's context, and the headers are those of its packet.
        unsafe { egress_note(ctx.skb.skb, headers.packed()) };
    }
}

/// Notes a packet with these headers. A function of its own, so that the verifier walks through it once, and not behind every path
/// that the parser can take.
///
/// # Safety
/// `skb` must be the context of the program that calls, and `headers` those of its packet.
#[unsafe(no_mangle)]
#[inline(never)]
pub unsafe extern "C" fn egress_note(skb: *mut __sk_buff, headers: u64) -> u32 {
    // SAFETY: the caller's promise; data..data_end is this packet's memory, and only read.
    let frame = unsafe { Frame::from_raw((*skb).data as usize, (*skb).data_end as usize) };
    if let Some((flow, sent)) = flow::of_sent(&frame, &Headers::unpacked(headers))
        && let Some(seeds) = FLOW_SEEDS.get(0)
    {
        egress_remember(flow_table::hash(&flow, seeds), sent as u32);
    }
    0
}

/// Remembers the flow with this hash for what was sent of it, a [`Sent`]. A function of its own, so that the verifier walks
/// through the bucket once, and not behind every kind of packet.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn egress_remember(hash: u64, sent: u32) -> u32 {
    if let Some(mut bucket) = bucket(hash) {
        flow_table::remember(&mut bucket, hash, Sent::from_number(sent), now());
    }
    0
}

/// 1: a packet that came in answers one that was sent. A later fragment answers nothing: it has no ports. A function of its own,
/// so that the verifier walks through it once, and not behind every path that leads to it, and so that what it keeps on the stack
/// is not also on that of its callers: together they may have 512 bytes.
///
/// # Safety
/// `ctx` must be the context of the program that calls, `headers` those of its packet, and the key filled in.
#[unsafe(no_mangle)]
#[inline(never)]
pub unsafe extern "C" fn firewall_established(ctx: *mut xdp_md, headers: u64) -> u32 {
    let found = Headers::unpacked(headers);
    let flow = if transport::is_icmp(&found) {
        // SAFETY: the caller's promise; data..data_end is this frame's memory, and only ours.
        let frame = unsafe { Frame::from_raw((*ctx).data as usize, (*ctx).data_end as usize) };
        flow::of_message(&frame, &found)
    } else {
        let Some(key) = own_key() else { return 0 };
        flow::of_reply(&found, key)
    };
    flow.is_some_and(|flow| is_alive(&flow)).into()
}

#[inline(always)]
fn is_alive(flow: &Flow) -> bool {
    place(flow).is_some_and(|(hash, bucket)| flow_table::is_alive(&bucket, hash, now()))
}

/// A flow's hash and bucket.
#[inline(always)]
fn place(flow: &Flow) -> Option<(u64, Shared)> {
    let hash = flow_table::hash(flow, FLOW_SEEDS.get(0)?);
    Some((hash, bucket(hash)?))
}

#[inline(always)]
fn bucket(hash: u64) -> Option<Shared> {
    FLOWS.get_ptr_mut(hash as u32 & FLOW_MASK.load()).map(Shared)
}

/// A bucket in the map.
struct Shared(*mut Words);

impl Shared {
    #[inline(always)]
    fn word(&self, line: u32, slot: usize) -> *mut u64 {
        self.0.cast::<u64>().wrapping_add((line & 1) as usize * LINE + (slot & (LINE - 1)))
    }
}

impl Bucket for Shared {
    #[inline(always)]
    fn get(&self, line: u32, slot: usize) -> u64 {
        // SAFETY: inside the bucket. Volatile: an aligned word that other processors write at once, or not yet.
        unsafe { self.word(line, slot).read_volatile() }
    }

    #[inline(always)]
    fn set(&mut self, line: u32, slot: usize, word: u64) {
        // SAFETY: as in `get`. Two processors that take one slot lose one of two flows, until its next packet.
        unsafe { self.word(line, slot).write_volatile(word) }
    }
}

/// The table's time.
#[inline(always)]
fn now() -> u64 {
    flow_table::time(nanoseconds())
}

/// `CLOCK_MONOTONIC`, by the jiffy.
#[inline(always)]
pub(crate) fn nanoseconds() -> u64 {
    let Some(clock) = RULE_CLOCK.get_ptr_mut(0) else { return 0 };
    // SAFETY: the value is this CPU's own, and whoever interrupts writes the same time; neither helper has preconditions.
    unsafe {
        let jiffies = bpf_jiffies64();
        if (*clock).jiffies != jiffies {
            (*clock).jiffies = jiffies;
            (*clock).time = bpf_ktime_get_ns();
        }
        (*clock).time
    }
}
