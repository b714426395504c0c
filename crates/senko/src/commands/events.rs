//! `senko events`: sampled drops, with their reason.

use std::{
    io::{self, Write as _},
    time::{Duration, Instant},
};

use agent::{events::Reader, place::Place};
use clap::Args;
use events::rows::Row;

use crate::{
    args::Global,
    failure::Failure,
    foreground::{Clock, wall_clock_offset},
    render::{json_line, say},
};

/// How often it is looked for events: the data path wakes nobody, which would cost more than the drop.
const TICK: Duration = Duration::from_millis(10);
/// How often it is looked whether another generation is live.
const GLANCE: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
#[command(
    after_help = "Of each interface and CPU at most one drop in 10 ms is told, and of how many it is one.\nWithout -f it prints what was kept since somebody looked last: the first 3000 or so.\n\nExamples:\n  senko events -f\n  senko events -f -c 10 --json\n  senko events --duration 1m"
)]
pub struct EventsArgs {
    /// Follow: print what comes from now on, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// Stop after N events
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Follow for this long (10s, 500ms, 2m)
    #[arg(short, long, value_name = "TIME", value_parser = crate::args::duration)]
    duration: Option<Duration>,
}

pub fn run(args: &EventsArgs, global: &Global) -> Result<u8, Failure> {
    let mut reader = Reader::open(&Place::here()?)?;
    let clock = Clock::new(args.duration)?;
    let follow = args.follow || args.duration.is_some();
    if follow {
        // Of the past.
        reader.drain(|_, _| {});
        say("reading; Ctrl-C ends it");
    }
    let mut printer =
        Printer { out: io::stdout().lock(), json: global.json, left: args.count, wall: wall_clock_offset() };
    let mut glance = Instant::now() + GLANCE;
    let mut is_first = true;
    loop {
        let mut result = Ok(());
        let mut events = 0;
        reader.drain(|event, interface| {
            events += 1;
            if result.is_ok() {
                result = printer.print(event, interface);
            }
        });
        result?;
        printer.out.flush()?;
        if !follow && is_first && events == 0 {
            say("no drop was sampled since somebody looked last; -f waits for the next");
        }
        is_first = false;
        if !follow || printer.left == Some(0) || !clock.wait_until(Instant::now() + TICK) {
            return Ok(0);
        }
        if Instant::now() >= glance {
            glance += GLANCE;
            reader.follow()?;
        }
    }
}

struct Printer {
    out: io::StdoutLock<'static>,
    json: bool,
    left: Option<u64>,
    wall: i128,
}

impl Printer {
    fn print(&mut self, event: &abi::Event, interface: &str) -> io::Result<()> {
        match &mut self.left {
            Some(0) => return Ok(()),
            Some(left) => *left -= 1,
            None => {}
        }
        let time = (i128::from(event.time) + self.wall) as f64 / 1e9;
        let row = Row::new(event, time, interface);
        if self.json { json_line(&mut self.out, &row) } else { writeln!(self.out, "{}", row.line()) }
    }
}
