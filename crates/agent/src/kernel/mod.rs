//! What the executor asks of the kernel, and of the files beside it. [`Real`] is the kernel; [`fake::Fake`] is one in
//! memory in which every operation can fail or be the last before the process is killed.

#[cfg(test)]
pub mod fake;
mod real;
mod table;

use std::collections::BTreeMap;

use abi::Direction;
use engine::Mode;
use policy::Contents;

pub use self::{
    real::{Real, fill, write_whole},
    table::{HostTable, Table},
};
pub use engine::classifier::Facts as ClassifierFacts;

use crate::{desired::Program, error::Error};

/// An attachment, as it turned out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached<L> {
    pub link: L,
    /// Never `Auto`.
    pub mode: Mode,
    /// Why native was refused, when `auto` fell back to generic.
    pub fallback: Option<String>,
    /// The program takes frames of several buffers, because the MTU needs it.
    pub frags: bool,
}

/// What a link says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkFacts {
    pub id: u32,
    /// 0: the interface is gone.
    pub ifindex: u32,
    pub program_id: u32,
}

/// Maps by name.
pub type Maps<K> = BTreeMap<String, <K as Kernel>::Map>;

/// Paths are relative to the gateway's directory of pins.
pub trait Kernel {
    type Map: Clone;
    type Program;
    type Link;
    type Table: Table;

    /// Makes the data path's maps; `shared` are used as they are.
    fn create_maps(
        &mut self,
        sizes: &BTreeMap<String, u32>,
        shared: &Maps<Self>,
    ) -> Result<Maps<Self>, Error>;

    /// Writes a map's contents before anything reads it. Prefix tables stay changeable.
    fn fill(
        &mut self,
        maps: &Maps<Self>,
        name: &str,
        contents: &Contents,
    ) -> Result<Option<Self::Table>, Error>;

    /// Takes over a prefix table that was filled earlier, perhaps by a process that was killed while it changed it.
    fn adopt(&mut self, maps: &Maps<Self>, name: &str, contents: &Contents) -> Result<Self::Table, Error>;

    /// Sets elements of a per-CPU array to zero.
    fn zero(&mut self, map: &Self::Map, elements: &[u32]) -> Result<(), Error>;

    fn load(&mut self, program: &Program, frags: bool, maps: &Maps<Self>) -> Result<Self::Program, Error>;
    fn program_id(&self, program: &Self::Program) -> Result<u32, Error>;

    /// Puts a program on an interface that has none; the link ends with its value until it is pinned. `load` makes the
    /// program for frames of several buffers, should the MTU need one, and then stands in `program`.
    fn attach(
        &mut self,
        program: &Program,
        loaded: &mut Self::Program,
        maps: &Maps<Self>,
    ) -> Result<Attached<Self::Link>, Error>;
    fn switch(&mut self, link: &Self::Link, program: &Self::Program) -> Result<(), Error>;
    fn link_facts(&self, link: &Self::Link) -> Option<LinkFacts>;

    /// Loads a program beside those of interfaces, as one of them is told.
    fn load_classifier(
        &mut self,
        program: &Program,
        direction: Direction,
        maps: &Maps<Self>,
    ) -> Result<Self::Program, Error>;
    /// Lets it see what an interface sends or receives, by a pin whose name is the interface's number.
    fn attach_classifier(
        &mut self,
        program: &Self::Program,
        direction: Direction,
        ifindex: u32,
        path: &str,
    ) -> Result<(), Error>;
    fn switch_classifier(
        &mut self,
        path: &str,
        direction: Direction,
        program: &Self::Program,
    ) -> Result<(), Error>;
    /// `None`: nothing lives by this pin.
    fn classifier_facts(&mut self, direction: Direction, path: &str) -> Option<ClassifierFacts>;

    /// The index of an interface, if there is one of this name.
    fn ifindex(&mut self, interface: &str) -> Result<Option<u32>, Error>;

    fn pin_map(&mut self, map: &Self::Map, path: &str) -> Result<(), Error>;
    fn pin_program(&mut self, program: &Self::Program, path: &str) -> Result<(), Error>;
    fn pin_link(&mut self, link: Self::Link, path: &str) -> Result<Self::Link, Error>;
    fn open_map(&mut self, path: &str) -> Result<Option<Self::Map>, Error>;
    fn open_program(&mut self, path: &str) -> Result<Option<Self::Program>, Error>;
    fn open_link(&mut self, path: &str) -> Result<Option<Self::Link>, Error>;

    fn make_directory(&mut self, path: &str) -> Result<(), Error>;
    /// Names in a directory, sorted; none when it is not there.
    fn list(&mut self, path: &str) -> Result<Vec<String>, Error>;
    /// Removes a pin, or a directory with all that is in it. What is not there is removed already.
    fn remove(&mut self, path: &str) -> Result<(), Error>;
    /// Lets a name point to a target, atomically.
    fn point(&mut self, name: &str, target: &str) -> Result<(), Error>;
    fn pointed(&mut self, name: &str) -> Result<Option<String>, Error>;

    /// Files beside the pins: written whole or not at all.
    fn write_file(&mut self, name: &str, contents: &[u8]) -> Result<(), Error>;
    fn read_file(&mut self, name: &str) -> Result<Option<Vec<u8>>, Error>;
    fn remove_file(&mut self, name: &str) -> Result<(), Error>;
}
