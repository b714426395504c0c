//! Packets as XDP saw them. See README.md.
#![cfg_attr(target_arch = "bpf", no_std)]

#[cfg(target_arch = "bpf")]
pub mod bpf;
pub mod logic;
pub mod shared;

#[cfg(not(target_arch = "bpf"))]
pub mod cli;
#[cfg(not(target_arch = "bpf"))]
pub mod filter;
#[cfg(not(target_arch = "bpf"))]
pub mod model;
#[cfg(not(target_arch = "bpf"))]
pub mod pcapng;
#[cfg(not(target_arch = "bpf"))]
pub mod record;
#[cfg(not(target_arch = "bpf"))]
pub mod text;
