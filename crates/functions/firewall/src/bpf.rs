//! The prefix tables and hit counters in the kernel.

use abi::Step;
use aya_ebpf::{
    Global,
    btf_maps::{Array, PerCpuArray},
    macros::btf_map,
};
use prefix::{LineV4, LineV6, Node, TablesV4, TablesV6};
use wire::{Frame, Headers};

use crate::{
    logic::{self, Env},
    shared::Hit,
};

/// `BPF_F_MMAPABLE`: user space builds and changes the tables in their memory.
const MMAPABLE: usize = 1 << 10;

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
static FIREWALL_HITS: PerCpuArray<Hit, 1> = PerCpuArray::new();

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

/// 1: the lists are looked up.
#[unsafe(no_mangle)]
static FIREWALL_LISTS: Global<u8> = Global::new(1);

/// 1: an IP packet that no prefix covers is dropped.
#[unsafe(no_mangle)]
static FIREWALL_DEFAULT_DROP: Global<u8> = Global::new(0);

/// 1: blocks are looked up, before the lists.
#[unsafe(no_mangle)]
static FIREWALL_BLOCKS: Global<u8> = Global::new(0);

/// Runs the stage.
#[inline(always)]
pub fn run(frame: &Frame<'_>, headers: &Headers, length: u64) -> Step {
    logic::process(frame, headers, length, &mut Maps)
}

/// Runs the stage on a malformed frame.
#[inline(always)]
pub fn run_malformed(frame: &Frame<'_>, length: u64) -> Step {
    logic::process_malformed(frame, length, &mut Maps)
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

struct Maps;

impl TablesV4 for Maps {
    #[inline(always)]
    fn node(&self, index: u32) -> Option<&Node> {
        FIREWALL_NODES_V4.get(index)
    }

    #[inline(always)]
    fn line(&self, index: u32) -> Option<&LineV4> {
        FIREWALL_LINES_V4.get(index)
    }
}

impl TablesV6 for Maps {
    #[inline(always)]
    fn node(&self, index: u32) -> Option<&Node> {
        FIREWALL_NODES_V6.get(index)
    }

    #[inline(always)]
    fn line(&self, index: u32) -> Option<&LineV6> {
        FIREWALL_LINES_V6.get(index)
    }
}

impl Env for Maps {
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
        if let Some(hit) = FIREWALL_HITS.get_ptr_mut(slot) {
            // SAFETY: the value is this CPU's own, and XDP programs are not preempted by one another.
            unsafe { add(hit, bytes) }
        }
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
