//! What the gateway's commands share: where the configuration is, who may change the gateway, and how problems, changes
//! and announcements are told.

pub mod tell;

use std::{path::PathBuf, time::Duration};

use agent::{gateway::Gateway, place::Place};
use clap::Args;

use crate::{failure::Failure, render::say};

/// How long a command waits for another that is changing the gateway.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Which configuration.
#[derive(Debug, Clone, Args)]
pub struct ConfigArgs {
    /// The configuration; `conf.d/*.toml` beside it is read too
    #[arg(short, long, value_name = "FILE", env = "SENKO_CONFIG", default_value = agent::config::DEFAULT)]
    pub config: PathBuf,
}

/// The gateway of this network namespace, to be changed.
pub fn open() -> Result<Gateway, Failure> {
    if engine::mount::ensure_bpffs()? {
        say(format_args!("mounted a bpffs at {}, where there was none", engine::mount::BPFFS));
    }
    Ok(Gateway::open(Place::here()?, PATIENCE)?)
}

/// As [`open`], where there must be one.
pub fn open_live() -> Result<Gateway, Failure> {
    let place = Place::here()?;
    if !place.is_used() {
        return Err(agent::error::Error::NoGateway.into());
    }
    Ok(Gateway::open(place, PATIENCE)?)
}

impl From<agent::error::Error> for Failure {
    fn from(error: agent::error::Error) -> Self {
        Self::Explained(error.diagnose())
    }
}
