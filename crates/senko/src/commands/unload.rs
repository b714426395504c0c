//! `senko unload`: taking programs off an interface.

use std::path::PathBuf;

use clap::Args;
use engine::{Occupant, describe, exit, inventory, pin};
use serde::Serialize;

use crate::{args::Global, failure::Failure, render::json_line};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  senko unload eth0\n  senko unload eth0 --id 42\n  senko unload eth0 --all --force"
)]
pub struct UnloadArgs {
    /// Where to look
    #[arg(value_name = "IFACE")]
    interface: String,
    /// Only the program with this id (`senko status` shows it)
    #[arg(short, long, value_name = "ID")]
    id: Option<u32>,
    /// All programs of the interface
    #[arg(short, long, conflicts_with = "id")]
    all: bool,
    /// Also what senko did not load, or what a running process holds
    #[arg(short, long)]
    force: bool,
}

/// One line of `--json` for each program that is gone.
#[derive(Serialize)]
struct Unloaded<'a> {
    interface: &'a str,
    mode: &'static str,
    program: Option<&'a str>,
    program_id: u32,
    link_id: Option<u32>,
    removed_pins: Vec<PathBuf>,
}

pub fn run(args: &UnloadArgs, global: &Global) -> Result<u8, Failure> {
    let interface = args.interface.as_str();
    let occupants = inventory::occupants(interface)?;
    let chosen = choose(args, &occupants)?;
    if !args.force {
        for occupant in &chosen {
            refuse_foreign(interface, occupant)?;
        }
    }
    let mut out = std::io::stdout().lock();
    for occupant in chosen {
        engine::detach(interface, occupant)?;
        let removed_pins = directories(occupant);
        for directory in &removed_pins {
            pin::remove(directory)?;
        }
        eprintln!("senko: {interface}: removed {}", describe(occupant));
        for left in occupant.pins.iter().filter(|pin| pin.exists()) {
            eprintln!("senko: {} stays pinned: senko did not make it", left.display());
        }
        if global.json {
            let document = Unloaded {
                interface,
                mode: occupant.mode.name(),
                program: occupant.program.as_ref().map(|program| program.name.as_str()),
                program_id: occupant.program_id,
                link_id: occupant.link().map(|link| link.id),
                removed_pins,
            };
            json_line(&mut out, &document)?;
        }
    }
    Ok(0)
}

fn choose<'a>(args: &UnloadArgs, occupants: &'a [Occupant]) -> Result<Vec<&'a Occupant>, Failure> {
    let interface = &args.interface;
    let all: Vec<&Occupant> = occupants.iter().collect();
    match (args.id, &all[..]) {
        (_, []) => Err(Failure::failed(format!("{interface} has no XDP program"), None)),
        (Some(id), _) => match all.iter().find(|occupant| occupant.program_id == id) {
            Some(occupant) => Ok(vec![occupant]),
            None => Err(Failure::failed(
                format!("{interface} has no XDP program with id {id}"),
                Some(&format!("it has {}", list(occupants))),
            )),
        },
        (None, [_]) => Ok(all),
        (None, _) if args.all => Ok(all),
        (None, _) => Err(Failure::usage(
            format!("{interface} has {}", list(occupants)),
            Some("choose with --id ID, or say --all"),
        )),
    }
}

fn list(occupants: &[Occupant]) -> String {
    occupants.iter().map(describe).collect::<Vec<_>>().join(" and ")
}

/// Pin directories of ours that hold this occupant.
fn directories(occupant: &Occupant) -> Vec<PathBuf> {
    let mut directories: Vec<PathBuf> =
        occupant.pins.iter().filter_map(|path| pin::directory_of(path)).map(Into::into).collect();
    directories.sort();
    directories.dedup();
    directories
}

/// Ours is what lies in a pin directory of ours and no running process holds.
fn refuse_foreign(interface: &str, occupant: &Occupant) -> Result<(), Failure> {
    if occupant.program.is_none() {
        return Err(Failure::new(
            exit::NOT_PERMITTED,
            format!(
                "this process may not look at program {}, so it cannot tell whose it is",
                occupant.program_id
            ),
            Some("run it as root (it takes CAP_SYS_ADMIN)"),
        ));
    }
    if directories(occupant).is_empty() {
        let (whose, remedy) = match &occupant.holders[..] {
            [holder] => (
                format!("process {} `{}` holds it", holder.pid, holder.command),
                format!("stop that process (`kill {}`), or add --force", holder.pid),
            ),
            _ => ("senko did not pin it".into(), "add --force to remove it all the same".into()),
        };
        return Err(Failure::new(
            exit::CONFLICT,
            format!("{interface}: {} is not senko's to remove: {whose}", describe(occupant)),
            Some(&remedy),
        ));
    }
    Ok(())
}
