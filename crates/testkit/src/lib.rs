//! What the tests of several crates share: frames built by hand, random frames, golden vectors, and a small world of
//! ports and routes. Knows nothing of `wire`, whose bugs it must not share.

pub mod frames;
pub mod random;
pub mod vectors;
pub mod world;
