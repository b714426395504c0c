//! Compiled rules in the kernel: their tables, the walk through them, and what they do.

use core::ptr;

use abi::Action;
use aya_ebpf::{
    Global,
    bindings::xdp_md,
    btf_maps::{Array, DevMap, PerCpuArray},
    macros::btf_map,
};
use classify::{ALL_ROOTS, Best, Bounds, Cell, Five, Key, Keyed, Kind, Slot, Tables};
use prefix::{LineV4, LineV6, Node, TablesV4, TablesV6};
use wire::{Frame, Headers};

use crate::{
    bpf::{FIREWALL_HITS, MMAPABLE, count},
    flow_bpf,
    key::{self, ask, word},
    limit, mark_bpf,
    rules::{self, Deeds, Effects, Outcome},
    shared::Limit,
};

// Compiled rules: see crate `classify`.
#[btf_map]
static RULE_SLOTS: Array<u64, 1, MMAPABLE> = Array::new();
#[btf_map]
static RULE_CELLS: Array<Cell, 1, MMAPABLE> = Array::new();
#[btf_map]
static RULE_LIMITS: Array<Limit, 1> = Array::new();
/// Interfaces that rules redirect to.
#[btf_map]
static RULE_PORTS: DevMap<1> = DevMap::new();
/// When the next packet of a bucket is due.
#[btf_map]
static RULE_BUCKETS: Array<u64, 1> = Array::new();
// Sets that rules name: the value of an address has a bit for each that it is in.
#[btf_map]
static RULE_SET_NODES_V4: Array<Node, 1, MMAPABLE> = Array::new();
#[btf_map]
static RULE_SET_LINES_V4: Array<LineV4, 1, MMAPABLE> = Array::new();
#[btf_map]
static RULE_SET_NODES_V6: Array<Node, 1, MMAPABLE> = Array::new();
#[btf_map]
static RULE_SET_LINES_V6: Array<LineV6, 1, MMAPABLE> = Array::new();
/// The key of the packet in hand, which the rules' function reads.
#[btf_map]
static RULE_KEY: PerCpuArray<Key, 1> = PerCpuArray::new();

/// 1: the packet in hand is to be told of.
#[btf_map]
static RULE_TOLD: PerCpuArray<u64, 1> = PerCpuArray::new();

/// Trees of which the first match decides.
#[unsafe(no_mangle)]
static RULE_TREES: Global<u8> = Global::new(0);

// How far a walk can go: what the verifier walks through, which forgets less of it in older kernels.
#[unsafe(no_mangle)]
static RULE_STEPS: Global<u32> = Global::new(Bounds::MOST.steps);
#[unsafe(no_mangle)]
static RULE_LEAF: Global<u32> = Global::new(Bounds::MOST.cells);
#[unsafe(no_mangle)]
static RULE_LEAF_OF_EACH: Global<u32> = Global::new(Bounds::MOST.cells_of_each);

/// The trees' roots, by `classify::root`.
#[unsafe(no_mangle)]
static RULE_ROOTS: [u64; ALL_ROOTS as usize] = [0; ALL_ROOTS as usize];

/// 1: there are rules that let the packet go on.
#[unsafe(no_mangle)]
static RULE_OTHERS: Global<u8> = Global::new(0);

/// 1: some rule logs.
#[unsafe(no_mangle)]
static RULE_LOGS: Global<u8> = Global::new(0);

/// Slots; 0: their array is not one value, and each is looked up. The engine sets it at load.
#[unsafe(no_mangle)]
static RULE_SLOTS_NEAR: Global<u32> = Global::new(0);

/// 1: the trees of IPv4 ask for nothing but the five-tuple.
#[unsafe(no_mangle)]
static RULE_BY_FIVE: Global<u8> = Global::new(0);

/// Bits of `key::ask`.
#[unsafe(no_mangle)]
static RULE_ASKED: Global<u32> = Global::new(0);

/// 1: the source's sets are looked up; 2: the destination's.
#[unsafe(no_mangle)]
static RULE_SETS: Global<u8> = Global::new(0);

/// Buckets that addresses share, less one: a mask.
#[unsafe(no_mangle)]
static RULE_BUCKET_MASK: Global<u32> = Global::new(0);

/// What nobody outside knows, so that nobody chooses addresses that share another's bucket.
#[unsafe(no_mangle)]
static RULE_BUCKET_SEED: Global<u64> = Global::new(0);

/// A slot of the interface among those of the gateway, as rules name it.
#[unsafe(no_mangle)]
static RULE_INTERFACE: Global<u32> = Global::new(0);

/// Whether a rule wants the packet in hand to be told of; asked once for each.
#[inline(always)]
pub fn take_told() -> bool {
    if RULE_LOGS.load() == 0 {
        return false;
    }
    let Some(told) = RULE_TOLD.get_ptr_mut(0) else { return false };
    // SAFETY: the value is this CPU's own, and XDP programs are not preempted by one another.
    unsafe { core::mem::take(&mut *told) != 0 }
}

