//! The gateway's part of `status`: one word first, then what it is made of.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use agent::{
    api::Client,
    error::Error,
    health::State,
    place::Place,
    stats::{InterfaceStats, MapStats, Stats},
    view::View,
};
use serde::Serialize;

use crate::{
    failure::Failure,
    render::{Table, ago, say},
};

/// What is said of the gateway of this network namespace.
#[derive(Debug, Serialize)]
pub struct Gateway {
    pub state: State,
    /// What is not as it should be; for people.
    pub why: Vec<String>,
    pub generation: u64,
    /// Seconds since 1970.
    pub applied_at: f64,
    /// Seconds since then.
    pub age: f64,
    /// What made it live: `apply`, `reload`, …
    pub by: String,
    pub configuration: PathBuf,
    /// `senko run` is there.
    pub daemon: bool,
    pub interfaces: Vec<InterfaceStats>,
    pub blocks: usize,
    pub maps: Vec<MapStats>,
}

/// `None`: there is no gateway, or it cannot be looked into, which is told.
pub fn look() -> Option<Gateway> {
    let read = || -> Result<Option<Gateway>, Failure> {
        let place = Place::here()?;
        let mut view = match View::open(&place) {
            Err(Error::NoGateway) => return Ok(None),
            view => view?,
        };
        let stats = view.read()?;
        let daemon = Client::connect(&place.socket()).is_ok_and(|client| client.is_some());
        Ok(Some(gateway(stats, &view, daemon)))
    };
    match read() {
        Ok(gateway) => gateway,
        Err(Failure::Explained(diagnosis)) => {
            say(format_args!("cannot look at the gateway: {}", diagnosis.cause));
            None
        }
        Err(Failure::ClosedPipe) => None,
    }
}

fn gateway(stats: Stats, view: &View, daemon: bool) -> Gateway {
    let Stats { generation, applied_at, age, health, interfaces, blocks, maps, .. } = stats;
    let (by, configuration) = (view.record().by.clone(), view.record().main.clone());
    let (state, why, blocks) = (health.state, health.why, blocks.len());
    Gateway { state, why, generation, applied_at, age, by, configuration, daemon, interfaces, blocks, maps }
}

pub fn write(out: &mut impl Write, gateway: &Gateway) -> io::Result<()> {
    writeln!(out, "{}", gateway.state.word())?;
    for why in &gateway.why {
        writeln!(out, "  {why}")?;
    }
    writeln!(
        out,
        "gateway  generation {}, {} by {}, {}; {}",
        gateway.generation,
        ago(gateway.applied_at),
        gateway.by,
        gateway.configuration.display(),
        if gateway.daemon { "the daemon runs" } else { "no daemon runs" }
    )?;
    let mut table = Table::new(&["interface", "mode", "stages", "packets", "dropped", "by reason"]);
    for interface in &gateway.interfaces {
        let drops = interface.reasons.iter().filter(|reason| reason.drop && reason.packets > 0);
        let drops: Vec<String> =
            drops.map(|reason| format!("{} {}", reason.reason, reason.packets)).collect();
        table.row(vec![
            interface.interface.clone(),
            interface.mode.clone().unwrap_or_else(|| "not attached".into()),
            interface.stages.join(","),
            interface.packets.to_string(),
            interface.drops.to_string(),
            drops.join(", "),
        ]);
    }
    if !table.is_empty() {
        table.write(out)?;
    }
    if gateway.blocks > 0 {
        writeln!(out, "blocks   {}", gateway.blocks)?;
    }
    for map in &gateway.maps {
        writeln!(out, "table    {} {}/{}", map.map, map.entries, map.max_entries)?;
    }
    Ok(())
}
