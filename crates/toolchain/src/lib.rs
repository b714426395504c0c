//! Finds the compiler and linker for eBPF and builds objects with them; and `promtool`, for tests.
//!
//! Two compilers serve: rustup's nightly with `rust-src`, and Debian's `rustc-web` with `rust-web-src`.
//! `core` is built from source for `bpfel-unknown-none`, so either needs the library sources. The linker is
//! [bpf-linker](https://crates.io/crates/bpf-linker), whose LLVM must be of the compiler's major version:
//! `cargo xtask setup` builds the right one into [`linker_dir`].
//!
//! This crate only looks; installing is `xtask setup`'s work.

mod build;
mod find;
mod promtool;

pub use build::{BuildError, Object, build};
pub use find::{Compiler, Missing, Toolchain, cache, find, find_compiler, linker_dir};
pub use promtool::{promtool, promtool_dir};

/// The one place where the linker's version is pinned.
pub const BPF_LINKER_VERSION: &str = "0.13.0";

/// The oldest LLVM that this bpf-linker can be built against. A compiler of an older one cannot be linked for.
pub const OLDEST_LLVM: u32 = 21;

/// Debian's packages that hold the compiler and the sources of `core`.
pub const DEBIAN_COMPILER_PACKAGES: [&str; 2] = ["rustc-web", "rust-web-src"];

/// The instruction set of our objects: v3 has 32-bit registers and jumps, which `count` gains 2 ns by.
/// Kernel 5.10, our floor, refuses its atomic adds; our programs have none, and a test looks for them.
pub const TARGET_CPU: &str = "v3";
