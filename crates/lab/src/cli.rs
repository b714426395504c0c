//! `senko lab`: arguments, and one file per verb.

mod down;
mod exec;
mod list;
mod offer;
mod rows;
mod up;

use clap::Subcommand;

use crate::error::LabError;
use crate::topology::Topology;

/// The name of a lab when none is given.
pub const DEFAULT_NAME: &str = "lab";

/// Throw-away hosts in network namespaces, to try XDP without touching the network of this machine.
#[derive(Debug, Clone, clap::Args)]
#[command(
    after_help = "Examples:\n  senko lab up\n  senko lab exec h1 -- ping -c 3 10.77.0.2\n  senko lab down"
)]
pub struct Args {
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Debug, Clone, Subcommand)]
pub enum Verb {
    /// Make a lab; it stays until `down`
    Up(UpArgs),
    /// Remove a lab and everything in it
    Down(DownArgs),
    /// Show the labs there are, and leftovers
    #[command(after_help = "Example:\n  senko lab list --json")]
    List,
    /// Run a command inside a host, with its exit code
    Exec(ExecArgs),
}

#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:\n  senko lab up\n  senko lab up tour --topology router")]
pub struct UpArgs {
    /// Name of the lab
    #[arg(default_value = DEFAULT_NAME)]
    pub name: String,
    /// How many hosts h1..hN (`r`, where there is one, is not counted)
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub hosts: usize,
    /// How they are joined [default: pair for two hosts, router for more]
    #[arg(long, value_enum)]
    pub topology: Option<Topology>,
}

#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:\n  senko lab down tour\n  senko lab down --leftovers")]
pub struct DownArgs {
    /// Name of the lab [default: lab]
    #[arg(conflicts_with_all = ["all", "leftovers"])]
    pub name: Option<String>,
    /// Every lab, and leftovers
    #[arg(long, conflicts_with = "leftovers")]
    pub all: bool,
    /// Only what crashed processes left behind
    #[arg(long)]
    pub leftovers: bool,
    /// Kill programs that still run inside, and take the lab from a process that uses it
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:\n  senko lab exec h1 -- ip address\n  senko lab exec tour/h1 -- bash")]
pub struct ExecArgs {
    /// `h1`, `r`, …; `NAME/h1` when there are several labs
    pub host: String,
    /// Program and arguments, after `--`
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<std::ffi::OsString>,
}

/// Runs `senko lab`. `exec` does not come back when it succeeds: the program takes over the process.
///
/// # Errors
/// See [`LabError`]; its `exit_code` is the one of the command.
pub fn run(args: Args, json: bool) -> Result<u8, LabError> {
    if !nix::unistd::geteuid().is_root() {
        return Err(LabError::NeedsRoot { verb: format!("lab {}", args.verb.name()) });
    }
    if !matches!(&args.verb, Verb::Down(down) if down.leftovers || down.all) {
        offer::leftovers()?;
    }
    match args.verb {
        Verb::Up(up) => up::run(&up, json),
        Verb::Down(down) => down::run(&down, json),
        Verb::List => list::run(json),
        Verb::Exec(exec) => exec::run(&exec),
    }?;
    Ok(0)
}

impl Verb {
    fn name(&self) -> &'static str {
        match self {
            Self::Up(_) => "up",
            Self::Down(_) => "down",
            Self::List => "list",
            Self::Exec(_) => "exec",
        }
    }
}
