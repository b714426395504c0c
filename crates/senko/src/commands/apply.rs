//! `senko apply`: makes the configuration live, in one step.

use std::{
    io::{IsTerminal as _, Read as _},
    os::fd::AsFd as _,
    path::Path,
    time::Duration,
};

use agent::{
    config::{self, Disk, Outcome, render},
    confirm::Awaited,
    gateway::now,
    place::Place,
    request::{AppliedReply, Apply, Reply, Request},
    session::{self, Session},
};
use clap::Args;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use policy::Problems;

use crate::{
    args::Global,
    failure::Failure,
    gateway::{ConfigArgs, Hand, print_document, tell},
    render::say,
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  senko apply\n  senko apply -c gateway.toml --json\n  \
                        senko apply --confirm 30s    # rolls back unless it is confirmed: rules can lock one out")]
pub struct ApplyArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Roll back after this long, unless Enter is pressed here or `senko confirm` is run
    #[arg(long, value_name = "TIME", value_parser = crate::args::duration)]
    confirm: Option<Duration>,
}

pub fn run(args: &ApplyArgs, global: &Global) -> Result<u8, Failure> {
    let mut hand = Hand::take()?;
    // Before it is live: afterwards nobody may be there to read it.
    let warning = warning(&args.config.path())?;
    tell::write_text(&warning);
    let confirm_seconds = args.confirm.map(|time| time.as_secs_f64());
    let request = Request::Apply(Apply { config: Some(args.config.path()), confirm_seconds });
    let Reply::Applied(mut reply) = hand.ask(&request)? else { return Ok(0) };
    if global.json {
        reply.warnings.insert_str(0, &warning);
        print_document(&reply)?;
    } else {
        tell::applied(&reply)?;
    }
    match reply.confirm_until {
        Some(until) => wait_for_confirmation(hand, &reply, until),
        None => Ok(0),
    }
}

/// What is said of a configuration that would cut off the session this is run in. What else is wrong with it is said by
/// whoever applies it.
fn warning(config: &Path) -> Result<String, Failure> {
    if Session::find().is_none() {
        return Ok(String::new());
    }
    let Outcome { config, sources, .. } = config::read(&Disk, config, config::functions());
    let mut problems = Problems::default();
    if let Some(config) = config {
        let live = Place::here().and_then(|place| agent::gateway::look_at_edits(&place));
        session::warn(&config, &live.unwrap_or_default(), &mut problems)?;
    }
    Ok(render::text(&problems, &sources, false))
}

/// Until it is confirmed, here or elsewhere, or the time is over. The daemon needs no help with the clock; without one this
/// command is the clock, and goes on also when its terminal is gone.
fn wait_for_confirmation(mut hand: Hand, reply: &AppliedReply, until: f64) -> Result<u8, Failure> {
    let place = Place::here()?;
    if !hand.is_daemon() {
        ignore_hangup()?;
    }
    say(format_args!(
        "it is rolled back in {:.0} s: press Enter, or run `senko confirm`, to keep it",
        (until - now()).max(0.0)
    ));
    let mut listens = std::io::stdin().is_terminal();
    loop {
        if Awaited::read(&place).is_none_or(|awaited| awaited.generation != reply.generation) {
            let live = agent::gateway::look(&place)?.map(|record| record.generation);
            if live == Some(reply.generation) {
                say(format_args!("generation {} is confirmed", reply.generation));
                return Ok(0);
            }
            return Err(rolled_back(reply));
        }
        if now() >= until && !hand.is_daemon() {
            let request = if reply.generation == 1 { Request::Detach } else { Request::Rollback };
            hand.ask(&request)?;
            if let Hand::Own(gateway) = hand {
                gateway.leave();
            }
            return Err(rolled_back(reply));
        }
        if listens && pressed_enter(&mut listens) {
            hand.ask(&Request::Confirm)?;
        } else if !listens {
            std::thread::sleep(GLANCE);
        }
    }
}

const GLANCE: Duration = Duration::from_millis(100);

fn rolled_back(reply: &AppliedReply) -> Failure {
    let then = match reply.generation {
        1 => "the interfaces are without a program again",
        _ => "the generation before is live again",
    };
    Failure::failed(format!("nobody confirmed it in time: {then}"), None)
}

/// Waits a moment for a key. `listens` becomes false when the terminal is gone.
fn pressed_enter(listens: &mut bool) -> bool {
    let stdin = std::io::stdin();
    let mut fds = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
    let timeout = PollTimeout::try_from(GLANCE).unwrap_or(PollTimeout::ZERO);
    if poll(&mut fds, timeout) != Ok(1) {
        return false;
    }
    let mut key = [0];
    match stdin.lock().read(&mut key) {
        Ok(1) => true,
        _ => {
            *listens = false;
            false
        }
    }
}

fn ignore_hangup() -> Result<(), Failure> {
    use nix::sys::signal::{SigHandler, Signal, signal};
    // SAFETY: ignoring a signal runs no code of ours.
    unsafe { signal(Signal::SIGHUP, SigHandler::SigIgn) }
        .map(drop)
        .map_err(|errno| Failure::failed(format!("cannot ignore SIGHUP: {errno}"), None))
}
