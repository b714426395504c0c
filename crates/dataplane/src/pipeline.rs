//! Entry, stage order, single exit.

use abi::{Action, Reason, Stage, Step, shared};
use aya_ebpf::{
    Global,
    btf_maps::PerCpuArray,
    helpers::generated::bpf_xdp_get_buff_len,
    macros::{btf_map, xdp},
    programs::XdpContext,
};
use capture::bpf::Pending;
use wire::Frame;

/// Bits of [`Stage`].
#[unsafe(no_mangle)]
static STAGES: Global<u32> = Global::new(0);

/// 1: loaded with `BPF_F_XDP_HAS_FRAGS`, so a frame may be longer than its first buffer.
#[unsafe(no_mangle)]
static FRAGS: Global<u8> = Global::new(0);

shared! {
    /// Frames judged for one reason.
    pub struct Judged {
        pub packets: u64,
        pub bytes: u64,
    }
}

/// By [`Reason`].
#[btf_map]
static REASONS: PerCpuArray<Judged, { Reason::ALL.len() }> = PerCpuArray::new();

#[xdp]
pub fn senko(ctx: XdpContext) -> u32 {
    let stages = STAGES.load();
    if stages == 0 {
        return Action::Pass as u32;
    }
    // SAFETY: data..data_end is this frame's memory for as long as the program runs, and only ours.
    let mut frame = unsafe { Frame::from_raw(ctx.data(), ctx.data_end()) };
    let length = if FRAGS.load() == 0 {
        frame.len()
    } else {
        // SAFETY: the helper wants nothing but a context; the engine sets FRAGS only where the kernel has it (5.18).
        unsafe { bpf_xdp_get_buff_len(ctx.ctx) as u32 }
    };
    let (action, reason) = judge(&ctx, &mut frame, length, stages);
    if stages & (Stage::Firewall.bit() | Stage::Redirect.bit()) != 0 {
        count_reason(reason, length);
    }
    action as u32
}

#[inline(always)]
fn judge(ctx: &XdpContext, frame: &mut Frame<'_>, length: u32, stages: u32) -> (Action, Reason) {
    // A cable reads nothing: only when nothing else is on, since the others want the headers.
    if stages == Stage::Redirect.bit() && redirect::bpf::is_cross_connect() {
        return done(redirect::bpf::cross());
    }
    let headers = wire::parse(frame, length);
    if stages & Stage::Counter.bit() != 0 {
        counter::bpf::count(frame, &headers, length);
    }
    let pending = if stages & Stage::Capture.bit() != 0 {
        capture::bpf::begin(ctx, frame, &headers, length)
    } else {
        Pending::None
    };

    let mut step = Step::Next;
    if let Ok(headers) = &headers {
        if stages & Stage::Firewall.bit() != 0 {
            step = firewall::bpf::run(frame, headers, length);
        }
        if step == Step::Next && stages & Stage::Redirect.bit() != 0 && !redirect::bpf::is_cross_connect() {
            step = redirect::bpf::run(ctx, frame, headers);
        }
    }
    if step == Step::Next && stages & Stage::Redirect.bit() != 0 && redirect::bpf::is_cross_connect() {
        step = redirect::bpf::cross();
    }
    if step == Step::Next && headers.is_err() {
        step = Step::Done(Action::Pass, Reason::Malformed);
    }

    let (action, reason) = done(step);
    if stages & Stage::Capture.bit() != 0 {
        capture::bpf::finish(ctx, pending, length, action, reason);
    }
    (action, reason)
}

/// What nobody claimed is the kernel's.
#[inline(always)]
fn done(step: Step) -> (Action, Reason) {
    match step {
        Step::Next => (Action::Pass, Reason::Unclaimed),
        Step::Done(action, reason) => (action, reason),
    }
}

#[inline(always)]
fn count_reason(reason: Reason, length: u32) {
    if let Some(judged) = REASONS.get_ptr_mut(reason as u32) {
        // SAFETY: the value is this CPU's own, and XDP programs are not preempted by one another.
        unsafe {
            (*judged).packets += 1;
            (*judged).bytes += u64::from(length);
        }
    }
}
