//! What the kernel side and the user side agree on.
#![no_std]

pub mod action;
pub mod layout;
pub mod reason;
pub mod stage;

pub use action::Action;
pub use layout::Shared;
pub use reason::Reason;
pub use stage::{Stage, Step};
