//! The stage in the kernel: the tables of lists and blocks, and the counters. What rules do is in `rules_bpf`.

use abi::{Action, Step};
use aya_ebpf::{
    Global,
    bindings::xdp_md,
    btf_maps::{Array, PerCpuArray},
    macros::btf_map,
    programs::XdpContext,
};
use prefix::{LineV4, LineV6, Node, TablesV4, TablesV6};
use wire::{Fragment, Frame, Headers};

use crate::{
    logic::{self, Env, Listed},
    reject_bpf,
    rules::Outcome,
    rules_bpf::{self, firewall_rules},
    shared::Hit,
};

/// `BPF_F_MMAPABLE`: user space builds and changes the tables in their memory.
pub(crate) const MMAPABLE: usize = 1 << 10;

// Sizes are the list's; the engine sets them at load.
#[btf_map]
static FIREWALL_NODES_V4: Array<Node, 1, MMAPABLE> = Array::new();
#[btf_map]
static FIREWALL_LINES_V4: Array<LineV4, 1, MMAPABLE> = Array::new();
#[btf_map]
static FIREWALL_NODES_V6: Array<Node, 1, MMAPABLE> = Array::new();
#[btf_map]
static FIREWALL_LINES_V6: Array<LineV6, 1, MMAPABLE> = Array::new();
#[btf_map]
pub(crate) static FIREWALL_HITS: PerCpuArray<Hit, 1> = PerCpuArray::new();

// Live blocks: a pair of tables of their own, which lives on when the lists are exchanged.
#[btf_map]
static BLOCK_NODES_V4: Array<Node, 1, MMAPABLE> = Array::new();
#[btf_map]
static BLOCK_LINES_V4: Array<LineV4, 1, MMAPABLE> = Array::new();
#[btf_map]
static BLOCK_NODES_V6: Array<Node, 1, MMAPABLE> = Array::new();
#[btf_map]
static BLOCK_LINES_V6: Array<LineV6, 1, MMAPABLE> = Array::new();
#[btf_map]
static BLOCK_HITS: PerCpuArray<Hit, 1> = PerCpuArray::new();

/// 1: there are rules.
#[unsafe(no_mangle)]
static FIREWALL_RULES: Global<u8> = Global::new(0);

/// Of `fragments`.
#[unsafe(no_mangle)]
static FIREWALL_FRAGMENTS: Global<u8> = Global::new(0);

/// 1: what blocks and lists say of a source is to be forgotten by the verifier, which then walks through what follows once,
/// and not behind each end of the lookups. Kernels that need it not spare themselves a call.
#[unsafe(no_mangle)]
static FIREWALL_SOURCE_APART: Global<u8> = Global::new(0);

/// 1: the lists are looked up.
#[unsafe(no_mangle)]
static FIREWALL_LISTS: Global<u8> = Global::new(1);

/// 1: an IP packet that no prefix covers is dropped.
#[unsafe(no_mangle)]
static FIREWALL_DEFAULT_DROP: Global<u8> = Global::new(0);

/// 1: blocks are looked up, before the lists.
#[unsafe(no_mangle)]
static FIREWALL_BLOCKS: Global<u8> = Global::new(0);

/// Runs the stage. `PLAIN`: the headers are those of IPv4 without options or tags, which the compiler knows the places of.
#[inline(always)]
pub fn run<const PLAIN: bool>(ctx: &XdpContext, frame: &Frame<'_>, headers: &Headers, length: u64) -> Step {
    logic::process(frame, headers, length, &mut Maps::<PLAIN>(ctx.ctx))
}

/// Runs the stage on a malformed frame.
#[inline(always)]
pub fn run_malformed(ctx: &XdpContext, frame: &Frame<'_>, length: u64) -> Step {
    logic::process_malformed(frame, length, &mut Maps::<false>(ctx.ctx))
}

/// What the blocks and the lists say of the source in the IP header at `at`, as a [`Listed`]. A function of its own, so that the
/// verifier walks through the lookups once, and through what follows not behind each of their ends.
///
/// # Safety
/// `ctx` must be the context of the program that calls.
#[unsafe(no_mangle)]
#[inline(never)]
pub unsafe extern "C" fn firewall_source(ctx: *mut xdp_md, version: u32, at: u32, bytes: u64) -> u32 {
    // SAFETY: the caller's promise; data..data_end is this frame's memory, and only read.
    let frame = unsafe { Frame::from_raw((*ctx).data as usize, (*ctx).data_end as usize) };
    let (at, maps) = ((at & 0x1f) as usize, &mut Maps::<false>(ctx));
    let listed = if version == 4 {
        logic::by_source::<4>(&frame, at, bytes, maps)
    } else {
        logic::by_source::<6>(&frame, at, bytes, maps)
    };
    listed as u32
}

/// Counts a packet of so many bytes.
#[inline(always)]
pub(crate) fn count(slot: u32, bytes: u64) {
    if let Some(hit) = FIREWALL_HITS.get_ptr_mut(slot) {
        // SAFETY: the value is this CPU's own, and XDP programs are not preempted by one another.
        unsafe { add(hit, bytes) }
    }
}

struct Blocks;

impl TablesV4 for Blocks {
    #[inline(always)]
    fn node(&self, index: u32) -> Option<&Node> {
        BLOCK_NODES_V4.get(index)
    }

    #[inline(always)]
    fn line(&self, index: u32) -> Option<&LineV4> {
        BLOCK_LINES_V4.get(index)
    }
}

