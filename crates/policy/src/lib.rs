//! What a function and the gateway say to each other: sections of `senko.toml` on the way in, contents of maps on the way
//! out. Everything here is pure: no files, no kernel.

pub mod cidr;
mod field;
mod function;
pub mod list;
mod problem;
mod read;
mod section;
mod set;
mod slots;
mod source;
mod tables;
pub mod words;

pub use cidr::Cidr;
pub use field::{Field, Shape, names};
pub use function::{Answer, Cost, Counters, Function, Interface, Passed, Series, Stop, Tally, Valid, World};
pub use problem::{Problem, Problems, Severity};
pub use read::{Cable, Item, What, Word, Written};
pub use section::{Section, Value, span};
pub use set::{Set, Sets};
pub use slots::Slots;
pub use source::{Source, SourceId, Sources, Span};
pub use tables::{Contents, Counted, Knob, PrefixTable, Subject, Tables};
