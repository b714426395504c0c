//! `senko rollback` and `senko confirm`: back to the configuration before, or no way back.

use agent::request::{Reply, Request};

use crate::{
    args::Global,
    failure::Failure,
    gateway::{Hand, print_document, tell},
    render::say,
};

pub fn run(global: &Global) -> Result<u8, Failure> {
    let Reply::Applied(reply) = Hand::take_live()?.ask(&Request::Rollback)? else { return Ok(0) };
    if global.json {
        print_document(&reply)?;
    } else {
        tell::applied(&reply)?;
    }
    Ok(0)
}

/// Without the lock: whoever waits for it has it.
pub fn confirm() -> Result<u8, Failure> {
    let place = crate::gateway::live_place()?;
    let awaited = agent::confirm::Awaited::read(&place)
        .ok_or_else(|| Failure::failed("no generation waits to be confirmed", None))?;
    agent::confirm::Awaited::forget(&place)?;
    say(format_args!("generation {} is confirmed", awaited.generation));
    Ok(0)
}
