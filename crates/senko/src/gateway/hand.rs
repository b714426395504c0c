//! Who does what a command wants: the daemon, where one runs, else the command itself.

use std::time::Duration;

use agent::{
    api::Client,
    gateway::Gateway,
    place::Place,
    request::{self, Reply, Request},
};

use super::tell;
use crate::{failure::Failure, render::say};

/// How long a command waits for another that is changing the gateway.
const PATIENCE: Duration = Duration::from_secs(10);

pub enum Hand {
    Daemon(Client),
    Own(Box<Gateway>),
}

impl Hand {
    /// For a change that may be the first.
    pub fn take() -> Result<Self, Failure> {
        let place = Place::here()?;
        if let Some(client) = Client::connect(&place.socket())? {
            return Ok(Self::Daemon(client));
        }
        if engine::mount::ensure_bpffs()? {
            say(format_args!("mounted a bpffs at {}: there was none", engine::mount::BPFFS));
        }
        let mut gateway = Gateway::open(place, PATIENCE)?;
        if let Some(result) = request::roll_back_overdue(&mut gateway) {
            let _ = result.map_err(tell::refusal)?;
            say("a generation that nobody had confirmed in time was rolled back first");
        }
        // Blocks end by the daemon's clock; without one, by the next command's.
        gateway.expire()?;
        Ok(Self::Own(Box::new(gateway)))
    }

    /// For a change of what is live.
    pub fn take_live() -> Result<Self, Failure> {
        let place = Place::here()?;
        if Client::connect(&place.socket())?.is_none() {
            super::live_place()?;
        }
        Self::take()
    }

    pub fn is_daemon(&self) -> bool {
        matches!(self, Self::Daemon(_))
    }

    pub fn ask(&mut self, request: &Request) -> Result<Reply, Failure> {
        let result = match self {
            Self::Daemon(client) => client.perform(request)?,
            Self::Own(gateway) => request::perform(gateway, request),
        };
        result.map_err(tell::refusal)
    }
}
