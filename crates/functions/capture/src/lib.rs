//! Packets as XDP saw them. See README.md.
#![cfg_attr(target_arch = "bpf", no_std)]

#[cfg(target_arch = "bpf")]
pub mod bpf;
pub mod logic;
pub mod shared;
