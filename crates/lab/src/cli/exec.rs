//! `senko lab exec`

use std::os::unix::process::CommandExt;

use crate::cli::ExecArgs;
use crate::error::LabError;
use crate::handle::Lab;
use crate::host::Host;
use crate::state::{Condition, Store};

/// Becomes the command: Ctrl-C and every other signal reach it, and its exit code is ours.
pub fn run(args: &ExecArgs) -> Result<(), LabError> {
    let (lab, host) = match args.host.split_once('/') {
        Some((lab, host)) => (lab.to_owned(), host),
        None => (the_only_lab(&args.host)?, args.host.as_str()),
    };
    let lab = Lab::open(&lab)?;
    let host = lab.find_host(host).ok_or_else(|| LabError::NoSuchHost {
        lab: lab.name().into(),
        host: host.into(),
        hosts: lab.hosts().iter().map(|h| h.name().to_owned()).collect(),
    })?;
    Err(become_command(host, args))
}

fn the_only_lab(host: &str) -> Result<String, LabError> {
    let states = Store::lock()?.read_all()?.0;
    let there = states.into_iter().filter(|s| s.condition() != Condition::LeftOver);
    let mut names: Vec<_> = there.map(|s| s.name).collect();
    match names.len() {
        0 => Err(LabError::NoLab),
        1 => Ok(names.remove(0)),
        _ => Err(LabError::WhichLab { host: host.into(), names }),
    }
}

fn become_command(host: &Host, args: &ExecArgs) -> LabError {
    let [program, arguments @ ..] = args.command.as_slice() else {
        unreachable!("clap requires a command");
    };
    let source = host.command_to_exec(program).args(arguments).exec();
    LabError::Spawn { program: program.to_string_lossy().into(), host: host.name().into(), source }
}
