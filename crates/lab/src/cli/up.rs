//! `senko lab up`

use crate::cli::rows::{self, LabRow};
use crate::cli::{DEFAULT_NAME, UpArgs};
use crate::error::LabError;
use crate::handle::Lab;
use crate::topology::Topology;

pub fn run(args: &UpArgs, json: bool) -> Result<(), LabError> {
    let usual = if args.hosts == 2 { Topology::Pair } else { Topology::Router };
    let topology = args.topology.unwrap_or(usual);
    let lab = Lab::builder(&args.name).topology(topology).hosts(args.hosts).build()?.keep()?;
    if json {
        return rows::print_json(&LabRow::new(lab.state()));
    }
    rows::print(&rows::align(&rows::host_table(lab.state())))?;
    let prefix = if args.name == DEFAULT_NAME { String::new() } else { format!("{}/", args.name) };
    // With a single host there is `r` to talk to.
    let target = &lab.hosts()[1];
    eprintln!("\ntry:     senko lab exec {prefix}h1 -- ping -c 3 {}", target.ipv4());
    eprintln!("remove:  senko lab down {}", args.name);
    Ok(())
}
