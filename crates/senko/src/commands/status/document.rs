//! What `status --json` prints: field names and units are kept.

use std::{path::PathBuf, time::UNIX_EPOCH};

use engine::{Inventory, Occupant, inventory, map_use, netlink::LinkFacts};
use nix::unistd::{Uid, User};
use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct Interface {
    pub interface: String,
    pub ifindex: u32,
    pub mtu: u32,
    pub up: bool,
    pub programs: Vec<Program>,
}

#[derive(Debug, Serialize)]
pub struct Program {
    pub mode: &'static str,
    pub id: u32,
    /// What only a privileged process sees is `null` for others.
    pub name: Option<String>,
    pub tag: Option<String>,
    /// Seconds since 1970.
    pub loaded_at: Option<f64>,
    pub uid: Option<u32>,
    pub user: Option<String>,
    /// `link` or `netlink`.
    pub attached_by: &'static str,
    pub link_id: Option<u32>,
    pub holders: Vec<Holder>,
    pub pins: Vec<PathBuf>,
    /// `null` while `kernel.bpf_stats_enabled` is 0.
    pub run_count: Option<u64>,
    pub ns_per_run: Option<f64>,
    pub maps: Vec<MapLine>,
}

#[derive(Debug, Serialize)]
pub struct Holder {
    pub pid: u32,
    pub command: String,
}

#[derive(Debug, Serialize)]
pub struct MapLine {
    pub id: u32,
    pub name: String,
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub max_entries: u32,
    /// `null` for types that have no entries to count.
    pub entries: Option<u64>,
    /// Counting stopped at `entries`; there are more.
    pub more: bool,
}

pub fn interface(link: &LinkFacts, inventory: &Inventory) -> Interface {
    Interface {
        interface: link.name.clone(),
        ifindex: link.ifindex,
        mtu: link.mtu,
        up: link.up,
        programs: inventory.occupants(link).into_iter().map(program).collect(),
    }
}

fn program(occupant: Occupant) -> Program {
    let link_id = occupant.link().map(|link| link.id);
    let facts = occupant.program;
    let uid = facts.as_ref().map(|facts| facts.uid);
    let runs = facts.as_ref().filter(|_| inventory::counts_runs());
    Program {
        mode: occupant.mode.name(),
        id: occupant.program_id,
        name: facts.as_ref().map(|facts| facts.name.clone()),
        tag: facts.as_ref().map(|facts| facts.tag.clone()),
        loaded_at: facts
            .as_ref()
            .map(|facts| facts.loaded.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()),
        uid,
        user: uid.and_then(|uid| Some(User::from_uid(Uid::from_raw(uid)).ok()??.name)),
        attached_by: if occupant.links.is_empty() { "netlink" } else { "link" },
        link_id,
        holders: occupant
            .holders
            .into_iter()
            .map(|holder| Holder { pid: holder.pid, command: holder.command })
            .collect(),
        pins: occupant.pins,
        run_count: runs.map(|facts| facts.run_count),
        ns_per_run: runs
            .filter(|facts| facts.run_count > 0)
            .map(|facts| facts.run_time.as_nanos() as f64 / facts.run_count as f64),
        maps: facts.map_or(Vec::new(), |facts| facts.map_ids.into_iter().filter_map(map).collect()),
    }
}

/// A map may end between the program's list and this look.
fn map(id: u32) -> Option<MapLine> {
    let map = map_use(id).ok()?;
    Some(MapLine {
        id,
        name: map.name,
        kind: map.kind.name(),
        max_entries: map.max_entries,
        entries: map.entries,
        more: map.more,
    })
}
