//! What the gateway's commands share: where the configuration is, whom they ask, and how answers are told.

mod hand;
pub mod tell;

use std::{io::Write as _, path::PathBuf};

use agent::place::Place;
use clap::Args;
use serde::Serialize;

pub use self::hand::Hand;
use crate::failure::Failure;

/// Which configuration.
#[derive(Debug, Clone, Args)]
pub struct ConfigArgs {
    /// The configuration; `conf.d/*.toml` beside it is read too
    #[arg(short, long, value_name = "FILE", env = "SENKO_CONFIG", default_value = agent::config::DEFAULT)]
    pub config: PathBuf,
}

impl ConfigArgs {
    /// The path as the daemon, which may stand in another directory, can read it.
    pub fn path(&self) -> PathBuf {
        std::path::absolute(&self.config).unwrap_or_else(|_| self.config.clone())
    }
}

/// The gateway's directories, where there must be a gateway.
pub fn live_place() -> Result<Place, Failure> {
    let place = Place::here()?;
    match agent::gateway::look(&place)? {
        Some(_) => Ok(place),
        None => Err(agent::error::Error::NoGateway.into()),
    }
}

/// One JSON document.
pub fn print_document(document: &impl Serialize) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, document).map_err(std::io::Error::from)?;
    writeln!(out)?;
    Ok(out.flush()?)
}

impl From<agent::error::Error> for Failure {
    fn from(error: agent::error::Error) -> Self {
        Self::Explained(error.diagnose())
    }
}
