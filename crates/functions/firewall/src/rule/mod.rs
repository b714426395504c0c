//! The rule language: what is written in `rules = [...]`.

pub mod ast;
