//! Removing labs, and finding what crashes left behind.

use std::path::PathBuf;

use serde::Serialize;

use crate::error::LabError;
use crate::netlink::Netlink;
use crate::netns::{self, Netns};
use crate::occupants;
use crate::plan::NAMESPACE_PREFIX;
use crate::state::{self, Condition, State, Store};

/// What no running process will remove any more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Leftovers {
    /// Labs whose owner is gone.
    pub labs: Vec<String>,
    /// Namespaces named as ours that belong to no lab.
    pub namespaces: Vec<String>,
    /// Files in the state directory that cannot be read.
    pub files: Vec<PathBuf>,
}

impl Leftovers {
    pub fn is_empty(&self) -> bool {
        self.labs.is_empty() && self.namespaces.is_empty() && self.files.is_empty()
    }
}

/// # Errors
/// When the state directory cannot be locked or read.
pub fn find_leftovers() -> Result<Leftovers, LabError> {
    find(&Store::lock()?).map(|(leftovers, _)| leftovers)
}

/// Removes what [`find_leftovers`] finds and returns it. `force` kills processes still inside.
///
/// # Errors
/// When something cannot be removed or, without `force`, programs still run inside.
pub fn remove_leftovers(force: bool) -> Result<Leftovers, LabError> {
    let store = Store::lock()?;
    let (leftovers, states) = find(&store)?;
    for state in states.iter().filter(|s| leftovers.labs.contains(&s.name)) {
        dismantle(&store, state, force)?;
    }
    for namespace in &leftovers.namespaces {
        clear(namespace, std::slice::from_ref(namespace), force)?;
        netns::remove(namespace)?;
    }
    for file in &leftovers.files {
        state::remove_file(file)?;
    }
    Ok(leftovers)
}

fn find(store: &Store) -> Result<(Leftovers, Vec<State>), LabError> {
    let (states, files) = store.read_all()?;
    let claimed = |name: &String| states.iter().flat_map(|s| &s.hosts).any(|h| h.namespace == *name);
    let leftovers = Leftovers {
        labs: states
            .iter()
            .filter(|s| s.condition() == Condition::LeftOver)
            .map(|s| s.name.clone())
            .collect(),
        namespaces: netns::names(NAMESPACE_PREFIX).into_iter().filter(|n| !claimed(n)).collect(),
        files,
    };
    Ok((leftovers, states))
}

/// Takes a lab apart: processes, links, namespaces, state file last. Whatever of it is missing
/// already is passed over, so it also finishes a half-made or half-removed lab.
pub fn dismantle(store: &Store, state: &State, force: bool) -> Result<(), LabError> {
    let namespaces: Vec<_> = state.hosts.iter().map(|h| h.namespace.clone()).collect();
    clear(&state.name, &namespaces, force)?;
    for host in &state.hosts {
        // A namespace lives on as long as anything holds it (another mount namespace, a forgotten
        // descriptor). Without its links it is empty then, and both ends of a pair go at once.
        if netns::inode(&host.namespace).is_some() {
            let mut socket = Netlink::open(&Netns::open(&host.namespace)?)?;
            for interface in &host.interfaces {
                socket.delete_link(&interface.name).map_err(|source| LabError::Net {
                    action: format!("delete interface `{}`", interface.name),
                    namespace: host.namespace.clone(),
                    source,
                })?;
            }
        }
    }
    for namespace in &namespaces {
        netns::remove(namespace)?;
    }
    store.remove(&state.name)
}

/// Makes sure that nobody is inside.
fn clear(name: &str, namespaces: &[String], force: bool) -> Result<(), LabError> {
    let inodes: Vec<_> = namespaces.iter().filter_map(|n| Some((n.clone(), netns::inode(n)?))).collect();
    if force {
        match occupants::kill(&inodes) {
            alive if alive.is_empty() => Ok(()),
            occupants => Err(LabError::Unkillable { name: name.into(), occupants }),
        }
    } else {
        match occupants::find(&inodes) {
            none if none.is_empty() => Ok(()),
            occupants => Err(LabError::Occupied { name: name.into(), occupants }),
        }
    }
}
