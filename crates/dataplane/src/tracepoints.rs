//! Redirect errors that the kernel swallows: a frame that `bpf_redirect_map` accepted and the other port did not
//! take shows only in these tracepoints (`include/trace/events/xdp.h`).

use abi::shared;
use aya_ebpf::{
    Global,
    btf_maps::PerCpuHashMap,
    helpers::bpf_probe_read_kernel,
    macros::{btf_map, raw_tracepoint},
    programs::RawTracePointContext,
};

shared! {
    /// Which error, where it was noticed, on the way out of which interface (0: unknown).
    pub struct RedirectError {
        /// As a positive number.
        pub errno: u32,
        /// 0: at `bpf_redirect_map`; 1: when the device's queue was flushed.
        pub flush: u32,
        pub ifindex: u32,
    }
}

#[btf_map]
static REDIRECT_ERRORS: PerCpuHashMap<RedirectError, u64, 1024> = PerCpuHashMap::new();

/// Byte offset of `ifindex` in the kernel's `struct net_device`, from its BTF; 0: unknown.
#[unsafe(no_mangle)]
static NETDEV_IFINDEX: Global<u32> = Global::new(0);

/// `xdp_redirect_err(dev, xdp, tgt, err, map_type, map_id, index)`.
#[raw_tracepoint(tracepoint = "xdp_redirect_err")]
pub fn redirect_error(ctx: RawTracePointContext) -> i32 {
    let errno: i32 = ctx.arg(3);
    record(errno, 0, ifindex_of(ctx.arg(0)), 1);
    0
}

/// `xdp_devmap_xmit(from_dev, to_dev, sent, drops, err)`.
#[raw_tracepoint(tracepoint = "xdp_devmap_xmit")]
pub fn devmap_transmit(ctx: RawTracePointContext) -> i32 {
    let drops: i32 = ctx.arg(3);
    if drops > 0 {
        let errno: i32 = ctx.arg(4);
        record(errno, 1, ifindex_of(ctx.arg(1)), drops as u64);
    }
    0
}

#[inline(always)]
fn ifindex_of(device: *const u8) -> u32 {
    let offset = NETDEV_IFINDEX.load();
    if offset == 0 {
        return 0;
    }
    // SAFETY: the tracepoint hands us a live net_device, and the offset is from this kernel's BTF; the helper checks
    // the access anyway.
    unsafe { bpf_probe_read_kernel(device.wrapping_add(offset as usize).cast::<u32>()) }.unwrap_or(0)
}

#[inline(always)]
fn record(errno: i32, flush: u32, ifindex: u32, frames: u64) {
    let key = RedirectError { errno: errno.unsigned_abs(), flush, ifindex };
    if let Some(count) = REDIRECT_ERRORS.get_ptr_mut(key) {
        // SAFETY: this CPU's own value.
        unsafe { *count += frames };
    } else {
        // Full means more than a thousand different errors; the totals of the known ones stay right.
        let _ = REDIRECT_ERRORS.insert(key, frames, 0);
    }
}
