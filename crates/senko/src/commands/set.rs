//! `senko set`: elements of the configuration's sets, changed live.

use std::io::Write as _;

use agent::{
    gateway::look_at_set,
    request::{Reply, Request, SetEdit},
};
use clap::{Args, Subcommand};

use crate::{
    args::Global,
    failure::Failure,
    gateway::{Hand, live_place, print_document, tell},
    render::say,
};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  senko set add office 192.0.2.9 2001:db8:1::/48\n  senko set remove office 192.0.2.9\n  \
                        senko set list office --json\n\nA change lives beside the configuration: it survives reload and \
                        restart, and ends with the machine. What is to stay belongs into the file."
)]
pub struct SetArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Add prefixes or addresses
    #[command(after_help = "Example:\n  senko set add office 192.0.2.9 2001:db8:1::/48")]
    Add(Prefixes),
    /// Take prefixes or addresses out
    #[command(after_help = "Example:\n  senko set remove office 192.0.2.9")]
    Remove(Prefixes),
    /// Print the elements, one a line
    #[command(after_help = "Example:\n  senko set list office | wc -l")]
    List(Name),
}

#[derive(Debug, Args)]
struct Prefixes {
    /// The set's name, as in [sets]
    #[arg(value_name = "SET")]
    name: String,
    #[arg(required = true, value_name = "CIDR")]
    prefixes: Vec<String>,
}

#[derive(Debug, Args)]
struct Name {
    /// The set's name, as in [sets]
    #[arg(value_name = "SET")]
    name: String,
}

pub fn run(args: SetArgs, global: &Global) -> Result<u8, Failure> {
    let (name, edit, done) = match args.verb {
        Verb::List(Name { name }) => return list(&name, global),
        Verb::Add(Prefixes { name, prefixes }) => {
            (name, SetEdit { add: prefixes, ..SetEdit::default() }, "added to")
        }
        Verb::Remove(Prefixes { name, prefixes }) => {
            (name, SetEdit { remove: prefixes, ..SetEdit::default() }, "removed from")
        }
    };
    let reply = Hand::take_live()?.ask(&Request::EditSet(name.clone(), edit))?;
    if global.json {
        print_document(&reply)?;
    } else if let Reply::Edited(change) = reply {
        say(format_args!("{} {done} @{name}", change.changed));
        tell::grown(&change);
    }
    Ok(0)
}

fn list(name: &str, global: &Global) -> Result<u8, Failure> {
    let set = look_at_set(&live_place()?, name)?;
    if global.json {
        print_document(&set.iter().map(|prefix| prefix.to_string()).collect::<Vec<_>>())?;
        return Ok(0);
    }
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for prefix in set.iter() {
        writeln!(out, "{prefix}")?;
    }
    out.flush()?;
    Ok(0)
}
