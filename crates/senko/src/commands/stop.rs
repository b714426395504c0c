//! `senko stop`: ends the daemon; the data path stays unless it is told to go.

use agent::{
    api::{Client, Stop},
    error::Error,
    place::Place,
    request::{Reply, Request},
};
use clap::Args;

use crate::{
    args::Global,
    failure::Failure,
    gateway::{Hand, print_document, tell},
    render::say,
};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  senko stop              # packets are judged as before\n  senko stop --detach"
)]
pub struct StopArgs {
    /// Also take the gateway off its interfaces, with all it counted
    #[arg(long)]
    detach: bool,
}

pub fn run(args: &StopArgs, global: &Global) -> Result<u8, Failure> {
    let place = Place::here()?;
    let reply = match Client::connect(&place.socket())? {
        Some(mut client) => {
            let stop = Stop { detach: args.detach };
            let reply = client.post("/v1/stop", &stop)?.map_err(tell::refusal)?;
            say("the daemon has ended");
            reply
        }
        None if args.detach => {
            // A stop that was killed has forgotten what was live, and left the rest.
            if !place.pins.exists() {
                return Err(Error::NoGateway.into());
            }
            let mut hand = Hand::take()?;
            let reply = hand.ask(&Request::Detach)?;
            if let Hand::Own(gateway) = hand {
                gateway.leave();
            }
            reply
        }
        None => {
            return Err(Failure::failed(
                "no daemon runs in this network namespace",
                Some("`senko stop --detach` takes the gateway off its interfaces"),
            ));
        }
    };
    let Reply::Detached { interfaces } = &reply else { return Ok(0) };
    if global.json {
        print_document(&reply)?;
    } else {
        tell::interfaces(interfaces);
        if !args.detach {
            say("the data path stays: `senko status` shows it, `senko stop --detach` removes it");
        }
    }
    Ok(0)
}
