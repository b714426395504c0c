//! `senko completions`: scripts that ask the binary, so that interfaces, namespaces and sets complete as they are now.

mod sets;

use std::fs;

use clap::{Arg, Args, Command, CommandFactory as _};
use clap_complete::{
    CompleteEnv,
    engine::{ArgValueCandidates, CompletionCandidate},
    env::Shells,
};

use crate::{args::Cli, failure::Failure};

#[derive(Debug, Args)]
#[command(after_help = "Example (bash, in ~/.bashrc):\n  source <(senko completions bash)")]
pub struct CompletionsArgs {
    /// bash, zsh, fish, elvish or powershell
    shell: String,
}

/// Answers when a completion script calls us, and then does not return.
pub fn answer() {
    CompleteEnv::with_factory(command).complete();
}

pub fn run(args: &CompletionsArgs) -> Result<u8, Failure> {
    let shells = Shells::builtins();
    let Some(shell) = shells.completer(&args.shell) else {
        let known: Vec<&str> = shells.names().collect();
        return Err(Failure::usage(format!("no completions for `{}`", args.shell), Some(&known.join(", "))));
    };
    shell.write_registration("COMPLETE", "senko", "senko", "senko", &mut std::io::stdout())?;
    Ok(0)
}

/// The command line with candidates for what only this machine knows.
fn command() -> Command {
    candidates_below(Cli::command())
}

fn candidates_below(command: Command) -> Command {
    command.mut_args(with_candidates).mut_subcommands(candidates_below)
}

fn with_candidates(arg: Arg) -> Arg {
    if arg.get_id() == "netns" {
        return arg.add(ArgValueCandidates::new(namespaces));
    }
    match arg.get_value_names() {
        Some([name]) if name == "IFACE" => arg.add(ArgValueCandidates::new(interfaces)),
        Some([name]) if name == "SET" => arg.add(ArgValueCandidates::new(sets)),
        _ => arg,
    }
}

fn interfaces() -> Vec<CompletionCandidate> {
    let links = engine::netlink::links().unwrap_or_default();
    links.into_iter().map(|link| CompletionCandidate::new(link.name)).collect()
}

fn sets() -> Vec<CompletionCandidate> {
    sets::set_names().into_iter().map(CompletionCandidate::new).collect()
}

fn namespaces() -> Vec<CompletionCandidate> {
    let Ok(entries) = fs::read_dir("/run/netns") else { return Vec::new() };
    entries.flatten().map(|entry| CompletionCandidate::new(entry.file_name())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_interface_argument_has_candidates() {
        let mut command = command();
        command.build();
        for name in
            ["count", "dump", "firewall", "redirect", "doctor", "load", "unload", "status", "features"]
        {
            let sub = command.find_subcommand(name).unwrap_or_else(|| panic!("no command {name}"));
            let found = sub.get_arguments().any(|arg| arg.get::<ArgValueCandidates>().is_some());
            assert!(found, "{name} completes no interface");
        }
    }

    #[test]
    fn a_set_argument_has_candidates_however_deep() {
        let add = Command::new("add").arg(Arg::new("set").value_name("SET"));
        let command = candidates_below(Command::new("senko").subcommand(Command::new("set").subcommand(add)));
        let add = command.find_subcommand("set").and_then(|set| set.find_subcommand("add"));
        let argument = add.and_then(|add| add.get_arguments().next()).expect("it was given one");
        assert!(argument.get::<ArgValueCandidates>().is_some());
    }

    #[test]
    fn loopback_is_a_candidate() {
        assert!(interfaces().iter().any(|candidate| candidate.get_value() == "lo"));
    }
}