/// Sends the frame out of a port of the rules; `None`: its interface is not there.
#[inline(always)]
pub(crate) fn redirect(port: u32) -> Option<Action> {
    RULE_PORTS.redirect(port, Action::Pass as u64).ok().map(|_| Action::Redirect)
}

/// Judges a packet with these headers. A function of its own, so that the verifier walks through it once, and not behind
/// every path that the parser can take.
///
/// # Safety
/// `ctx` must be the context of the program that calls.
#[unsafe(no_mangle)]
#[inline(never)]
pub unsafe extern "C" fn firewall_rules(ctx: *mut xdp_md, headers: u64, bytes: u64) -> u64 {
    // SAFETY: the caller's promise; data..data_end is this frame's memory, and only ours.
    let frame = unsafe { Frame::from_raw((*ctx).data as usize, (*ctx).data_end as usize) };
    // SAFETY: the caller's promise, and the headers were packed for this call.
    unsafe { judge::<false>(ctx, &frame, &Headers::unpacked(headers), bytes).0 }
}

/// # Safety
/// `ctx` must be the context of the program that calls, and the headers those of its packet.
#[inline(always)]
pub(crate) unsafe fn judge<const PLAIN: bool>(
    ctx: *mut xdp_md,
    frame: &Frame<'_>,
    headers: &Headers,
    bytes: u64,
) -> Outcome {
    if PLAIN && RULE_BY_FIVE.load() != 0 {
        let Ok(five) = key::five_of_plain(frame, headers, RULE_ASKED.load()) else {
            return Outcome::MALFORMED;
        };
        return judge_five(five, bytes);
    }
    let Some(key) = own_key() else { return Outcome::NO_RULE };
    let asked = RULE_ASKED.load();
    let five = if PLAIN {
        let Ok(five) = key::fill_plain(key, frame, headers, asked) else { return Outcome::MALFORMED };
        five
    } else {
        if key::fill(key, frame, headers, asked).is_err() {
            return Outcome::MALFORMED;
        }
        Five::of(key)
    };
    if asked & ask::INTERFACE != 0 {
        key[usize::from(word::INTERFACE)] = RULE_INTERFACE.load();
    }
    if asked & ask::ESTABLISHED != 0 {
        // SAFETY: the caller's promise, and the headers are those of its packet.
        key[usize::from(word::ESTABLISHED)] =
            unsafe { flow_bpf::firewall_established(ctx, headers.packed()) };
    }
    let kind = Kind::of(headers.version);
    if RULE_SETS.load() != 0 {
        look_up_sets(key, kind);
    }
    if !PLAIN && RULE_BY_FIVE.load() != 0 && kind == V4 {
        return judge_five(five, bytes);
    }
    let spare = spare_of(key);
    rules::judge(&Compiled, &mut Judging { bytes, spare, others: true }, kind, Keyed { key, five })
}

/// Judges a packet of IPv4 where the trees ask for nothing but its five-tuple.
#[inline(always)]
fn judge_five(five: Five, bytes: u64) -> Outcome {
    let spare = if RULE_TREES.load() == 1 {
        ptr::null_mut()
    } else {
        let Some(key) = own_key() else { return Outcome::NO_RULE };
        spare_of(key)
    };
    rules::judge(&Compiled, &mut Judging { bytes, spare, others: false }, V4, five)
}

#[inline(always)]
fn spare_of(key: &mut Key) -> *mut u64 {
    (&raw mut key[usize::from(word::SPARE)]).cast()
}

/// Does what a rule does that lets the packet go on; 0: it does not go on. A function of its own for the same reason.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn firewall_act(at: u32, bytes: u64) -> u32 {
    let Some(cell) = RULE_CELLS.get(at) else { return 1 };
    u32::from(rules::act(cell.verdict(), &mut Acting { bytes }))
}

/// The key of the packet in hand.
#[inline(always)]
pub(crate) fn own_key() -> Option<&'static mut Key> {
    let key = RULE_KEY.get_ptr_mut(0)?;
    // SAFETY: the value is this CPU's own, XDP programs are not preempted by one another, and of a packet only
    // `firewall_rules` asks to write; `exceeds` reads it while nobody writes.
    Some(unsafe { &mut *key })
}

const V4: u32 = Kind::V4 as u32;

#[inline(always)]
fn look_up_sets(key: &mut Key, kind: u32) {
    let sets = RULE_SETS.load();
    if sets & 1 != 0 {
        key[usize::from(word::SOURCE_SETS)] = sets_of::<{ word::SOURCE as usize }>(key, kind);
    }
    if sets & 2 != 0 {
        key[usize::from(word::DESTINATION_SETS)] = sets_of::<{ word::DESTINATION as usize }>(key, kind);
    }
}

/// The bits of the sets that have the address in the key's words from `AT` on.
#[inline(always)]
fn sets_of<const AT: usize>(key: &Key, kind: u32) -> u32 {
    match kind {
        V4 => prefix::lookup_v4(&Sets, key[AT]),
        _ => {
            let half = |high: u32, low: u32| u64::from(high) << 32 | u64::from(low);
            prefix::lookup_v6(&Sets, half(key[AT], key[AT + 1]), half(key[AT + 2], key[AT + 3]))
        }
    }
}

