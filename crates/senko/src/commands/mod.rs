//! One file per verb.

pub mod apply;
pub mod bench;
pub mod block;
pub mod check;
pub mod completions;
pub mod count;
pub mod doctor;
pub mod dump;
pub mod events;
pub mod explain;
pub mod features;
pub mod firewall;
pub mod load;
pub mod man;
pub mod plan;
pub mod redirect;
pub mod rollback;
pub mod run;
pub mod set;
pub mod stats;
pub mod status;
pub mod stop;
pub mod top;
pub mod unload;

use crate::{
    args::{Cli, Command, Global},
    failure::Failure,
};

/// Runs the command; the result is the exit code.
pub fn run(cli: Cli) -> Result<u8, Failure> {
    let Cli { global, command } = cli;
    enter_netns(&global)?;
    match command {
        Command::Apply(args) => apply::run(&args, &global),
        Command::Check(args) => check::run(&args, &global),
        Command::Plan(args) => plan::run(&args, &global),
        Command::Rollback => rollback::run(&global),
        Command::Confirm => rollback::confirm(),
        Command::Run(args) => run::run(&args),
        Command::Stop(args) => stop::run(&args, &global),
        Command::Block(args) => block::block(args, &global),
        Command::Unblock(args) => block::unblock(args, &global),
        Command::Blocks => block::blocks(&global),
        Command::Set(args) => set::run(args, &global),
        Command::Count(args) => count::run(args, &global),
        Command::Load(args) => load::run(args, &global),
        Command::Unload(args) => unload::run(&args, &global),
        Command::Top(args) => top::run(&args, &global),
        Command::Stats(args) => stats::run(&args, &global),
        Command::Status(args) => status::run(&args, &global),
        Command::Events(args) => events::run(&args, &global),
        Command::Explain(args) => explain::run(&args, &global),
        Command::Features(args) => features::run(&args, &global),
        Command::Dump(args) => dump::run(args, &global),
        Command::Firewall(args) => firewall::run(args, &global),
        Command::Redirect(args) => redirect::run(&args, &global),
        Command::Lab(args) => Ok(lab::cli::run(args, global.json)?),
        Command::Doctor(args) => doctor::run(&args, &global),
        Command::Bench(args) => bench::run(&args, &global),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    }
}

fn enter_netns(global: &Global) -> Result<(), Failure> {
    match &global.netns {
        Some(name) => Ok(engine::netns::enter(name)?),
        None => Ok(()),
    }
}
