//! Interfaces of one gateway: each has a small number, its slot, which the program knows as `INTERFACE` and by which the
//! gateway's programs share maps.

/// The most interfaces that one gateway has. Slots are `0..MAX`; a program that is alone has slot 0.
pub const MAX: u32 = 64;