/// Where the slots begin, if the engine made them a near array: it makes this of what names their map.
#[inline(always)]
fn near_slots() -> *const u64 {
    let first;
    // SAFETY: loads a constant.
    unsafe {
        core::arch::asm!("{first} = {map} ll", first = out(reg) first, map = sym RULE_SLOTS,
            options(pure, nomem, nostack, preserves_flags));
    }
    first
}

struct Compiled;

impl Tables for Compiled {
    #[inline(always)]
    fn steps(&self) -> u32 {
        RULE_STEPS.load()
    }

    #[inline(always)]
    fn cells(&self) -> u32 {
        RULE_LEAF.load()
    }

    #[inline(always)]
    fn cells_of_each(&self) -> u32 {
        RULE_LEAF_OF_EACH.load()
    }

    #[inline(always)]
    fn root(&self, index: u32) -> Slot {
        let root = ptr::from_ref(&RULE_ROOTS).cast::<u64>().wrapping_add((index & (ALL_ROOTS - 1)) as usize);
        // SAFETY: inside the array. Volatile: the loader writes it, which the compiler does not know.
        Slot(unsafe { root.read_volatile() })
    }

    #[inline(always)]
    fn slot(&self, index: u32) -> Option<Slot> {
        let near = RULE_SLOTS_NEAR.load();
        if near == 0 {
            return RULE_SLOTS.get(index).map(|slot| Slot(*slot));
        }
        if index >= near {
            return None;
        }
        // SAFETY: the engine made the array of so many elements; it lives as long as the program.
        Some(Slot(unsafe { *near_slots().wrapping_add(index as usize) }))
    }

    #[inline(always)]
    fn cell(&self, index: u32) -> Option<&Cell> {
        RULE_CELLS.get(index)
    }
}

/// A packet under the rules.
struct Judging {
    bytes: u64,
    /// Two words of the key. Null where there is but one tree, and no rule lets packets go on.
    spare: *mut u64,
    /// Rules may let the packet go on.
    others: bool,
}

impl Effects for Judging {
    #[inline(always)]
    fn trees(&self) -> u32 {
        RULE_TREES.load().into()
    }

    #[inline(always)]
    fn has_others(&self) -> bool {
        self.others && RULE_OTHERS.load() != 0
    }

    #[inline(always)]
    fn hit(&mut self, slot: u32) {
        count(slot, self.bytes);
    }

    #[inline(always)]
    fn act(&mut self, at: u32) -> bool {
        firewall_act(at, self.bytes) != 0
    }

    #[inline(always)]
    fn opaque(&mut self, best: Best) -> Best {
        // SAFETY: it is this CPU's own, and begins on eight bytes, as every value of a map does. Volatile: what is read is what
        // was written, but nobody is to know.
        unsafe {
            self.spare.write_volatile(best.0);
            Best(self.spare.read_volatile())
        }
    }
}

/// What a rule does to a packet that goes on.
struct Acting {
    bytes: u64,
}

impl Deeds for Acting {
    #[inline(always)]
    fn hit(&mut self, slot: u32) {
        count(slot, self.bytes);
    }

    #[inline(always)]
    fn exceeds(&mut self, limit: u32) -> bool {
        let (Some(limit), Some(key)) = (RULE_LIMITS.get(limit), RULE_KEY.get(0)) else { return false };
        let index = limit::bucket(limit, key, RULE_BUCKET_MASK.load(), RULE_BUCKET_SEED.load());
        let Some(bucket) = RULE_BUCKETS.get_ptr_mut(index) else { return false };
        // SAFETY: an aligned word; two CPUs that take from one bucket at the same moment may pass a packet too many.
        limit::exceeds(unsafe { &mut *bucket }, flow_bpf::nanoseconds(), limit)
    }

    #[inline(always)]
    fn tell(&mut self, slot: u32, one_in: u32) {
        let Some(hit) = FIREWALL_HITS.get(slot) else { return };
        if one_in != 0
            && hit.packets % u64::from(one_in) == 0
            && let Some(told) = RULE_TOLD.get_ptr_mut(0)
        {
            // SAFETY: the value is this CPU's own.
            unsafe { *told = 1 };
        }
    }

    #[inline(always)]
    fn mark(&mut self, mark: u32) {
        mark_bpf::note(mark);
    }
}

struct Sets;

impl TablesV4 for Sets {
    #[inline(always)]
    fn node(&self, index: u32) -> Option<&Node> {
        RULE_SET_NODES_V4.get(index)
    }

    #[inline(always)]
    fn line(&self, index: u32) -> Option<&LineV4> {
        RULE_SET_LINES_V4.get(index)
    }
}

impl TablesV6 for Sets {
    #[inline(always)]
    fn node(&self, index: u32) -> Option<&Node> {
        RULE_SET_NODES_V6.get(index)
    }

    #[inline(always)]
    fn line(&self, index: u32) -> Option<&LineV6> {
        RULE_SET_LINES_V6.get(index)
    }
}