impl TablesV6 for Blocks {
    #[inline(always)]
    fn node(&self, index: u32) -> Option<&Node> {
        BLOCK_NODES_V6.get(index)
    }

    #[inline(always)]
    fn line(&self, index: u32) -> Option<&LineV6> {
        BLOCK_LINES_V6.get(index)
    }
}

/// The same, of which the verifier knows nothing: it does not follow a byte that is written inside a word of the stack, unless
/// it is 0, and none of these is.
#[inline(always)]
fn forgotten(listed: Listed) -> Listed {
    let mut word = 0_u64;
    // SAFETY: a byte of the word.
    unsafe {
        let byte = (&raw mut word).cast::<u8>().add(1);
        byte.write_volatile(listed as u8);
        Listed::from_number(byte.read_volatile())
    }
}

/// The maps, and the context of the packet in hand.
struct Maps<const PLAIN: bool>(*mut xdp_md);

impl<const PLAIN: bool> TablesV4 for Maps<PLAIN> {
    #[inline(always)]
    fn node(&self, index: u32) -> Option<&Node> {
        FIREWALL_NODES_V4.get(index)
    }

    #[inline(always)]
    fn line(&self, index: u32) -> Option<&LineV4> {
        FIREWALL_LINES_V4.get(index)
    }
}

impl<const PLAIN: bool> TablesV6 for Maps<PLAIN> {
    #[inline(always)]
    fn node(&self, index: u32) -> Option<&Node> {
        FIREWALL_NODES_V6.get(index)
    }

    #[inline(always)]
    fn line(&self, index: u32) -> Option<&LineV6> {
        FIREWALL_LINES_V6.get(index)
    }
}

impl<const PLAIN: bool> Env for Maps<PLAIN> {
    #[inline(always)]
    fn lookup_v4(&self, address: u32) -> u32 {
        prefix::lookup_v4(self, address)
    }

    #[inline(always)]
    fn lookup_v6(&self, high: u64, low: u64) -> u32 {
        prefix::lookup_v6(self, high, low)
    }

    #[inline(always)]
    fn hit(&mut self, slot: u32, bytes: u64) {
        count(slot, bytes);
    }

    #[inline(always)]
    fn has_lists(&self) -> bool {
        FIREWALL_LISTS.load() != 0
    }

    #[inline(always)]
    fn drops_by_default(&self) -> bool {
        FIREWALL_DEFAULT_DROP.load() != 0
    }

    #[inline(always)]
    fn has_blocks(&self) -> bool {
        FIREWALL_BLOCKS.load() != 0
    }

    #[inline(always)]
    fn block_v4(&self, address: u32) -> u32 {
        prefix::lookup_v4(&Blocks, address)
    }

    #[inline(always)]
    fn block_v6(&self, high: u64, low: u64) -> u32 {
        prefix::lookup_v6(&Blocks, high, low)
    }

    #[inline(always)]
    fn block_hit(&mut self, slot: u32, bytes: u64) {
        if let Some(hit) = BLOCK_HITS.get_ptr_mut(slot) {
            // SAFETY: as in `hit`.
            unsafe { add(hit, bytes) }
        }
    }

    #[inline(always)]
    fn by_source<const VERSION: u8>(&mut self, frame: &Frame<'_>, at: usize, length: u64) -> Listed {
        if FIREWALL_SOURCE_APART.load() == 0 {
            return logic::by_source::<VERSION>(frame, at, length, self);
        }
        if !self.has_blocks() && !self.has_lists() {
            return Listed::No;
        }
        // Most packets are these. Their lookups have few ends, and a call costs a fifth of all that is done with the packet.
        if PLAIN && VERSION == 4 {
            return forgotten(logic::by_source::<VERSION>(frame, at, length, self));
        }
        // SAFETY: it is this program's context.
        Listed::from_number(unsafe { firewall_source(self.0, VERSION.into(), at as u32, length) } as u8)
    }

    #[inline(always)]
    fn has_rules(&self) -> bool {
        FIREWALL_RULES.load() != 0
    }

    #[inline(always)]
    fn fragments(&self) -> u8 {
        FIREWALL_FRAGMENTS.load()
    }

    #[inline(always)]
    fn judge(&mut self, frame: &Frame<'_>, headers: &Headers, bytes: u64) -> Outcome {
        // Most packets are these, and a call is a third of what few rules cost.
        if PLAIN && headers.fragment() == Fragment::Whole {
            // SAFETY: it is this program's context.
            return unsafe { rules_bpf::judge::<true>(self.0, frame, headers, bytes) };
        }
        // SAFETY: it is this program's context.
        Outcome(unsafe { firewall_rules(self.0, headers.packed(), bytes) })
    }

    #[inline(always)]
    fn reject(&mut self, headers: &Headers, length: u64) -> Action {
        // SAFETY: it is this program's context.
        if unsafe { reject_bpf::firewall_reject(self.0, headers.packed(), length) } == 0 {
            Action::Drop
        } else {
            Action::Tx
        }
    }

    #[inline(always)]
    fn redirect(&mut self, port: u32) -> Option<Action> {
        rules_bpf::redirect(port)
    }
}

/// # Safety
/// `hit` must point to a value that nobody else writes.
#[inline(always)]
unsafe fn add(hit: *mut Hit, bytes: u64) {
    // SAFETY: the caller's promise.
    unsafe {
        (*hit).packets += 1;
        (*hit).bytes += bytes;
    }
}
