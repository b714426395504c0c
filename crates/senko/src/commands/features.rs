//! `senko features`: what a driver says it can do.

use std::io::Write as _;

use clap::Args;
use engine::netlink::{XdpFeatures, xdp_features};
use serde::Serialize;

use crate::{
    args::Global,
    failure::Failure,
    render::{Table, json_line},
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  senko features eth0\n  senko features eth0 --json")]
pub struct FeaturesArgs {
    /// Which interface
    #[arg(value_name = "IFACE")]
    interface: String,
}

/// `NETDEV_XDP_ACT_*` of `include/uapi/linux/netdev.h` by name.
#[derive(Serialize)]
struct Features<'a> {
    interface: &'a str,
    basic: bool,
    redirect: bool,
    ndo_xmit: bool,
    xsk_zerocopy: bool,
    hw_offload: bool,
    rx_sg: bool,
    ndo_xmit_sg: bool,
    zero_copy_max_segments: Option<u32>,
}

pub fn run(args: &FeaturesArgs, global: &Global) -> Result<u8, Failure> {
    let ifindex = engine::ifindex(&args.interface)?;
    let Some(features) = xdp_features(ifindex) else {
        return Err(Failure::new(
            engine::exit::NOT_SUPPORTED,
            "this kernel does not tell the XDP features of drivers; Linux 6.3 and later do",
            Some(&format!("`senko doctor {} --probe` tries instead", args.interface)),
        ));
    };
    let mut out = std::io::stdout().lock();
    if global.json {
        json_line(&mut out, &document(&args.interface, &features))?;
    } else {
        table(&features).write(&mut out)?;
    }
    out.flush()?;
    Ok(0)
}

fn document<'a>(interface: &'a str, features: &XdpFeatures) -> Features<'a> {
    Features {
        interface,
        basic: features.basic(),
        redirect: features.redirect(),
        ndo_xmit: features.redirect_target(),
        xsk_zerocopy: features.zero_copy(),
        hw_offload: features.offload(),
        rx_sg: features.frags(),
        ndo_xmit_sg: features.target_frags(),
        zero_copy_max_segments: features.zero_copy_max_segments,
    }
}

fn table(features: &XdpFeatures) -> Table {
    let mut table = Table::new(&["feature", "here", "meaning"]);
    let rows = [
        ("basic", features.basic(), "native mode: drop, pass, tx, aborted"),
        ("redirect", features.redirect(), "programs may redirect frames elsewhere"),
        ("ndo_xmit", features.redirect_target(), "frames can be redirected to it"),
        ("xsk_zerocopy", features.zero_copy(), "AF_XDP sockets without copying"),
        ("hw_offload", features.offload(), "programs can run in the card"),
        ("rx_sg", features.frags(), "programs for frames of several buffers (xdp.frags)"),
        ("ndo_xmit_sg", features.target_frags(), "frames of several buffers can be redirected to it"),
    ];
    for (name, here, meaning) in rows {
        table.row(vec![name.into(), if here { "yes" } else { "no" }.into(), meaning.into()]);
    }
    table
}
