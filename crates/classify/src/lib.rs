#![doc = include_str!("../README.md")]
#![cfg_attr(target_arch = "bpf", no_std)]

mod cell;
mod kind;
mod slot;
mod walk;

#[cfg(not(target_arch = "bpf"))]
mod boxes;
#[cfg(not(target_arch = "bpf"))]
mod build;
#[cfg(not(target_arch = "bpf"))]
mod cut;
#[cfg(not(target_arch = "bpf"))]
mod forest;
#[cfg(not(target_arch = "bpf"))]
mod known;
#[cfg(not(target_arch = "bpf"))]
mod leaf;
#[cfg(not(target_arch = "bpf"))]
pub mod model;

pub use cell::{Cell, Five, ORDERS, Verdict};
pub use kind::{ALL_ROOTS, EACH, Kind, MOST_TREES, root};
pub use slot::{NOTHING, Slot};
pub use walk::{
    Best, Bounds, Key, Keyed, MOST_CELLS, MOST_CELLS_OF_EACH, MOST_STEPS, Packet, Tables, WORDS, each_match,
    first_cell, first_match, word,
};

#[cfg(not(target_arch = "bpf"))]
pub use {
    boxes::{BoxRule, Condition, Test},
    build::BuildError,
    forest::{Arrays, Forest, Lists, Shape},
};
