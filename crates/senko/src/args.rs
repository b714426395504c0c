//! What is typed.

use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands;

/// The express data path of Linux, made usable.
#[derive(Debug, Parser)]
#[command(name = "senko", version, infer_subcommands = true, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Flags that every command takes.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Work in this network namespace (a name that `ip netns` lists)
    #[arg(short = 'N', long, global = true, value_name = "NAME")]
    pub netns: Option<String>,
    /// Print JSON: one object per line for streams, one document otherwise
    #[arg(short, long, global = true)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say whether this system and its interfaces can run XDP, and what fixes it
    Doctor(commands::doctor::DoctorArgs),
    /// Make throw-away hosts in network namespaces to try things on
    Lab(lab::cli::Args),
    /// Count packets and bytes per protocol, live
    Count(commands::count::CountArgs),
    /// Capture packets as XDP saw them: text, hex, JSON or pcapng
    Dump(commands::dump::DumpArgs),
    /// Drop packets by the prefix of their source, hits per prefix
    Firewall(commands::firewall::FirewallArgs),
    /// Answer pings, or join two ports into a cable, without the kernel's stack
    Redirect(commands::redirect::RedirectArgs),
    /// Say everything that is wrong with a configuration, and what it takes; nothing is changed
    Check(commands::check::CheckArgs),
    /// Show what `apply` would change; exit code 7 when something would
    Plan(commands::plan::PlanArgs),
    /// Make the configuration live, in one step
    Apply(commands::apply::ApplyArgs),
    /// Go back to the configuration before
    #[command(after_help = "Example:\n  senko rollback")]
    Rollback,
    /// Keep what `apply --confirm` made live
    #[command(after_help = "Example:\n  senko confirm")]
    Confirm,
    /// Run the gateway's daemon: reload, watched files, interfaces that come and go, metrics, the API
    Run(commands::run::RunArgs),
    /// End the daemon; the data path stays unless it is told to go
    Stop(commands::stop::StopArgs),
    /// Drop what comes from a prefix at once, whatever the rules say
    Block(commands::block::BlockArgs),
    /// End blocks
    Unblock(commands::block::UnblockArgs),
    /// List what is blocked, how long and why
    #[command(after_help = "Example:\n  senko blocks --json")]
    Blocks,
    /// Change or list the elements of a set
    Set(commands::set::SetArgs),
    /// Show what the gateway has counted: packets, drops by reason, rules, sets, blocks
    Stats(commands::stats::StatsArgs),
    /// Print sampled drops, with their reason
    Events(commands::events::EventsArgs),
    /// Watch the gateway at work: rates, drops by reason, the busiest rules
    Top(commands::top::TopArgs),
    /// Run a packet through the live gateway without changing anything, and print each decision
    Explain(commands::explain::ExplainArgs),
    /// Load an XDP object and attach it to an interface
    Load(commands::load::LoadArgs),
    /// Remove an XDP program from an interface
    Unload(commands::unload::UnloadArgs),
    /// Show the XDP programs on interfaces, and who put them there
    Status(commands::status::StatusArgs),
    /// Show what an interface's driver can do for XDP
    Features(commands::features::FeaturesArgs),
    /// Measure ns per packet against the bare floor, of senko or of any object
    Bench(commands::bench::BenchArgs),
    /// Print a shell's completion script
    Completions(commands::completions::CompletionsArgs),
    /// Write the manual pages
    #[command(hide = true)]
    Man(commands::man::ManArgs),
}

/// Flags of the tools that run in the foreground.
#[derive(Debug, Clone, Args)]
pub struct ToolArgs {
    /// How to attach; `auto` is native, else generic, and says so
    #[arg(short, long, value_enum, default_value_t = ModeArg::Auto)]
    pub mode: ModeArg,
    /// Stop after this long (10s, 500ms, 2m); without it, run until Ctrl-C
    #[arg(short, long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ModeArg {
    #[value(alias = "unspecified")]
    Auto,
    #[value(alias = "drv")]
    Native,
    #[value(alias = "skb")]
    Generic,
    #[value(alias = "hw")]
    Offload,
}

impl From<ModeArg> for engine::Mode {
    fn from(mode: ModeArg) -> Self {
        match mode {
            ModeArg::Auto => Self::Auto,
            ModeArg::Native => Self::Native,
            ModeArg::Generic => Self::Generic,
            ModeArg::Offload => Self::Offload,
        }
    }
}

/// A time with its unit; a bare number is seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse().map_err(|_| format!("`{text}` is not a time; try 10s, 500ms or 2m"))?;
    let seconds = match unit {
        "ms" => number / 1000.0,
        "" | "s" => number,
        "m" => number * 60.0,
        "h" => number * 3600.0,
        _ => return Err(format!("`{unit}` is not a unit of time; use ms, s, m or h")),
    };
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|time| !time.is_zero())
        .ok_or_else(|| format!("`{text}` is not a time to run for"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2"), Ok(Duration::from_secs(2)));
        assert_eq!(duration("1.5m"), Ok(Duration::from_secs(90)));
        for wrong in ["", "s", "-1s", "1w", "0s", "1e99h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
