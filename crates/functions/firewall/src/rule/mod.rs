//! The rule language: what is written in `rules = [...]`, and what it means. docs/rules.md is its manual.

mod alternatives;
pub mod ast;
pub(crate) mod check;
pub mod compile;
mod elements;
pub(crate) mod head;
pub mod lower;
pub mod model;
pub(crate) mod names;
pub(crate) mod numbers;
mod place;
mod read;
mod shadow;
mod text;
mod token;
mod values;
pub(crate) mod words;

pub use place::Place;
pub use read::read;
pub use shadow::shadowed;
