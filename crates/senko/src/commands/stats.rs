//! `senko stats`: what the gateway has counted.

use std::{
    io::{self, IsTerminal as _, Write},
    time::{Duration, Instant},
};

use agent::{
    place::Place,
    stats::{InterfaceStats, Stats},
    view::View,
};
use clap::Args;

use crate::{
    args::Global,
    failure::Failure,
    foreground::Clock,
    render::{Table, ago, json_line, scaled},
};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  senko stats\n  senko stats --json | jq '.sets[]'\n  senko stats --interval 5s --duration 1m"
)]
pub struct StatsArgs {
    /// Print again after this long (10s, 500ms), with rates, until Ctrl-C
    #[arg(short, long, value_name = "TIME", value_parser = crate::args::duration)]
    interval: Option<Duration>,
    /// With --interval: stop after this long
    #[arg(short, long, value_name = "TIME", value_parser = crate::args::duration, requires = "interval")]
    duration: Option<Duration>,
}

pub fn run(args: &StatsArgs, global: &Global) -> Result<u8, Failure> {
    let mut view = View::open(&Place::here()?)?;
    let mut out = io::stdout().lock();
    let Some(interval) = args.interval else {
        let stats = view.read()?;
        if global.json {
            serde_json::to_writer_pretty(&mut out, &stats).map_err(io::Error::from)?;
            writeln!(out)?;
        } else {
            print(&mut out, &stats, None)?;
        }
        out.flush()?;
        return Ok(0);
    };
    let clock = Clock::new(args.duration)?;
    let live = out.is_terminal() && !global.json;
    let mut before: Option<Stats> = None;
    let mut next = Instant::now();
    loop {
        let stats = view.read()?;
        if global.json {
            json_line(&mut out, &stats)?;
        } else {
            if live {
                // Home, clear to the end.
                write!(out, "\x1b[H\x1b[2J")?;
            }
            print(&mut out, &stats, before.as_ref())?;
        }
        out.flush()?;
        before = Some(stats);
        next += interval;
        if !clock.wait_until(next) {
            return Ok(0);
        }
    }
}

/// Tables, each with a line of space before it. Those that would be empty are left out.
fn print(out: &mut impl Write, stats: &Stats, before: Option<&Stats>) -> io::Result<()> {
    writeln!(
        out,
        "{}  generation {}, applied {}",
        stats.health.state.word(),
        stats.generation,
        ago(stats.applied_at)
    )?;
    for why in &stats.health.why {
        writeln!(out, "  {why}")?;
    }
    let tables = [
        interfaces(stats, before),
        reasons(stats),
        sets(stats),
        rules(stats),
        blocks(stats),
        protocols(stats),
        maps(stats),
    ];
    for table in tables.iter().filter(|table| !table.is_empty()) {
        writeln!(out)?;
        table.write(out)?;
    }
    Ok(())
}

fn interfaces(stats: &Stats, before: Option<&Stats>) -> Table {
    let mut head = vec!["interface", "mode", "stages", "packets", "bytes", "dropped"];
    if before.is_some() {
        head.extend(["packets/s", "bits/s", "dropped/s"]);
    }
    let mut table = Table::new(&head);
    for interface in &stats.interfaces {
        let mut cells = vec![
            interface.interface.clone(),
            interface.mode.clone().unwrap_or_else(|| "not attached".into()),
            interface.stages.join(","),
            interface.packets.to_string(),
            interface.bytes.to_string(),
            interface.drops.to_string(),
        ];
        if let Some(before) = before {
            cells.extend(rates(interface, before, stats.time - before.time));
        }
        table.row(cells);
    }
    table
}

fn rates(interface: &InterfaceStats, before: &Stats, seconds: f64) -> [String; 3] {
    let former = before.interfaces.iter().find(|former| former.interface == interface.interface);
    let rate = |of: fn(&InterfaceStats) -> u64| {
        let before = former.map_or(0, of);
        of(interface).saturating_sub(before) as f64 / seconds.max(f64::MIN_POSITIVE)
    };
    [
        scaled(rate(|interface| interface.packets)),
        scaled(rate(|interface| interface.bytes) * 8.0),
        scaled(rate(|interface| interface.drops)),
    ]
}

fn reasons(stats: &Stats) -> Table {
    let mut table = Table::new(&["interface", "reason", "packets", "bytes"]);
    for interface in &stats.interfaces {
        for reason in interface.reasons.iter().filter(|reason| reason.packets != 0) {
            let name = interface.interface.clone();
            table.row(vec![
                name,
                reason.reason.clone(),
                reason.packets.to_string(),
                reason.bytes.to_string(),
            ]);
        }
    }
    table
}

fn sets(stats: &Stats) -> Table {
    let mut table = Table::new(&["set", "prefixes", "packets", "bytes", "where"]);
    for set in &stats.sets {
        table.row(vec![
            format!("{} {}", set.action, set.set),
            set.elements.to_string(),
            set.packets.to_string(),
            set.bytes.to_string(),
            format!("{}:{}", set.file.display(), set.line),
        ]);
    }
    table
}

fn rules(stats: &Stats) -> Table {
    let mut table = Table::new(&["rule", "packets", "bytes", "where"]);
    for rule in &stats.rules {
        table.row(vec![
            format!("{} {}", rule.action, rule.rule),
            rule.packets.to_string(),
            rule.bytes.to_string(),
            format!("{}:{}", rule.file.display(), rule.line),
        ]);
    }
    table
}

fn blocks(stats: &Stats) -> Table {
    let mut table = Table::new(&["block", "packets", "bytes", "since", "why"]);
    for block in &stats.blocks {
        table.row(vec![
            block.prefix.clone(),
            block.packets.to_string(),
            block.bytes.to_string(),
            ago(block.since),
            block.why.clone().unwrap_or_default(),
        ]);
    }
    table
}

fn protocols(stats: &Stats) -> Table {
    let mut table = Table::new(&["counted by", "what", "packets", "bytes"]);
    for series in &stats.protocols {
        let words = series.labels.iter().filter_map(|(name, value)| match value {
            serde_json::Value::Null => None,
            serde_json::Value::String(text) => Some(text.clone()),
            number if name == "ip_version" => Some(format!("v{number}")),
            number => Some(number.to_string()),
        });
        let what = words.collect::<Vec<_>>().join(" ");
        let by = series.by.replace('_', " ");
        table.row(vec![by, what, series.packets.to_string(), series.bytes.to_string()]);
    }
    table
}

fn maps(stats: &Stats) -> Table {
    let mut table = Table::new(&["map", "entries", "of"]);
    for map in &stats.maps {
        table.row(vec![map.map.clone(), map.entries.to_string(), map.max_entries.to_string()]);
    }
    table
}
