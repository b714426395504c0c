//! The lab as a process, for this crate's own tests: what must survive (or must not survive) its
//! owner can only be tested with an owner that can be killed. Users have `senko lab`.

use std::io::{self, BufRead};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use lab::{Lab, LabError, Topology};

#[derive(Parser)]
struct Cli {
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// `senko lab`
    Lab(lab::cli::Args),
    /// Builds a lab, prints `ready`, and holds it until standard input ends.
    Hold { name: String, topology: Topology },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.what {
        What::Lab(args) => lab::cli::run(args, cli.json),
        What::Hold { name, topology } => hold(name, topology),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn hold(name: String, topology: Topology) -> Result<u8, LabError> {
    let lab = Lab::builder(name).topology(topology).build()?;
    println!("ready");
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).map_err(LabError::Output)?;
    lab.remove().map(|()| 0)
}
