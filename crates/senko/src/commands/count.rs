//! `senko count`: packets and bytes per protocol, live.

use std::{
    io::{IsTerminal as _, Write},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use abi::Stage;
use clap::Args;
use counter::{
    cli::CountOptions,
    rows::{self, Row, Snapshot, Subject},
    shared::{Count, slot},
};
use engine::{Pipeline, PipelineBuilder};

use crate::{
    args::{Global, ToolArgs},
    failure::Failure,
    foreground::{Clock, Running, distinct, keep_present},
    render::{Table, json_line, scaled},
};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  senko count eth0\n  senko count eth0 eth1 --interval 5s --json --duration 1m"
)]
pub struct CountArgs {
    /// Interfaces to count on
    #[arg(required = true, value_name = "IFACE")]
    interfaces: Vec<String>,
    /// How often to print
    #[arg(short, long, value_name = "TIME", default_value = "1s", value_parser = crate::args::duration)]
    interval: Duration,
    #[command(flatten)]
    options: CountOptions,
    #[command(flatten)]
    tool: ToolArgs,
}

pub fn run(args: CountArgs, global: &Global) -> Result<u8, Failure> {
    distinct(&args.interfaces)?;
    let clock = Clock::new(args.tool.duration)?;
    let builder = PipelineBuilder::new(&[Stage::Counter])
        .global("COUNTER_ICMP_TYPES", u8::from(args.options.icmp_types));
    let mut ports = Vec::new();
    for interface in &args.interfaces {
        let running = Running::start(&builder, interface, &args.tool)?;
        ports.push(Port { running, before: Snapshot::new(), since: Instant::now() });
    }

    let mut out = std::io::stdout().lock();
    let live = out.is_terminal() && !global.json;
    let mut next = Instant::now() + args.interval;
    loop {
        let go_on = clock.wait_while(next, || ports.iter().all(|port| port.running.is_alive()));
        next += args.interval;
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let mut all = Vec::new();
        for port in &mut ports {
            all.extend(port.rows(time)?);
        }
        if global.json {
            for (_, row) in &all {
                json_line(&mut out, row)?;
            }
        } else {
            print_table(&mut out, &all, live)?;
        }
        out.flush()?;
        keep_present(&mut ports, |port| &port.running)?;
        if !go_on {
            return Ok(0);
        }
    }
}

struct Port {
    running: Running,
    before: Snapshot,
    since: Instant,
}

impl Port {
    /// The rows since the last call.
    fn rows(&mut self, time: f64) -> Result<Vec<(Subject, Row)>, Failure> {
        let now = read(&self.running.pipeline)?;
        let seconds = self.since.elapsed().as_secs_f64();
        let rows = rows::rows(&self.running.attachment.interface, time, &now, &self.before, seconds);
        self.before = now;
        self.since = Instant::now();
        Ok(rows)
    }
}

fn read(pipeline: &Pipeline) -> Result<Snapshot, Failure> {
    let counts = pipeline.map("COUNTS")?;
    let mut slots = Vec::new();
    counts.for_each_per_cpu_in(slot::range(0), |slot, per_cpu: &[Count]| {
        slots.push((slot, per_cpu.to_vec()));
    })?;
    let map = pipeline.map("ETHERTYPE_COUNTS")?;
    let mut ethertypes = Vec::new();
    for key in map.keys::<u32>()? {
        ethertypes.push((key, map.get_per_cpu(&key)?));
    }
    Ok(rows::snapshot(0, slots.into_iter(), ethertypes.into_iter()))
}

/// In a terminal the table stays in place; in a pipe each interval prints one line a protocol.
fn print_table(out: &mut impl Write, rows: &[(Subject, Row)], live: bool) -> std::io::Result<()> {
    if live {
        // Home, clear to the end.
        write!(out, "\x1b[H\x1b[2J")?;
    }
    let mut table =
        Table::new(&["interface", "ip", "protocol", "detail", "packets", "bytes", "packets/s", "bits/s"]);
    for (subject, row) in rows {
        table.row(vec![
            row.interface.clone(),
            row.ip_version.map_or_else(|| "-".into(), |version| format!("v{version}")),
            row.protocol.clone(),
            subject.detail(),
            row.packets.to_string(),
            row.bytes.to_string(),
            scaled(row.packets_per_second),
            scaled(row.bytes_per_second * 8.0),
        ]);
    }
    if table.is_empty() { writeln!(out, "no packets yet") } else { table.write(out) }
}
