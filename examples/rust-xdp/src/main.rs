//! Passes every frame and counts them by EtherType.
#![no_std]
#![no_main]

use aya_ebpf::{
    bindings::xdp_action::XDP_PASS,
    btf_maps::PerCpuHashMap,
    macros::{btf_map, xdp},
    programs::XdpContext,
};

#[btf_map]
static ETHERTYPES: PerCpuHashMap<u16, u64, 64> = PerCpuHashMap::new();

#[xdp]
pub fn count_ethertypes(ctx: XdpContext) -> u32 {
    let at = ctx.data() + 12;
    if at + 2 > ctx.data_end() {
        return XDP_PASS;
    }
    // SAFETY: the test above; a frame's memory is always initialised.
    let ethertype = u16::from_be(unsafe { (at as *const u16).read_unaligned() });
    match ETHERTYPES.get_ptr_mut(&ethertype) {
        // SAFETY: the value is this CPU's own.
        Some(frames) => unsafe { *frames += 1 },
        None => drop(ETHERTYPES.insert(&ethertype, &1, 0)),
    }
    XDP_PASS
}

#[cfg(not(test))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}
