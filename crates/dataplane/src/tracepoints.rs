//! Redirect errors that the kernel swallows: a frame that `bpf_redirect_map` accepted and the other port did not
//! take shows only in these tracepoints (`include/trace/events/xdp.h`).

use abi::RedirectError;
use aya_ebpf::{
    Global,
    btf_maps::PerCpuHashMap,
    helpers::bpf_probe_read_kernel,
    macros::{btf_map, raw_tracepoint},
    programs::RawTracePointContext,
};

#[btf_map]
static REDIRECT_ERRORS: PerCpuHashMap<RedirectError, u64, 1024> = PerCpuHashMap::new();

/// Byte offset of `ifindex` in the kernel's `struct net_device`, from its BTF; 0: unknown.
#[unsafe(no_mangle)]
static NETDEV_IFINDEX: Global<u32> = Global::new(0);

/// Byte offset of `nd_net`, a pointer to `struct net`, in it.
#[unsafe(no_mangle)]
static NETDEV_NET: Global<u32> = Global::new(0);

/// Byte offset of `ns.inum` in `struct net`.
#[unsafe(no_mangle)]
static NET_INUM: Global<u32> = Global::new(0);

/// The network namespace whose devices count, by its inode number; 0: all do. The tracepoints are the whole system's,
/// and an ifindex is unique only inside its namespace.
#[unsafe(no_mangle)]
static NETNS: Global<u32> = Global::new(0);

/// `xdp_redirect_err(dev, xdp, tgt, err, map_type, map_id, index)`.
#[raw_tracepoint(tracepoint = "xdp_redirect_err")]
pub fn redirect_error(ctx: RawTracePointContext) -> i32 {
    let device = ctx.arg(0);
    if is_ours(device) {
        record(ctx.arg(3), 0, ifindex_of(device), 1);
    }
    0
}

/// `xdp_devmap_xmit(from_dev, to_dev, sent, drops, err)`.
#[raw_tracepoint(tracepoint = "xdp_devmap_xmit")]
pub fn devmap_transmit(ctx: RawTracePointContext) -> i32 {
    let drops: i32 = ctx.arg(3);
    let device = ctx.arg(1);
    if drops > 0 && is_ours(device) {
        record(ctx.arg(4), 1, ifindex_of(device), drops as u64);
    }
    0
}

#[inline(always)]
fn ifindex_of(device: *const u8) -> u32 {
    match NETDEV_IFINDEX.load() {
        0 => 0,
        offset => read(device, offset).unwrap_or(0),
    }
}

/// Whether a device is in the namespace that was asked for. What cannot be read counts.
#[inline(always)]
fn is_ours(device: *const u8) -> bool {
    let netns = NETNS.load();
    if netns == 0 {
        return true;
    }
    let Some(net) = read::<*const u8>(device, NETDEV_NET.load()) else { return true };
    read::<u32>(net, NET_INUM.load()).is_none_or(|inum| inum == netns)
}

#[inline(always)]
fn read<T>(object: *const u8, offset: u32) -> Option<T> {
    // SAFETY: the tracepoint hands us a live net_device, and the offsets are from this kernel's BTF; the helper checks
    // the access anyway.
    unsafe { bpf_probe_read_kernel(object.wrapping_add(offset as usize).cast::<T>()) }.ok()
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
