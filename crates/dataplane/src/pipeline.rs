//! Entry, stage order, single exit.

use abi::{
    Action, Judged, Reason, Stage, Step,
    reason::STRIDE,
    stage::{BESIDE, FRAGS},
};
use aya_ebpf::{
    Global,
    btf_maps::PerCpuArray,
    helpers::generated::bpf_xdp_get_buff_len,
    macros::{btf_map, xdp},
    programs::XdpContext,
};
use wire::{Frame, Headers, Malformed, ethernet, ipv4, parse};

/// Bits of [`Stage`], and [`FRAGS`].
#[unsafe(no_mangle)]
static STAGES: Global<u32> = Global::new(0);

/// This program's interface among those that share its maps: its slot, below [`abi::interface::MAX`].
#[unsafe(no_mangle)]
static INTERFACE: Global<u32> = Global::new(0);

/// By slot of the interface and [`Reason`]; for one interface, unless the engine makes it larger.
#[btf_map]
static REASONS: PerCpuArray<Judged, { STRIDE as usize }> = PerCpuArray::new();

#[xdp]
#[inline(always)]
pub fn senko(ctx: XdpContext) -> u32 {
    let stages = STAGES.load();
    if stages & !BESIDE == 0 {
        return Action::Pass as u32;
    }
    // SAFETY: data..data_end is this frame's memory for as long as the program runs, and only ours.
    let mut frame = unsafe { Frame::from_raw(ctx.data(), ctx.data_end()) };
    let length = if stages & FRAGS == 0 {
        frame.len()
    } else {
        // SAFETY: the helper wants nothing but a context; the engine sets the bit only where the kernel has it (5.18).
        unsafe { bpf_xdp_get_buff_len(ctx.ctx) }
    };
    let (action, mut reason) = judge(&ctx, &mut frame, length, stages);
    // The last that happens to the frame: whoever reads it from here on asks the context for it again.
    if stages & Stage::Firewall.bit() != 0 && !firewall::mark_bpf::hand_on(&ctx, action == Action::Pass) {
        reason = Reason::RuleUnmarked;
    }
    if stages & (Stage::Firewall.bit() | Stage::Redirect.bit()) != 0 {
        count_reason(reason, length);
    }
    if stages & Stage::Events.bit() != 0 {
        if matches!(action, Action::Drop | Action::Aborted) {
            events::bpf::dropped(&ctx, length, action, reason, INTERFACE.load());
        }
        if stages & Stage::Firewall.bit() != 0 && firewall::rules_bpf::take_told() {
            events::bpf::told(&ctx, length, action, reason, INTERFACE.load());
        }
    }
    action as u32
}

#[inline(always)]
fn judge(ctx: &XdpContext, frame: &mut Frame<'_>, length: u64, stages: u32) -> (Action, Reason) {
    // A cable reads nothing: only when nothing else is on, since the others want the headers.
    if stages & !BESIDE == Stage::Redirect.bit() && redirect::bpf::is_cross_connect() {
        return done(redirect::bpf::cross(INTERFACE.load()));
    }
    // IPv4 without options, IPv4 with them and IPv6 each have a path of their own through the stages, on which offsets and version are
    // constants; everything else shares one. Errors never meet headers: a value that is either would live on the stack,
    // half of it undefined, which costs time and which the verifier refuses.
    let malformed = 'malformed: {
        let ethertype = match parse::ethertype(frame) {
            Ok(ethertype) => ethertype,
            Err(malformed) => break 'malformed malformed,
        };
        if ethertype == ethernet::IPV4 {
            match parse::is_plain_ipv4(frame, ethernet::HEADER) {
                Ok(true) => match parse::parse_ipv4_after(frame, length, 0, ethernet::HEADER, ipv4::HEADER) {
                    Ok(headers) => return judge_packet::<true>(ctx, frame, &headers, length, stages),
                    Err(malformed) => break 'malformed malformed,
                },
                Ok(false) => {}
                Err(malformed) => break 'malformed malformed,
            }
            match parse::parse_ipv4(frame, length, 0, ethernet::HEADER) {
                Ok(headers) => return judge_packet::<false>(ctx, frame, &headers, length, stages),
                Err(malformed) => break 'malformed malformed,
            }
        }
        if ethertype == ethernet::IPV6 {
            match parse::parse_ipv6(frame, length, 0, ethernet::HEADER) {
                Ok(headers) => return judge_packet::<false>(ctx, frame, &headers, length, stages),
                Err(malformed) => break 'malformed malformed,
            }
        }
        match parse::parse_tagged(frame, length, ethertype) {
            Ok(headers) => return judge_packet::<false>(ctx, frame, &headers, length, stages),
            Err(malformed) => break 'malformed malformed,
        }
    };
    judge_malformed(ctx, frame, malformed, length, stages)
}

