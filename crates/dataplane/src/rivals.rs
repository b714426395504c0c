//! The programs of the bench object.

use abi::{Action, Step};
use aya_ebpf::{
    Global,
    btf_maps::{Array, DevMap, LpmTrie, PerCpuArray, ProgramArray},
    macros::{btf_map, xdp},
    maps::lpm_trie::Key,
    programs::XdpContext,
};
use firewall::{logic, shared::Hit};
use prefix::{LineV4, LineV6, Node, TablesV4, TablesV6};
use wire::{
    Frame, ethernet,
    ipv4::{self, offset as v4},
    ipv6::{self, offset as v6},
    parse,
};

/// The least that a redirect can be.
#[btf_map]
static PORT: DevMap<1> = DevMap::new();

#[xdp]
#[inline(always)]
pub fn bare_redirect(_ctx: XdpContext) -> u32 {
    PORT.redirect(0, 0).unwrap_or(Action::Aborted as u32)
}

/// Five-tuples to be written into the packet one after the other: source, destination, both ports, protocol.
#[btf_map]
static TRACE: Array<[u32; 4], { TRACE_COUNT as usize }> = Array::new();

const TRACE_COUNT: u32 = 1 << 17;

/// Bits of the source that a counter sets, in an order in which no neighbours follow each other: more sources than the trace
/// has room for. 0: the trace's own.
#[unsafe(no_mangle)]
static TRACE_SOURCES: Global<u32> = Global::new(0);

/// Knuth's multiplier, near 2^32 over the golden ratio; odd, so that it makes a permutation of all numbers of so many bits.
const SCATTER: u32 = 0x9e37_79b1;

/// The program that judges the packet then.
#[btf_map]
static NEXT: ProgramArray<1> = ProgramArray::new();

/// Makes the frame, IPv4 without options, the next one of the trace and hands it on.
#[xdp]
#[inline(always)]
pub fn next_of_trace(ctx: XdpContext) -> u32 {
    if rewrite(&ctx).is_some() {
        // SAFETY: the context is this program's own.
        unsafe { NEXT.tail_call(&ctx, 0) };
    }
    Action::Aborted as u32
}

/// Makes the frame the next one of the trace and sends it out of the port.
#[xdp]
#[inline(always)]
pub fn redirect_trace(ctx: XdpContext) -> u32 {
    match rewrite(&ctx) {
        Some(()) => PORT.redirect(0, 0).unwrap_or(Action::Aborted as u32),
        None => Action::Aborted as u32,
    }
}

#[inline(always)]
fn rewrite(ctx: &XdpContext) -> Option<()> {
    let state = STATE.get_ptr_mut(0)?;
    // SAFETY: this CPU's own value.
    let turn = unsafe {
        *state += 1;
        *state as u32
    };
    let [source, destination, ports, protocol] = *TRACE.get(turn & (TRACE_COUNT - 1))?;
    let source = source | turn.wrapping_mul(SCATTER) & TRACE_SOURCES.load();
    // SAFETY: data..data_end is this frame's memory for as long as the program runs, and only ours.
    let mut frame = unsafe { Frame::from_raw(ctx.data(), ctx.data_end()) };
    let mut ip = frame.window_mut::<{ ipv4::HEADER + 4 }>(ethernet::HEADER)?;
    ip.set_be32::<{ v4::SOURCE }>(source);
    ip.set_be32::<{ v4::DESTINATION }>(destination);
    ip.set_u8::<{ v4::PROTOCOL }>(protocol as u8);
    ip.set_be32::<{ ipv4::HEADER }>(ports);
    Some(())
}

/// What looks the source up: nothing (the base that all have in common), the prefix tables, the kernel's trie.
#[unsafe(no_mangle)]
static RIVAL: Global<u8> = Global::new(0);

const TABLES: u8 = 1;
const KERNEL_TRIE: u8 = 2;

/// 1: sources are drawn from `SAMPLES`; 0: from all addresses (IPv6: of 2000::/3).
#[unsafe(no_mangle)]
static SAMPLED: Global<u8> = Global::new(0);

const SAMPLE_COUNT: u32 = 1 << 16;

/// Addresses as the packet holds them; IPv4 in the first word.
#[btf_map]
static SAMPLES: Array<[u32; 4], { SAMPLE_COUNT as usize }> = Array::new();

/// The random generator's state.
#[btf_map]
static STATE: PerCpuArray<u64, 1> = PerCpuArray::new();

const MMAPABLE: usize = 1 << 10;

#[btf_map]
static NODES_V4: Array<Node, 1, MMAPABLE> = Array::new();
#[btf_map]
static LINES_V4: Array<LineV4, 1, MMAPABLE> = Array::new();
#[btf_map]
static NODES_V6: Array<Node, 1, MMAPABLE> = Array::new();
#[btf_map]
static LINES_V6: Array<LineV6, 1, MMAPABLE> = Array::new();
#[btf_map]
static HITS: PerCpuArray<Hit, 1> = PerCpuArray::new();

#[btf_map]
static TRIE_V4: LpmTrie<u32, u32, 1> = LpmTrie::new();
#[btf_map]
static TRIE_V6: LpmTrie<[u32; 4], u32, 1> = LpmTrie::new();

