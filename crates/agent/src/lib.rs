//! The gateway: from a file to what packets meet, in one step from generation to generation.

pub mod api;
pub mod config;
pub mod confirm;
pub mod daemon;
pub mod desired;
mod digest;
pub mod edits;
pub mod error;
pub mod events;
pub mod executor;
pub mod explain;
pub mod gateway;
pub mod health;
pub mod kernel;
pub mod lines;
pub mod metrics;
pub mod place;
pub mod plan;
pub mod record;
pub mod request;
mod secret;
pub mod session;
mod snapshot;
pub mod stats;
pub mod view;
