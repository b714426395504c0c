#![doc = include_str!("../README.md")]
#![cfg_attr(target_arch = "bpf", no_std)]

mod entry;
mod v4;
mod v6;

#[cfg(not(target_arch = "bpf"))]
mod address;
#[cfg(not(target_arch = "bpf"))]
mod adopt;
#[cfg(not(target_arch = "bpf"))]
mod arrays;
#[cfg(not(target_arch = "bpf"))]
mod compile;
#[cfg(not(target_arch = "bpf"))]
mod interval;
#[cfg(not(target_arch = "bpf"))]
pub mod model;
#[cfg(not(target_arch = "bpf"))]
mod plan;
#[cfg(not(target_arch = "bpf"))]
mod span;
#[cfg(not(target_arch = "bpf"))]
mod table;
#[cfg(not(target_arch = "bpf"))]
mod update;
#[cfg(not(target_arch = "bpf"))]
mod walk;

pub use entry::{Node, VALUE_MAX};
pub use v4::{LineV4, TablesV4, lookup_v4};
pub use v6::{LineV6, TablesV6, lookup_v6};

#[cfg(not(target_arch = "bpf"))]
pub use {
    address::Address,
    adopt::AdoptError,
    plan::{ListError, Sizes},
    span::{Prefix, PrefixV4, PrefixV6},
    table::{BuildError, Table, TableV4, TableV6},
    update::UpdateError,
};
