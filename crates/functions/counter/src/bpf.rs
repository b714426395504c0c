//! The counters in the kernel.

use aya_ebpf::{
    Global,
    btf_maps::{PerCpuArray, PerCpuHashMap},
    macros::btf_map,
};
use wire::{Frame, Headers, Malformed};

use crate::{
    logic,
    shared::{Count, ETHERTYPES, ethertype, slot},
};

/// For one interface, unless the engine makes it larger.
#[btf_map]
static COUNTS: PerCpuArray<Count, { slot::SLOTS as usize }> = PerCpuArray::new();

#[btf_map]
static ETHERTYPE_COUNTS: PerCpuHashMap<u32, Count, { ETHERTYPES as usize }> = PerCpuHashMap::new();

/// 1: ICMP and ICMPv6 are also counted by type.
#[unsafe(no_mangle)]
static COUNTER_ICMP_TYPES: Global<u8> = Global::new(0);

/// Counts one frame of the interface with this slot.
#[inline(always)]
pub fn count(frame: &Frame<'_>, headers: &Headers, length: u64, interface: u32) {
    logic::process(frame, headers, length, &mut Maps { interface });
}

/// Counts one malformed frame.
#[inline(always)]
pub fn count_malformed(malformed: Malformed, length: u64, interface: u32) {
    logic::process_malformed(malformed, length, &mut Maps { interface });
}

struct Maps {
    interface: u32,
}

impl logic::Env for Maps {
    #[inline(always)]
    fn count(&mut self, slot: u32, bytes: u64) {
        if let Some(count) = COUNTS.get_ptr_mut(slot::first(self.interface) + slot) {
            // SAFETY: the value is this CPU's own, and XDP programs are not preempted by one another.
            unsafe { add(count, bytes) }
        }
    }

    #[inline(always)]
    fn wants_icmp_types(&self) -> bool {
        COUNTER_ICMP_TYPES.load() != 0
    }

    #[inline(always)]
    fn count_ethertype(&mut self, ethertype: u16, bytes: u64) {
        let key = ethertype::key(self.interface, ethertype);
        if let Some(count) = ETHERTYPE_COUNTS.get_ptr_mut(key) {
            // SAFETY: as in `count`.
            unsafe { add(count, bytes) }
        } else if ETHERTYPE_COUNTS.insert(key, Count { packets: 1, bytes }, 0).is_err() {
            self.count(slot::OTHER_ETHERTYPE, bytes);
        }
    }
}

/// # Safety
/// `count` must point to a value that nobody else writes.
#[inline(always)]
unsafe fn add(count: *mut Count, bytes: u64) {
    // SAFETY: the caller's promise.
    unsafe {
        (*count).packets += 1;
        (*count).bytes += bytes;
    }
}
