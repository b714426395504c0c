//! Drop by prefix. See README.md.
#![cfg_attr(target_arch = "bpf", no_std)]

#[cfg(target_arch = "bpf")]
pub mod bpf {
    use abi::Step;
    use wire::{Frame, Headers};
    #[inline(always)]
    pub fn run(_: &Frame<'_>, _: &Headers, _: u64) -> Step {
        Step::Next
    }
}