#[inline(always)]
fn judge_packet<const PLAIN: bool>(
    ctx: &XdpContext,
    frame: &mut Frame<'_>,
    headers: &Headers,
    length: u64,
    stages: u32,
) -> (Action, Reason) {
    if stages & Stage::Counter.bit() != 0 {
        counter::bpf::count(frame, headers, length, INTERFACE.load());
    }
    if stages & Stage::Capture.bit() == 0 {
        return done(decide::<PLAIN>(ctx, frame, headers, length, stages));
    }
    let pending = capture::bpf::begin(ctx, frame, headers, length);
    let (action, reason) = done(decide::<PLAIN>(ctx, frame, headers, length, stages));
    capture::bpf::finish(ctx, pending, length, action, reason);
    (action, reason)
}

/// The stages that decide, in their order.
#[inline(always)]
fn decide<const PLAIN: bool>(
    ctx: &XdpContext,
    frame: &mut Frame<'_>,
    headers: &Headers,
    length: u64,
    stages: u32,
) -> Step {
    if stages & Stage::Firewall.bit() != 0 {
        let step = firewall::bpf::run::<PLAIN>(ctx, frame, headers, length);
        if step != Step::Next {
            return step;
        }
    }
    if stages & Stage::Redirect.bit() != 0 {
        return if redirect::bpf::is_cross_connect() {
            redirect::bpf::cross(INTERFACE.load())
        } else {
            redirect::bpf::run(ctx, headers)
        };
    }
    Step::Next
}

/// A malformed frame is counted, shown, judged by its source where it has one, and left to the kernel; a cable carries it.
#[inline(always)]
fn judge_malformed(
    ctx: &XdpContext,
    frame: &Frame<'_>,
    malformed: Malformed,
    length: u64,
    stages: u32,
) -> (Action, Reason) {
    if stages & Stage::Counter.bit() != 0 {
        counter::bpf::count_malformed(malformed, length, INTERFACE.load());
    }
    let mut step = Step::Next;
    if stages & Stage::Firewall.bit() != 0 {
        step = firewall::bpf::run_malformed(ctx, frame, length);
    }
    if step == Step::Next && stages & Stage::Redirect.bit() != 0 && redirect::bpf::is_cross_connect() {
        step = redirect::bpf::cross(INTERFACE.load());
    }
    if step == Step::Next {
        step = Step::Done(Action::Pass, Reason::Malformed);
    }
    let (action, reason) = done(step);
    if stages & Stage::Capture.bit() != 0 {
        let pending = capture::bpf::begin_malformed(ctx, length);
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
fn count_reason(reason: Reason, length: u64) {
    if let Some(judged) = REASONS.get_ptr_mut(INTERFACE.load() * STRIDE + reason as u32) {
        // SAFETY: the value is this CPU's own, and XDP programs are not preempted by one another.
        unsafe {
            (*judged).packets += 1;
            (*judged).bytes += length;
        }
    }
}
