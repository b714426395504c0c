//! What the kernel side and the user side agree on.
#![no_std]

pub mod action;
pub mod direction;
pub mod event;
pub mod interface;
pub mod layout;
pub mod mark;
pub mod reason;
pub mod redirect_error;
pub mod stage;

pub use action::Action;
pub use direction::Direction;
pub use event::Event;
pub use layout::Shared;
pub use mark::Marked;
pub use reason::{Judged, Reason};
pub use redirect_error::RedirectError;
pub use stage::{Stage, Step};
