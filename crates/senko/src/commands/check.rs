//! `senko check`: everything that is wrong with a configuration, and what it will take; nothing is changed.

mod memory;
mod verify;

use std::{
    io::{IsTerminal as _, Write as _},
    path::{Path, PathBuf},
};

use agent::{
    config::{self, Config, Disk, Outcome, render},
    desired::{self, Desired},
    gateway,
    place::Place,
    session,
};
use clap::Args;
use engine::exit;
use policy::Tables;
use serde::Serialize;

use self::{
    memory::{MapRow, Memory, bytes_text},
    verify::Verified,
};
use crate::{
    args::Global,
    failure::Failure,
    gateway::{ConfigArgs, print_document, tell},
    render::{Table, say},
};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  senko check\n  senko check gateway.toml\n  senko check --json | jq '.problems[].message'"
)]
pub struct CheckArgs {
    /// The configuration, as -c
    #[arg(value_name = "FILE", conflicts_with = "config")]
    file: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArgs,
}

/// The document of `--json`.
#[derive(Debug, Serialize)]
struct Document {
    valid: bool,
    errors: usize,
    warnings: usize,
    problems: Vec<render::Report>,
    /// Absent when there are errors.
    #[serde(flatten)]
    sound: Option<Sound>,
}

/// What a configuration without errors comes to.
#[derive(Debug, Serialize)]
struct Sound {
    interfaces: Vec<InterfaceRow>,
    sections: Vec<&'static str>,
    sets: Vec<SetRow>,
    costs: Vec<CostRow>,
    #[serde(flatten)]
    memory: Memory,
    #[serde(flatten)]
    verified: Verified,
}

#[derive(Debug, Serialize)]
struct InterfaceRow {
    name: String,
    mode: String,
}

/// What a section costs packets and memory, beyond its maps.
#[derive(Debug, Serialize)]
struct CostRow {
    section: &'static str,
    name: &'static str,
    value: f64,
}

#[derive(Debug, Serialize)]
struct SetRow {
    name: String,
    ipv4: usize,
    ipv6: usize,
    /// `null`: written in the configuration.
    file: Option<String>,
    watch: bool,
}

/// Exit code 2 when there are errors.
pub fn run(args: &CheckArgs, global: &Global) -> Result<u8, Failure> {
    let path = args.file.as_ref().unwrap_or(&args.config.config);
    let Outcome { config, sources, mut problems } = config::read(&Disk, path, config::functions());
    if let Some(config) = &config {
        // Whoever may not look at what is live can check all the same.
        let live = Place::here().and_then(|place| gateway::look_at_edits(&place));
        session::warn(config, &live.unwrap_or_default(), &mut problems)?;
    }
    let errors = problems.errors();
    let warnings = problems.iter().count() - errors;
    if !global.json {
        let colours =
            std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        tell::write_text(&render::text(&problems, &sources, colours));
    }
    let sound = config.map(look).transpose()?;
    let valid = sound.is_some();
    if global.json {
        let problems = render::reports(&problems, &sources);
        print_document(&Document { valid, errors, warnings, problems, sound })?;
    } else if let Some(sound) = &sound {
        print(sound)?;
    }
    if !global.json {
        say(verdict(path, errors, warnings));
    }
    Ok(if valid { 0 } else { exit::USAGE })
}

/// What the configuration comes to, without the kernel and then with it.
fn look(mut config: Config) -> Result<Sound, Failure> {
    let desired = compile(&mut config);
    let memory = Memory::of(&desired)?;
    let verified = verify::load(&desired)?;
    let interface =
        |interface: policy::Interface| InterfaceRow { name: interface.name, mode: interface.mode };
    let sections = config.sections.iter().map(|(function, _)| function.name()).collect();
    let costs = config.sections.iter().flat_map(|(function, valid)| {
        let section = function.name();
        valid.costs().into_iter().map(move |cost| CostRow { section, name: cost.name, value: cost.value })
    });
    let costs = costs.collect();
    let set = |(name, set): (String, policy::Set)| SetRow {
        name,
        ipv4: set.v4.len(),
        ipv6: set.v6.len(),
        file: set.file.map(|file| file.display().to_string()),
        watch: set.watch,
    };
    Ok(Sound {
        interfaces: config.interfaces.into_iter().map(interface).collect(),
        sections,
        costs,
        sets: config.sets.into_iter().map(set).collect(),
        memory,
        verified,
    })
}

/// As a first generation would be, on a host without addresses: whose they are changes no size.
fn compile(config: &mut Config) -> Desired {
    let mut slots = Default::default();
    desired::interface_slots(&mut config.interfaces, &mut slots);
    let sections: Vec<desired::Section<'_>> =
        config.sections.iter().map(|(function, valid)| (function.name(), valid.as_ref())).collect();
    desired::compile(&sections, &config.world(&[]), Tables::default(), slots)
}

fn print(sound: &Sound) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    if !sound.sets.is_empty() {
        let mut table = Table::new(&["set", "IPv4", "IPv6", "from"]);
        for set in &sound.sets {
            let watched = if set.watch { " (watched)" } else { "" };
            let from = set.file.as_ref().map_or_else(String::new, |file| format!("{file}{watched}"));
            table.row(vec![set.name.clone(), set.ipv4.to_string(), set.ipv6.to_string(), from]);
        }
        table.write(&mut out)?;
        writeln!(out)?;
    }
    if !sound.costs.is_empty() {
        let mut table = Table::new(&["section", "cost", ""]);
        for CostRow { section, name, value } in &sound.costs {
            let value = if value.fract() == 0.0 { value.to_string() } else { format!("{value:.1}") };
            table.row(vec![(*section).into(), (*name).into(), value]);
        }
        table.write(&mut out)?;
        writeln!(out)?;
    }
    let Memory { maps, bytes, apply_bytes } = &sound.memory;
    let mut table = Table::new(&["map", "entries", "memory"]);
    for MapRow { map, entries, bytes } in maps {
        table.row(vec![map.clone(), entries.to_string(), bytes_text(*bytes)]);
    }
    if !table.is_empty() {
        table.row(vec!["all".into(), String::new(), bytes_text(*bytes)]);
        table.row(vec!["while it is applied".into(), String::new(), bytes_text(*apply_bytes)]);
        table.write(&mut out)?;
    }
    out.flush()?;
    if let Some(why) = &sound.verified.not_asked {
        say(format_args!("the kernel was not asked whether it takes the program: {why}"));
    }
    Ok(())
}

fn verdict(path: &Path, errors: usize, warnings: usize) -> String {
    let count = |count: usize, word: &str| match count {
        0 => None,
        1 => Some(format!("1 {word}")),
        _ => Some(format!("{count} {word}s")),
    };
    let found: Vec<String> =
        [count(errors, "error"), count(warnings, "warning")].into_iter().flatten().collect();
    let path = path.display();
    match errors {
        0 if found.is_empty() => format!("{path} is sound"),
        0 => format!("{path} is sound, with {}", found.join(" and ")),
        _ => format!("{path} has {}; nothing was changed", found.join(" and ")),
    }
}
