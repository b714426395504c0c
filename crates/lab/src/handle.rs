//! The lab as its user holds it.

use crate::builder::Builder;
use crate::error::LabError;
use crate::host::Host;
use crate::leftovers;
use crate::netns::Netns;
use crate::state::{Condition, State, Store};
use crate::topology::Topology;

/// A lab: removed when dropped, with every process still inside it, unless it was [kept](Lab::keep)
/// or only [opened](Lab::open).
#[derive(Debug)]
pub struct Lab {
    state: State,
    hosts: Vec<Host>,
    remove_on_drop: bool,
}

impl Lab {
    /// Begins a lab of that name: 1 to 32 of a-z, 0-9, `-`, `_`, beginning with a letter. Tests and
    /// demos put their pid into it, so that several run side by side.
    pub fn builder(name: impl Into<String>) -> Builder {
        Builder::new(name.into())
    }

    pub(crate) fn new(state: State, hosts: Vec<Host>) -> Self {
        Self { state, hosts, remove_on_drop: true }
    }

    /// A lab that is already up, made by this or another process. Dropping it removes nothing.
    ///
    /// # Errors
    /// When there is none of that name or it was left behind by a crash.
    pub fn open(name: &str) -> Result<Self, LabError> {
        let state =
            Store::lock()?.read(name)?.ok_or_else(|| LabError::NoSuchLab { name: name.to_owned() })?;
        if state.condition() == Condition::LeftOver {
            return Err(LabError::NameLeftOver { name: name.to_owned() });
        }
        let open = |plan| Host::open(plan, Netns::open(&plan.namespace)?);
        let hosts = state.hosts.iter().map(open).collect::<Result<_, _>>()?;
        Ok(Self { state, hosts, remove_on_drop: false })
    }

    /// Lets the lab outlive this process, until `senko lab down`.
    ///
    /// # Errors
    /// When the state file cannot be written; the lab is then removed.
    pub fn keep(mut self) -> Result<Self, LabError> {
        let kept = State { kept: true, ..self.state.clone() };
        Store::lock()?.write(&kept)?;
        self.state = kept;
        self.remove_on_drop = false;
        Ok(self)
    }

    /// Removes the lab now and says what went wrong, which dropping cannot. Processes inside it are
    /// killed.
    pub fn remove(mut self) -> Result<(), LabError> {
        self.remove_on_drop = false;
        self.dismantle()
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    pub fn name(&self) -> &str {
        &self.state.name
    }

    pub fn topology(&self) -> Topology {
        self.state.topology
    }

    /// All hosts: h1..hn, then `r` where the topology has it.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// # Panics
    /// When the lab has no such host: its names follow from topology and number.
    pub fn host(&self, name: &str) -> &Host {
        self.find_host(name).unwrap_or_else(|| panic!("lab `{}` has no host `{name}`", self.name()))
    }

    pub fn find_host(&self, name: &str) -> Option<&Host> {
        self.hosts.iter().find(|h| h.name() == name)
    }

    fn dismantle(&mut self) -> Result<(), LabError> {
        self.hosts.clear();
        leftovers::dismantle(&Store::lock()?, &self.state, true)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.remove_on_drop
            && let Err(error) = self.dismantle()
        {
            eprintln!("lab `{}` is not wholly removed: {error}", self.name());
        }
    }
}
