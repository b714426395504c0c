//! Arguments of `senko redirect`.

/// One of the two forms.
#[derive(Debug, Clone, clap::Args)]
#[group(required = true, multiple = false)]
pub struct RedirectOptions {
    /// Answer echo requests for this host's addresses; the way back is the kernel's route
    #[arg(long, value_name = "PROTOCOL")]
    pub reflect: Option<Reflect>,
    /// Join the interface with this one: every frame in one leaves the other, both ways
    #[arg(long, value_name = "IFACE")]
    pub to: Option<String>,
}

/// What can be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Reflect {
    /// ICMP and ICMPv6 echo requests
    Icmp,
}
