#![doc = include_str!("../README.md")]
#![no_std]

#[cfg(not(target_arch = "bpf"))]
extern crate alloc;

pub mod checksum;
pub mod ethernet;
pub mod frame;
pub mod icmp;
pub mod ipv4;
pub mod ipv6;
#[cfg(not(target_arch = "bpf"))]
pub mod model;
pub mod parse;
pub mod protocol;
pub mod transport;

pub use frame::{Frame, Window};
pub use parse::{Fragment, Headers, Malformed, parse};
