//! Arguments of `senko count`.

/// What to count.
#[derive(Debug, Clone, clap::Args)]
pub struct CountOptions {
    /// Also count ICMP and ICMPv6 by type
    #[arg(long)]
    pub icmp_types: bool,
}
