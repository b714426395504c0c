//! Ports, routes and addresses in the kernel.

use abi::{Action, Reason, Step};
use aya_ebpf::{
    EbpfContext as _, Global,
    bindings::{
        BPF_FIB_LKUP_RET_FWD_DISABLED, BPF_FIB_LKUP_RET_NO_NEIGH, BPF_FIB_LKUP_RET_SUCCESS, bpf_fib_lookup,
        xdp_md,
    },
    btf_maps::{DevMap, DevMapHash, HashMap},
    helpers,
    macros::btf_map,
    programs::XdpContext,
};
use wire::{Frame, Headers};

use crate::{
    logic::{self, NextHop, Query},
    shared::{LOCAL_ADDRESSES, PORTS, mode},
};

/// Cross-connect: the other port, by slot of the interface that frames come in by. For one interface, unless the engine
/// makes it larger.
#[btf_map]
static PEER_PORT: DevMap<1> = DevMap::new();

/// Reflection: the ports of this instance, by ifindex.
#[btf_map]
static REFLECT_PORTS: DevMapHash<{ PORTS as usize }> = DevMapHash::new();

/// Addresses of this host.
#[btf_map]
static LOCAL: HashMap<[u32; 4], u32, { LOCAL_ADDRESSES as usize }> = HashMap::new();

#[unsafe(no_mangle)]
static REDIRECT_MODE: Global<u8> = Global::new(mode::CROSS);

/// Runs the stage.
#[inline(always)]
pub fn run(ctx: &XdpContext, headers: &Headers) -> Step {
    if !logic::may_be_echo(headers) {
        return Step::Next;
    }
    // SAFETY: it is this program's context.
    let done = unsafe { redirect_reflect(ctx.ctx, headers.packed()) };
    if done & CLAIMED == 0 {
        return Step::Next;
    }
    let action = match done >> 8 & 0xff {
        REDIRECT => Action::Redirect,
        _ => Action::Pass,
    };
    // SAFETY: the function made it of a reason.
    Step::Done(action, unsafe { core::mem::transmute::<u8, Reason>(done as u8) })
}

/// In what [`redirect_reflect`] returns: the frame is this stage's. An action and a reason stand below.
const CLAIMED: u32 = 1 << 16;
const REDIRECT: u32 = Action::Redirect as u32;

/// Reflects a frame with these headers. A function of its own, so that the verifier walks through it once, and not behind every
/// path that leads to it, and so that what it keeps on the stack is not beside what the firewall's functions do.
///
/// # Safety
/// `ctx` must be the context of the program that calls, and `headers` those of its packet.
#[unsafe(no_mangle)]
#[inline(never)]
pub unsafe extern "C" fn redirect_reflect(ctx: *mut xdp_md, headers: u64) -> u32 {
    let ctx = XdpContext::new(ctx);
    // SAFETY: data..data_end is this frame's memory, and only ours.
    let mut frame = unsafe { Frame::from_raw(ctx.data(), ctx.data_end()) };
    match logic::reflect(&mut frame, &Headers::unpacked(headers), &mut Kernel { ctx: &ctx }) {
        Step::Next => 0,
        Step::Done(action, reason) => CLAIMED | (action as u32) << 8 | reason as u32,
    }
}

/// Whether every frame is to leave through the peer, before anything is parsed of it.
#[inline(always)]
pub fn is_cross_connect() -> bool {
    REDIRECT_MODE.load() == mode::CROSS
}

/// Sends the frame to the peer port of the interface with this slot.
#[inline(always)]
pub fn cross(interface: u32) -> Step {
    match PEER_PORT.redirect(interface, Action::Pass as u64) {
        Ok(_) => Step::Done(Action::Redirect, Reason::RedirectPort),
        Err(_) => Step::Done(Action::Pass, Reason::RedirectForeignPort),
    }
}

struct Kernel<'a> {
    ctx: &'a XdpContext,
}

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

impl logic::Env for Kernel<'_> {
    #[inline(always)]
    fn is_local(&mut self, address: [u32; 4]) -> bool {
        // SAFETY: only presence is asked for.
        unsafe { LOCAL.get(address) }.is_some()
    }

    #[inline(always)]
    fn route(&mut self, query: &Query) -> Result<NextHop, Reason> {
        // SAFETY: all zeroes is a valid value of this plain C struct.
        let mut fib: bpf_fib_lookup = unsafe { core::mem::zeroed() };
        fib.ifindex = self.ctx.ingress_ifindex() as u32;
        fib.__bindgen_anon_1.tot_len = query.length;
        if query.version == 4 {
            fib.family = AF_INET;
            fib.__bindgen_anon_3.ipv4_src = query.source[3].to_be();
            fib.__bindgen_anon_4.ipv4_dst = query.destination[3].to_be();
        } else {
            fib.family = AF_INET6;
            fib.__bindgen_anon_3.ipv6_src = to_be(query.source);
            fib.__bindgen_anon_4.ipv6_dst = to_be(query.destination);
        }
        let size = size_of::<bpf_fib_lookup>() as i32;
        // SAFETY: `fib` lives on our stack and the size is its own.
        let result = unsafe { helpers::generated::bpf_fib_lookup(self.ctx.as_ptr(), &mut fib, size, 0) };
        if result == i64::from(BPF_FIB_LKUP_RET_SUCCESS) {
            Ok(NextHop { ifindex: fib.ifindex, source_mac: fib.smac, destination_mac: fib.dmac })
        } else if result == i64::from(BPF_FIB_LKUP_RET_NO_NEIGH) {
            Err(Reason::RedirectNoNeighbour)
        } else if result == i64::from(BPF_FIB_LKUP_RET_FWD_DISABLED) {
            Err(Reason::RedirectForwardingOff)
        } else {
            Err(Reason::RedirectNoRoute)
        }
    }

    #[inline(always)]
    fn serves(&mut self, ifindex: u32) -> bool {
        REFLECT_PORTS.get_ifindex(ifindex).is_some()
    }

    #[inline(always)]
    fn send(&mut self, ifindex: u32) -> Action {
        match REFLECT_PORTS.redirect(ifindex, Action::Pass as u64) {
            Ok(_) => Action::Redirect,
            Err(_) => Action::Pass,
        }
    }
}

#[inline(always)]
fn to_be(words: [u32; 4]) -> [u32; 4] {
    [words[0].to_be(), words[1].to_be(), words[2].to_be(), words[3].to_be()]
}
