//! `senko doctor`: facts, verdicts, remedies. [`gather`] alone asks the kernel; verdicts are pure functions of facts.

mod check;
#[cfg(test)]
mod fabricated;
mod facts;
pub mod gather;
mod interface;
mod mtu;
mod place;
mod probes;
mod redirect_target;
pub mod render;
mod report;
mod system;

pub use report::Report;
