//! The gateway, as its users and its packets meet it: real hosts, real kernel, `senko` as a process. Needs root.

mod api;
mod applying;
mod atomic;
mod bad_days;
mod daemon;
mod edits;
mod established;
mod faults;
mod fixture;
mod killed;
mod links;
mod mark;
mod others;
mod probe;
mod reject;
mod rollback;
mod rule_lists;
mod rules;
mod session;
mod stream;
#[path = "../support/mod.rs"]
mod support;
