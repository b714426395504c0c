//! `senko lab list`

use serde::Serialize;

use crate::cli::rows::{self, LabRow};
use crate::error::LabError;
use crate::leftovers::{Leftovers, find_leftovers};
use crate::state::{Condition, Store};

#[derive(Debug, Serialize)]
struct Document<'a> {
    labs: Vec<LabRow<'a>>,
    leftovers: Leftovers,
}

pub fn run(json: bool) -> Result<(), LabError> {
    let states = Store::lock()?.read_all()?.0;
    if json {
        let labs = states.iter().map(LabRow::new).collect();
        return rows::print_json(&Document { labs, leftovers: find_leftovers()? });
    }
    if states.is_empty() {
        eprintln!("there is no lab: make one with `senko lab up`");
        return Ok(());
    }
    let mut table = vec![["lab", "topology", "hosts", "condition", "owner"].map(String::from)];
    for state in &states {
        let condition = match state.condition() {
            Condition::Owned => "in use",
            Condition::Kept => "up",
            Condition::LeftOver => "left over",
        };
        let owner = if state.kept { "-".into() } else { format!("pid {}", state.owner.pid) };
        let hosts: Vec<_> = state.hosts.iter().map(|h| h.name.as_str()).collect();
        table.push([
            state.name.clone(),
            state.topology.name().into(),
            hosts.join(" "),
            condition.into(),
            owner,
        ]);
    }
    rows::print(&rows::align(&table))
}
