//! How the hosts of a lab are joined.

use serde::{Deserialize, Serialize};

use crate::error::LabError;

/// The shape of a lab. `README.md` of this crate has a picture of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Topology {
    /// Two hosts on one cable, h1 and h2.
    Pair,
    /// Hosts h1..hn, each on a cable and subnet of its own to `r`, which forwards.
    Router,
    /// Hosts h1..hn in one subnet, on the ports of a bridge in `r`.
    Bridge,
}

/// The last host number that fits the address plan: .254 of the bridge's /24 is the bridge itself.
const MOST_HOSTS: usize = 200;

impl Topology {
    pub fn name(self) -> &'static str {
        match self {
            Self::Pair => "pair",
            Self::Router => "router",
            Self::Bridge => "bridge",
        }
    }

    pub(crate) fn check_hosts(self, asked: usize) -> Result<(), LabError> {
        match self {
            Self::Pair if asked != 2 => Err(LabError::HostCount {
                topology: "topology pair",
                allowed: "exactly 2",
                asked,
                remedy: "take `--topology router` or `--topology bridge` for more",
            }),
            Self::Router | Self::Bridge if !(1..=MOST_HOSTS).contains(&asked) => Err(LabError::HostCount {
                topology: "a lab",
                allowed: "1 to 200",
                asked,
                remedy: "take a number in that range for `--hosts`",
            }),
            _ => Ok(()),
        }
    }
}
