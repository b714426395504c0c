//! Programs beside XDP's, on the kernel's own packets: what goes out is remembered, so that rules know what comes back, and what
//! comes in gets the mark that a rule gave it. Both look, and let every packet go on to whoever is next.

use aya_ebpf::{bindings::TC_ACT_UNSPEC, macros::classifier, programs::TcContext};

#[classifier]
pub fn senko_egress(ctx: TcContext) -> i32 {
    firewall::flow_bpf::sent(&ctx);
    TC_ACT_UNSPEC
}

#[classifier]
pub fn senko_ingress(ctx: TcContext) -> i32 {
    firewall::mark_bpf::arrived(&ctx);
    TC_ACT_UNSPEC
}
