//! Out of a port instead of up to the kernel. See README.md.
#![cfg_attr(target_arch = "bpf", no_std)]

#[cfg(target_arch = "bpf")]
pub mod bpf;
#[cfg(not(target_arch = "bpf"))]
pub mod cli;
#[cfg(not(target_arch = "bpf"))]
pub mod config;
#[cfg(not(target_arch = "bpf"))]
pub mod control;
pub mod logic;
#[cfg(not(target_arch = "bpf"))]
pub mod model;
#[cfg(not(target_arch = "bpf"))]
pub mod rows;
pub mod shared;
