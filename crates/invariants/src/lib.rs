//! What holds for any bytes: one function for each thing that reads or writes what strangers chose. `tests/` tries them on
//! random and damaged bytes, and `fuzz/` on what a fuzzer finds by the code it reaches.
//!
//! Each function panics when its promise is broken, and does nothing else.

mod configuration;
mod filter;
mod object;
mod packet;
mod pcapng;

pub use configuration::{configuration, outcome};
pub use filter::filter;
pub use object::object;
pub use packet::packet;
pub use pcapng::pcapng;

/// Takes bytes from the front; what is not there is 0.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    /// As many of `count` as there are.
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let taken = self.take(N);
        std::array::from_fn(|at| taken.get(at).copied().unwrap_or(0))
    }
}
