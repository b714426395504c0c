//! `senko lab down`

use serde::Serialize;

use crate::cli::{DEFAULT_NAME, DownArgs, offer, rows};
use crate::error::LabError;
use crate::leftovers::{self, Leftovers, remove_leftovers};
use crate::occupants;
use crate::state::{Condition, State, Store};

#[derive(Debug, Default, Serialize)]
struct Removed {
    labs: Vec<String>,
    leftovers: Leftovers,
}

pub fn run(args: &DownArgs, json: bool) -> Result<(), LabError> {
    let mut removed = Removed::default();
    if args.all {
        let store = Store::lock()?;
        for state in store.read_all()?.0 {
            if state.condition() != Condition::LeftOver {
                remove(&store, &state, args.force)?;
                removed.labs.push(state.name);
            }
        }
    } else if !args.leftovers {
        let name = args.name.as_deref().unwrap_or(DEFAULT_NAME);
        let store = Store::lock()?;
        let state = store.read(name)?.ok_or_else(|| LabError::NoSuchLab { name: name.into() })?;
        remove(&store, &state, args.force)?;
        removed.labs.push(state.name);
    }
    if args.all || args.leftovers {
        removed.leftovers = remove_leftovers(args.force)?;
    }
    if json {
        return rows::print_json(&removed);
    }
    for name in &removed.labs {
        rows::print(&format!("removed lab `{name}`\n"))?;
    }
    if !removed.leftovers.is_empty() {
        rows::print(&format!("removed {}\n", offer::describe(&removed.leftovers)))?;
    } else if args.leftovers {
        eprintln!("there are no leftovers");
    }
    Ok(())
}

fn remove(store: &Store, state: &State, force: bool) -> Result<(), LabError> {
    if state.condition() == Condition::Owned && !force {
        return Err(LabError::InUse {
            name: state.name.clone(),
            pid: state.owner.pid,
            command: occupants::command(state.owner.pid),
        });
    }
    leftovers::dismantle(store, state, force)
}
