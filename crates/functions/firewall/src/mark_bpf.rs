//! Marks in the kernel. A rule notes one, the exit of the XDP program puts it before the frame, as metadata, and a classifier
//! behind XDP takes it from there to the kernel's packet.

use abi::Marked;
use aya_ebpf::{
    Global,
    btf_maps::PerCpuArray,
    helpers::generated::bpf_xdp_adjust_meta,
    macros::btf_map,
    programs::{TcContext, XdpContext},
};

/// The mark of the packet in hand; 0: none.
#[btf_map]
static RULE_MARK: PerCpuArray<u64, 1> = PerCpuArray::new();

/// 1: some rule marks.
#[unsafe(no_mangle)]
static RULE_MARKS: Global<u8> = Global::new(0);

/// What tells this gateway's marks from other metadata, in its lower half.
#[unsafe(no_mangle)]
static RULE_MARK_KEY: Global<u64> = Global::new(abi::mark::KEY);

/// Remembers a packet's mark until its verdict is known.
#[inline(always)]
pub(crate) fn note(mark: u32) {
    if let Some(noted) = RULE_MARK.get_ptr_mut(0) {
        // SAFETY: the value is this CPU's own, and XDP programs are not preempted by one another.
        unsafe { *noted = mark.into() };
    }
}

/// Puts the packet's mark, if it has one and `passes` to the kernel, before the frame, of which nothing that was read of it
/// before is to be used any more. `false`: the driver takes no metadata.
#[inline(always)]
pub fn hand_on(ctx: &XdpContext, passes: bool) -> bool {
    if RULE_MARKS.load() == 0 {
        return true;
    }
    let Some(noted) = RULE_MARK.get_ptr_mut(0) else { return true };
    // SAFETY: as in `note`.
    let mark = unsafe { core::mem::take(&mut *noted) } as u32;
    if mark == 0 || !passes {
        return true;
    }
    // SAFETY: the context is the program's; what was read of the packet is not used any more.
    if unsafe { bpf_xdp_adjust_meta(ctx.ctx, -(size_of::<Marked>() as i32)) } != 0 {
        return false;
    }
    let meta = ctx.metadata();
    if meta + size_of::<Marked>() > ctx.data() {
        return false;
    }
    let marked = Marked { key: RULE_MARK_KEY.load() as u32, mark };
    // SAFETY: the metadata is as long, was just made room for, and is only ours; an IP header that is aligned leaves it unaligned.
    unsafe { (meta as *mut Marked).write_unaligned(marked) };
    true
}

/// Gives a packet that came in the mark that stands before it.
#[inline(always)]
pub fn arrived(ctx: &TcContext) {
    let skb = ctx.skb.skb;
    // SAFETY: it is this program's context.
    let (meta, data) = unsafe { ((*skb).data_meta as usize, (*skb).data as usize) };
    if meta + size_of::<Marked>() > data {
        return;
    }
    // SAFETY: it ends where the frame begins at the latest. Not written to, not even to spend it: to write, the kernel would
    // copy a packet that somebody else has, too (`tcpdump`), and lose the metadata over it.
    let marked = unsafe { (meta as *const Marked).read_unaligned() };
    if marked.key == RULE_MARK_KEY.load() as u32 {
        // SAFETY: it is this program's context, and a classifier may write this field.
        unsafe { (*skb).mark = marked.mark };
    }
}
