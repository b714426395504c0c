//! What the tests of several crates share: see README.md. Knows nothing of `wire`, whose bugs it must not share.

pub mod frames;
pub mod fuzz;
pub mod guest;
pub mod prefixes;
pub mod random;
pub mod rule_cases;
pub mod rules;
pub mod sections;
pub mod vectors;
pub mod world;
