//! Drop by prefix of the source address. See README.md.
#![cfg_attr(target_arch = "bpf", no_std)]
// The address of a near array is an instruction of which Rust knows nothing.
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]

#[cfg(target_arch = "bpf")]
pub mod bpf;
pub mod essential;
pub mod flow;
#[cfg(target_arch = "bpf")]
pub mod flow_bpf;
pub mod flow_table;
pub mod key;
pub mod limit;
pub mod logic;
#[cfg(target_arch = "bpf")]
pub mod mark_bpf;
pub mod reject;
#[cfg(target_arch = "bpf")]
mod reject_bpf;
pub mod rules;
#[cfg(target_arch = "bpf")]
pub mod rules_bpf;
pub mod shared;

#[cfg(not(target_arch = "bpf"))]
pub use policy::cidr;

#[cfg(not(target_arch = "bpf"))]
pub mod cli;
#[cfg(not(target_arch = "bpf"))]
pub mod compile;
#[cfg(not(target_arch = "bpf"))]
pub mod config;
#[cfg(not(target_arch = "bpf"))]
pub mod control;
#[cfg(not(target_arch = "bpf"))]
pub mod import;
#[cfg(not(target_arch = "bpf"))]
pub mod list;
#[cfg(not(target_arch = "bpf"))]
pub mod model;
#[cfg(not(target_arch = "bpf"))]
pub mod rows;
#[cfg(not(target_arch = "bpf"))]
pub mod rule;
#[cfg(not(target_arch = "bpf"))]
pub mod ruled;
#[cfg(not(target_arch = "bpf"))]
mod stops;
