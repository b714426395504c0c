//! `senko block`, `unblock` and `blocks`: sources that are dropped at once, whatever the rules say.

use std::{io::Write as _, time::Duration};

use agent::{
    edits::BlockRow,
    gateway::{look_at_edits, now},
    request::{Block, Reply, Request},
};
use clap::Args;

use crate::{
    args::Global,
    failure::Failure,
    gateway::{Hand, live_place, print_document, tell},
    render::{Table, say},
};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  senko block 198.51.100.7 --for 10m --why \"port scan\"\n  senko block 2001:db8::/32"
)]
pub struct BlockArgs {
    /// A prefix or address
    #[arg(value_name = "CIDR")]
    prefix: String,
    /// How long (10m, 2h); without it, until `senko unblock`
    #[arg(long = "for", value_name = "TIME", value_parser = crate::args::duration)]
    time: Option<Duration>,
    /// A word to whoever reads `senko blocks`
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  senko unblock 198.51.100.7")]
pub struct UnblockArgs {
    /// Prefixes or addresses, as they were blocked
    #[arg(required = true, value_name = "CIDR")]
    prefixes: Vec<String>,
}

pub fn block(args: BlockArgs, global: &Global) -> Result<u8, Failure> {
    let mut hand = Hand::take_live()?;
    let seconds = args.time.map(|time| time.as_secs_f64());
    let reply = hand.ask(&Request::Block(Block { prefix: args.prefix.clone(), seconds, why: args.why }))?;
    let Reply::Edited(change) = &reply else { return Ok(0) };
    if global.json {
        print_document(&reply)?;
        return Ok(0);
    }
    let until = args.time.map_or(String::new(), |time| format!(" for {}", words(time.as_secs_f64())));
    match change.changed {
        0 => say(format_args!("{} was blocked already; it is now{until}", args.prefix)),
        _ => say(format_args!("{} is blocked{until}", args.prefix)),
    }
    tell::grown(change);
    if args.time.is_some() && !hand.is_daemon() {
        say(
            "no daemon runs: the block ends with the first gateway command after that; `senko run` ends it in time",
        );
    }
    Ok(0)
}

pub fn unblock(args: UnblockArgs, global: &Global) -> Result<u8, Failure> {
    let reply = Hand::take_live()?.ask(&Request::Unblock(args.prefixes))?;
    if global.json {
        print_document(&reply)?;
    } else if let Reply::Edited(change) = reply {
        say(format_args!("{} unblocked", change.changed));
        tell::grown(&change);
    }
    Ok(0)
}

pub fn blocks(global: &Global) -> Result<u8, Failure> {
    let rows = look_at_edits(&live_place()?)?.rows();
    if global.json {
        print_document(&rows)?;
        return Ok(0);
    }
    let mut out = std::io::stdout().lock();
    if rows.is_empty() {
        writeln!(out, "nothing is blocked")?;
        return Ok(0);
    }
    let mut table = Table::new(&["prefix", "since", "left", "why"]);
    let time = now();
    for BlockRow { prefix, since, until, why } in rows {
        table.row(vec![
            prefix,
            format!("{} ago", words(time - since)),
            until.map_or_else(|| "-".into(), |until| words(until - time)),
            why.unwrap_or_default(),
        ]);
    }
    table.write(&mut out)?;
    Ok(0)
}

/// A time in its largest unit that leaves more than one.
fn words(seconds: f64) -> String {
    match seconds.max(0.0) {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.0} h", s / 3600.0),
        s => format!("{:.0} d", s / 86_400.0),
    }
}