/// The firewall's logic on a frame whose source was replaced by a random one.
#[xdp]
#[inline(always)]
pub fn random_source(ctx: XdpContext) -> u32 {
    let Some(random) = next_random() else { return Action::Aborted as u32 };
    // SAFETY: data..data_end is this frame's memory for as long as the program runs, and only ours.
    let mut frame = unsafe { Frame::from_raw(ctx.data(), ctx.data_end()) };
    let length = frame.len();
    match parse::ethertype(&frame) {
        Ok(ethernet::IPV4) => {
            if set_source_v4(&mut frame, random).is_none() {
                return Action::Aborted as u32;
            }
            match parse::parse_ipv4(&frame, length, 0, ethernet::HEADER) {
                Ok(headers) => judge(logic::process(&frame, &headers, length, &mut Rival)),
                Err(_) => Action::Aborted as u32,
            }
        }
        Ok(ethernet::IPV6) => {
            if set_source_v6(&mut frame, random).is_none() {
                return Action::Aborted as u32;
            }
            match parse::parse_ipv6(&frame, length, 0, ethernet::HEADER) {
                Ok(headers) => judge(logic::process(&frame, &headers, length, &mut Rival)),
                Err(_) => Action::Aborted as u32,
            }
        }
        _ => Action::Aborted as u32,
    }
}

#[inline(always)]
fn judge(step: Step) -> u32 {
    match step {
        Step::Next => Action::Pass as u32,
        Step::Done(action, _) => action as u32,
    }
}

/// xorshift64 (Marsaglia 2003).
#[inline(always)]
fn next_random() -> Option<u64> {
    let state = STATE.get_ptr_mut(0)?;
    // SAFETY: this CPU's own value.
    unsafe {
        let mut x = *state;
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        *state = x;
        Some(x)
    }
}

#[inline(always)]
fn sample(random: u64) -> Option<[u32; 4]> {
    SAMPLES.get((random >> 32) as u32 & (SAMPLE_COUNT - 1)).copied()
}

#[inline(always)]
fn set_source_v4(frame: &mut Frame<'_>, random: u64) -> Option<()> {
    let address = if SAMPLED.load() == 0 { (random >> 32) as u32 } else { u32::from_be(sample(random)?[0]) };
    let mut ip = frame.window_mut::<{ ipv4::HEADER }>(ethernet::HEADER)?;
    ip.set_be32::<{ v4::SOURCE }>(address);
    Some(())
}

#[inline(always)]
fn set_source_v6(frame: &mut Frame<'_>, random: u64) -> Option<()> {
    let mut ip = frame.window_mut::<{ ipv6::HEADER }>(ethernet::HEADER)?;
    if SAMPLED.load() == 0 {
        ip.set_be32::<{ v6::SOURCE }>(0x2000_0000 | (random >> 32) as u32 >> 3);
        ip.set_be32::<{ v6::SOURCE + 4 }>(random as u32);
    } else {
        let [a, b, c, d] = sample(random)?;
        ip.set_be128::<{ v6::SOURCE }>([u32::from_be(a), u32::from_be(b), u32::from_be(c), u32::from_be(d)]);
    }
    Some(())
}

struct Rival;

impl TablesV4 for Rival {
    #[inline(always)]
    fn node(&self, index: u32) -> Option<&Node> {
        NODES_V4.get(index)
    }

    #[inline(always)]
    fn line(&self, index: u32) -> Option<&LineV4> {
        LINES_V4.get(index)
    }
}

impl TablesV6 for Rival {
    #[inline(always)]
    fn node(&self, index: u32) -> Option<&Node> {
        NODES_V6.get(index)
    }

    #[inline(always)]
    fn line(&self, index: u32) -> Option<&LineV6> {
        LINES_V6.get(index)
    }
}

impl logic::Env for Rival {
    #[inline(always)]
    fn lookup_v4(&self, address: u32) -> u32 {
        match RIVAL.load() {
            TABLES => prefix::lookup_v4(self, address),
            KERNEL_TRIE => TRIE_V4.get(&Key::new(32, address.to_be())).copied().unwrap_or(0),
            // The base uses the address too, or the compiler would not read it.
            _ => {
                core::hint::black_box(address);
                0
            }
        }
    }

    #[inline(always)]
    fn lookup_v6(&self, high: u64, low: u64) -> u32 {
        match RIVAL.load() {
            TABLES => prefix::lookup_v6(self, high, low),
            KERNEL_TRIE => {
                let words = [(high >> 32) as u32, high as u32, (low >> 32) as u32, low as u32];
                TRIE_V6.get(&Key::new(128, words.map(u32::to_be))).copied().unwrap_or(0)
            }
            _ => {
                core::hint::black_box(high ^ low);
                0
            }
        }
    }

    #[inline(always)]
    fn hit(&mut self, slot: u32, bytes: u64) {
        if let Some(hit) = HITS.get_ptr_mut(slot) {
            // SAFETY: this CPU's own value.
            unsafe {
                (*hit).packets += 1;
                (*hit).bytes += bytes;
            }
        }
    }
}
