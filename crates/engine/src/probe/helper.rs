//! Helpers that XDP programs call.

use super::{
    Answer, ProgramProbe, is_denied,
    load::{Attempt, EXIT, call, load, set_result},
};
use crate::capability::Capability;

/// A helper by its number in `include/uapi/linux/bpf.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Helper {
    pub id: u32,
    pub name: &'static str,
}

impl Helper {
    pub const ALL: [Self; 15] = [
        Self { id: 1, name: "map_lookup_elem" },
        Self { id: 5, name: "ktime_get_ns" },
        Self { id: 25, name: "perf_event_output" },
        Self { id: 44, name: "xdp_adjust_head" },
        Self { id: 51, name: "redirect_map" },
        Self { id: 65, name: "xdp_adjust_tail" },
        Self { id: 69, name: "fib_lookup" },
        Self { id: 118, name: "jiffies64" },
        Self { id: 131, name: "ringbuf_reserve" },
        Self { id: 160, name: "ktime_get_coarse_ns" },
        Self { id: 163, name: "check_mtu" },
        Self { id: 181, name: "loop" },
        Self { id: 188, name: "xdp_get_buff_len" },
        Self { id: 189, name: "xdp_load_bytes" },
        Self { id: 204, name: "tcp_raw_gen_syncookie_ipv4" },
    ];
}

/// Whether XDP programs may call it. The call is made without arguments: a verifier that complains about those has
/// found the helper.
pub fn helper(helper: Helper) -> Answer {
    let attempt = Attempt {
        kind: ProgramProbe::Xdp.kind(),
        attach_type: 37,
        instructions: &[call(helper.id), set_result(2), EXIT],
        ..Attempt::default()
    };
    let (result, log) = load(&attempt);
    match result {
        Ok(_) => Answer::Yes,
        Err(error) if is_denied(&error) => Answer::denied(&[Capability::Bpf, Capability::NetAdmin]),
        Err(_) if log.is_empty() || is_unknown(&log) => Answer::No,
        Err(_) => Answer::Yes,
    }
}

/// What `check_helper_call` in `kernel/bpf/verifier.c` says, up to 6.13 and since.
fn is_unknown(log: &str) -> bool {
    ["invalid func", "unknown func", "cannot use helper"].iter().any(|words| log.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_about_arguments_mean_yes() {
        assert!(!is_unknown("0: (85) call bpf_fib_lookup#69\nR2 !read_ok\n"));
        assert!(is_unknown("0: (85) call bpf_sk_assign#124\nunknown func bpf_sk_assign#124\n"));
        assert!(is_unknown("program of this type cannot use helper bpf_sk_assign#124"));
        assert!(is_unknown("invalid func unknown#9999"));
    }
}
