//! Arguments of `senko firewall`.

use std::path::PathBuf;

/// Which sources are dropped, and which are not.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct FirewallOptions {
    /// Drop packets from these prefixes or addresses
    #[arg(long, value_name = "CIDR", num_args = 1..)]
    pub drop: Vec<String>,
    /// Drop packets from the prefixes in this file: one a line, # comments
    #[arg(long, value_name = "FILE")]
    pub drop_file: Vec<PathBuf>,
    /// Let packets from these prefixes through: the longest prefix decides
    #[arg(long, value_name = "CIDR", num_args = 1..)]
    pub allow: Vec<String>,
    /// Let packets from the prefixes in this file through
    #[arg(long, value_name = "FILE")]
    pub allow_file: Vec<PathBuf>,
    /// Count hits for each prefix even in lists of more than 65536
    #[arg(long)]
    pub count_each: bool,
}
