//! Arguments of `senko dump`. The letters are tcpdump's.

use std::{net::IpAddr, path::PathBuf};

use crate::shared::MAX_SNAPLEN;

/// What to capture and how to show it.
#[derive(Debug, Clone, clap::Args)]
pub struct CaptureOptions {
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Stop after this many packets
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Bytes to keep of each packet; 0 keeps all
    #[arg(short, long, value_name = "BYTES", default_value_t = 0,
          value_parser = clap::value_parser!(u32).range(0..=i64::from(MAX_SNAPLEN)))]
    pub snaplen: u32,
    /// Write pcapng to a file instead of printing; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    pub write: Option<PathBuf>,
    /// Also print the packet's bytes in hex
    #[arg(short = 'x', long)]
    pub hex: bool,
    /// Also print the Ethernet header
    #[arg(short = 'e', long)]
    pub link: bool,
    /// Accepted and without effect: addresses are always numbers
    #[arg(short = 'n', long, hide = true)]
    pub numeric: bool,
}

impl CaptureOptions {
    pub fn snaplen(&self) -> u32 {
        if self.snaplen == 0 { MAX_SNAPLEN } else { self.snaplen }
    }
}

const FILTER: &str = "Filter (a packet must match every part)";

/// A packet must match every part that is given.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct FilterArgs {
    /// New TCP connections: SYN without ACK
    #[arg(help_heading = FILTER, long)]
    pub syn: bool,
    /// Protocol: tcp, udp, icmp (both families), icmpv6, sctp, arp, … or an IP protocol number
    #[arg(help_heading = FILTER, long, value_name = "P")]
    pub proto: Option<String>,
    /// Source or destination port
    #[arg(help_heading = FILTER, long, value_name = "N")]
    pub port: Option<u16>,
    /// Source or destination address
    #[arg(help_heading = FILTER, long, value_name = "A")]
    pub host: Option<IpAddr>,
    /// IPv4 only
    #[arg(help_heading = FILTER, short = '4', long, conflicts_with = "ipv6")]
    pub ipv4: bool,
    /// IPv6 only
    #[arg(help_heading = FILTER, short = '6', long)]
    pub ipv6: bool,
}
