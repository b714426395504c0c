//! What goes out is remembered, so that rules know what comes back.

use aya_ebpf::{bindings::TC_ACT_UNSPEC, macros::classifier, programs::TcContext};

/// Looks, and lets every packet go on to whoever is next.
#[classifier]
pub fn senko_egress(ctx: TcContext) -> i32 {
    firewall::flow_bpf::sent(&ctx);
    TC_ACT_UNSPEC
}
