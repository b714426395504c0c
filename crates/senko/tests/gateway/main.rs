//! The gateway, as its users and its packets meet it: real hosts, real kernel, `senko` as a process. Needs root.

mod applying;
mod atomic;
mod fixture;
mod killed;
mod probe;
mod stream;
#[path = "../support/mod.rs"]
mod support;
