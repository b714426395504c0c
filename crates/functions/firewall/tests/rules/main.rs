//! The rule language.

mod language;
mod props;
mod random;
mod table;
