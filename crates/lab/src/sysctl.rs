//! Settings of the network stack under /proc/sys/net. That tree shows the namespace of the thread
//! that looks, so these are called inside `Netns::run`.

use std::fs;
use std::io;
use std::path::Path;

/// For a fresh namespace, before it has interfaces: new interfaces take `default`.
///
/// IPv4 settings are set even where they look like the kernel's default, since a new namespace
/// copies the host's (net.core.devconf_inherit_init_net = 0), which may be a router with filters.
pub fn prepare(forwards: bool) -> io::Result<()> {
    let forwards = if forwards { "1" } else { "0" };
    set("ipv4/ip_forward", forwards)?;
    for scope in ["all", "default"] {
        // Reverse-path filters would drop what tests send on purpose with foreign sources.
        set(&format!("ipv4/conf/{scope}/rp_filter"), "0")?;
        set(&format!("ipv6/conf/{scope}/forwarding"), forwards)?;
        set(&format!("ipv6/conf/{scope}/disable_ipv6"), "0")?;
        // No duplicate address detection: addresses are unique by construction and usable at once.
        set(&format!("ipv6/conf/{scope}/accept_dad"), "0")?;
        set(&format!("ipv6/conf/{scope}/accept_ra"), "0")?;
        // Nobody answers; without them a quiet lab is quiet and counts are exact.
        set(&format!("ipv6/conf/{scope}/router_solicitations"), "0")?;
        // Link-local addresses from the MAC, so that they are the same in every run.
        set(&format!("ipv6/conf/{scope}/addr_gen_mode"), "0")?;
    }
    Ok(())
}

fn set(key: &str, value: &str) -> io::Result<()> {
    let path = Path::new("/proc/sys/net").join(key);
    fs::write(&path, value)
        .map_err(|e| io::Error::new(e.kind(), format!("{} = {value}: {e}", path.display())))
}
