//! The gateway: from a file to what packets meet, in one step from generation to generation.

pub mod config;
pub mod desired;
pub mod error;
pub mod executor;
pub mod kernel;
pub mod place;
pub mod plan;
pub mod record;
