//! The rule language.

mod language;
mod packet;
mod props;
mod random;
mod shadow;
mod table;
