//! The rule language: what is written in `rules = [...]`, and what it means. docs/rules.md is its manual.

mod alternatives;
pub mod ast;
mod check;
pub mod compile;
mod elements;
mod head;
pub mod lower;
pub mod model;
mod names;
mod numbers;
mod place;
mod read;
mod shadow;
mod text;
mod token;
mod values;
mod words;

pub use place::Place;
pub use read::read;
pub use shadow::{contains, shadowed};
