//! `senko status`: how the gateway is, which programs are on which interface, and who put them there.

mod document;
mod gateway;

use std::io::{self, Write};

use agent::health::State;
use clap::Args;
use engine::{Inventory, netlink};
use serde::Serialize;

use self::{
    document::{Interface, MapLine, Program},
    gateway::Gateway,
};
use crate::{args::Global, failure::Failure, render::ago};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  senko status\n  senko status eth0 --json\n  senko --netns blue status")]
pub struct StatusArgs {
    /// Whose programs; without any, the gateway's state and all interfaces that have a program
    #[arg(value_name = "IFACE")]
    interfaces: Vec<String>,
}

pub fn run(args: &StatusArgs, global: &Global) -> Result<u8, Failure> {
    let links = netlink::links()?;
    let chosen: Vec<&netlink::LinkFacts> = if args.interfaces.is_empty() {
        links.iter().filter(|link| !link.programs.is_empty()).collect()
    } else {
        args.interfaces
            .iter()
            .map(|name| {
                links
                    .iter()
                    .find(|link| &link.name == name)
                    .ok_or_else(|| engine::Error::NoInterface(name.clone()))
            })
            .collect::<Result<_, _>>()?
    };
    let inventory = Inventory::take();
    let interfaces: Vec<Interface> =
        chosen.into_iter().map(|link| document::interface(link, &inventory)).collect();
    let gateway = if args.interfaces.is_empty() { gateway::look() } else { None };

    let mut out = io::stdout().lock();
    if let Some(gateway) = gateway {
        write_with_gateway(&mut out, gateway, interfaces, global.json)?;
    } else if global.json {
        serde_json::to_writer_pretty(&mut out, &interfaces).map_err(io::Error::from)?;
        writeln!(out)?;
    } else if interfaces.is_empty() {
        writeln!(out, "no interface of this network namespace has an XDP program")?;
    } else {
        for interface in &interfaces {
            write_interface(&mut out, interface)?;
        }
    }
    out.flush()?;
    Ok(0)
}

/// What `--json` prints where there is a gateway.
#[derive(Serialize)]
struct Document {
    state: State,
    gateway: Gateway,
    interfaces: Vec<Interface>,
}

fn write_with_gateway(
    out: &mut impl Write,
    gateway: Gateway,
    interfaces: Vec<Interface>,
    json: bool,
) -> io::Result<()> {
    if json {
        let document = Document { state: gateway.state, gateway, interfaces };
        serde_json::to_writer_pretty(&mut *out, &document).map_err(io::Error::from)?;
        return writeln!(out);
    }
    gateway::write(out, &gateway)?;
    let is_ours = |name: &str| gateway.interfaces.iter().any(|ours| ours.interface == name && ours.attached);
    let others: Vec<Interface> =
        interfaces.into_iter().filter(|interface| !is_ours(&interface.interface)).collect();
    if !others.is_empty() {
        writeln!(out)?;
    }
    others.iter().try_for_each(|interface| write_interface(out, interface))
}

fn write_interface(out: &mut impl Write, interface: &Interface) -> io::Result<()> {
    if interface.programs.is_empty() {
        return writeln!(out, "{}  no XDP program", interface.interface);
    }
    for program in &interface.programs {
        let name = program.name.as_deref().filter(|name| !name.is_empty()).unwrap_or("(no name)");
        let tag = program.tag.as_deref().map_or(String::new(), |tag| format!("  tag {tag}"));
        writeln!(out, "{}  {}  {name}  id {}{tag}", interface.interface, program.mode, program.id)?;
        let lines = details(program);
        let last = lines.len() + program.maps.len();
        for (at, line) in lines.into_iter().chain(maps(&program.maps)).enumerate() {
            let branch = if at + 1 == last { "└─" } else { "├─" };
            writeln!(out, "  {branch} {line}")?;
        }
    }
    Ok(())
}

fn details(program: &Program) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(loaded) = program.loaded_at {
        let by = match (&program.user, program.uid) {
            (Some(user), _) => format!(" by {user}"),
            (None, Some(uid)) => format!(" by uid {uid}"),
            (None, None) => String::new(),
        };
        lines.push(format!("loaded   {}{by}", ago(loaded)));
    }
    let attached = match (program.link_id, &program.holders[..]) {
        (Some(link), _) => format!("by link {link}"),
        (None, _) if program.attached_by == "netlink" => "over netlink (as `ip link set … xdp` does)".into(),
        (None, _) => "by a link that cannot be told from one in another network namespace".into(),
    };
    lines.push(format!("attached {attached}"));
    for holder in &program.holders {
        lines.push(format!("held by  pid {} {}", holder.pid, holder.command));
    }
    for pin in &program.pins {
        lines.push(format!("pinned   {}", pin.display()));
    }
    if let (Some(runs), Some(ns)) = (program.run_count, program.ns_per_run) {
        lines.push(format!("runs     {runs}, {ns:.0} ns each"));
    }
    lines
}

fn maps(maps: &[MapLine]) -> impl Iterator<Item = String> {
    let width = maps.iter().map(|map| map.name.len()).max().unwrap_or(0);
    maps.iter().map(move |map| {
        let entries = match map.entries {
            Some(entries) => format!("{}{entries}/{}", if map.more { ">" } else { "" }, map.max_entries),
            None => format!("max {}", map.max_entries),
        };
        format!("map      {:width$}  {}  {entries}  id {}", map.name, map.kind, map.id)
    })
}
