//! Sampled drops, with their reason. See README.md.
#![cfg_attr(target_arch = "bpf", no_std)]

#[cfg(target_arch = "bpf")]
pub mod bpf;
pub mod logic;
#[cfg(not(target_arch = "bpf"))]
pub mod model;
#[cfg(not(target_arch = "bpf"))]
pub mod rows;
pub mod shared;
#[cfg(not(target_arch = "bpf"))]
pub mod subject;
