//! Prefix tables that can be changed while packets read them.

use engine::Mapped;
use policy::{Cidr, Contents, PrefixTable};
use prefix::{LineV4, LineV6, Node, TableV4, TableV6, UpdateError};

use crate::error::Error;

/// A prefix table of the data path, as a live edit sees it.
pub trait Table {
    /// Gives exactly this prefix a value, or takes it out. `false`: there is no room; nothing was changed.
    fn set(&mut self, prefix: Cidr, value: Option<u32>) -> Result<bool, Error>;
    fn get(&self, prefix: Cidr) -> Option<u32>;
    /// Writes what lies around the prefix anew, in case a change of it was interrupted. `false`: there is no room.
    fn refresh(&mut self, prefix: Cidr) -> Result<bool, Error>;
    /// Whether packets get the answers of this list. Asked of a table that was taken over.
    fn answers(&self, contents: &Contents) -> bool;
    /// No packet is being looked up in what earlier changes replaced any more.
    fn quiesce(&mut self);
}

/// A table in the memory of two live maps.
pub enum HostTable {
    V4(TableV4<Mapped<Node>, Mapped<LineV4>>),
    V6(TableV6<Mapped<Node>, Mapped<LineV6>>),
}

impl Table for HostTable {
    fn set(&mut self, prefix: Cidr, value: Option<u32>) -> Result<bool, Error> {
        let done = match (self, prefix, value) {
            (Self::V4(table), Cidr::V4(prefix), Some(value)) => table.insert(prefix, value),
            (Self::V4(table), Cidr::V4(prefix), None) => table.remove(prefix),
            (Self::V6(table), Cidr::V6(prefix), Some(value)) => table.insert(prefix, value),
            (Self::V6(table), Cidr::V6(prefix), None) => table.remove(prefix),
            // Of the other family: not this table's.
            _ => return Ok(true),
        };
        fits(done.map(drop))
    }

    fn refresh(&mut self, prefix: Cidr) -> Result<bool, Error> {
        match (self, prefix) {
            (Self::V4(table), Cidr::V4(prefix)) => fits(table.refresh(prefix)),
            (Self::V6(table), Cidr::V6(prefix)) => fits(table.refresh(prefix)),
            _ => Ok(true),
        }
    }

    fn answers(&self, contents: &Contents) -> bool {
        match (self, contents) {
            (Self::V4(table), Contents::Prefixes(PrefixTable::V4 { list, .. })) => table.answers(list),
            (Self::V6(table), Contents::Prefixes(PrefixTable::V6 { list, .. })) => table.answers(list),
            _ => false,
        }
    }

    fn get(&self, prefix: Cidr) -> Option<u32> {
        match (self, prefix) {
            (Self::V4(table), Cidr::V4(prefix)) => table.get(prefix),
            (Self::V6(table), Cidr::V6(prefix)) => table.get(prefix),
            _ => None,
        }
    }

    fn quiesce(&mut self) {
        match self {
            Self::V4(table) => table.quiesce(),
            Self::V6(table) => table.quiesce(),
        }
    }
}

fn fits(done: Result<(), UpdateError>) -> Result<bool, Error> {
    match done {
        Ok(()) => Ok(true),
        Err(UpdateError::Full) => Ok(false),
        Err(error) => Err(Error::Refused(error.to_string())),
    }
}
