//! What the chores share with tests: running programs, and making the package.

pub mod command;
pub mod package;
