//! The gateway: from a file to what packets meet, in one step from generation to generation.

pub mod config;
