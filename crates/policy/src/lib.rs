//! What a function and the gateway say to each other: sections of `senko.toml` on the way in, contents of maps on the way
//! out. Everything here is pure: no files, no kernel.

pub mod cidr;
mod function;
mod problem;
mod section;
mod set;
mod slots;
mod source;
mod tables;

pub use cidr::Cidr;
pub use function::{Answer, Counters, Function, Interface, Series, Tally, Valid, World};
pub use problem::{Problem, Problems, Severity};
pub use section::{Field, Section, Shape};
pub use set::{Set, Sets};
pub use slots::Slots;
pub use source::{Source, SourceId, Sources, Span};
pub use tables::{Contents, Counted, Knob, PrefixTable, Subject, Tables};
