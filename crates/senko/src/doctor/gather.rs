//! Asks the kernel. Nothing here judges.

use std::thread;

use engine::{
    Inventory, Mode, capability::Capabilities, ethtool::Ethtool, kernel_config::KernelConfig, mount::Bpffs,
    netlink, policy::Policy, probe, trial::Trial, veth,
};

use super::facts::{InterfaceFacts, SystemFacts, TrialFact};
use crate::failure::Failure;

pub fn system() -> SystemFacts {
    let uname = nix::sys::utsname::uname().ok();
    let text =
        |field: Option<&std::ffi::OsStr>| field.map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let release = text(uname.as_ref().map(|uname| uname.release()));
    SystemFacts {
        machine: text(uname.as_ref().map(|uname| uname.machine())),
        version: engine::kernel_release(),
        config: KernelConfig::of_running_kernel(&release),
        policy: Policy::of_running_kernel(),
        bpffs: Bpffs::of_this_process(),
        capabilities: Capabilities::of_this_process(),
        programs: probe::ProgramProbe::ALL.map(|kind| (kind, probe::program_kind(kind))).into(),
        maps: probe::MapProbe::ALL.map(|kind| (kind, probe::map_kind(kind))).into(),
        helpers: probe::Helper::ALL.map(|helper| (helper, probe::helper(helper))).into(),
        operations: probe::Operation::ALL.map(|operation| (operation, probe::operation(operation))).into(),
        release,
    }
}

/// The named interfaces, or all. `netns` is where they are, for the remedies.
pub fn interfaces(
    named: &[String],
    try_it: bool,
    netns: Option<&str>,
) -> Result<Vec<InterfaceFacts>, Failure> {
    let links = netlink::links()?;
    if let Some(unknown) = named.iter().find(|name| !links.iter().any(|link| link.name == **name)) {
        let known: Vec<&str> = links.iter().map(|link| link.name.as_str()).collect();
        let remedy = format!("interfaces here: {}", known.join(", "));
        return Err(Failure::failed(format!("no interface named `{unknown}`"), Some(&remedy)));
    }
    let inventory = Inventory::take();
    let wanted = |link: &&netlink::LinkFacts| named.is_empty() || named.contains(&link.name);
    let mut facts: Vec<InterfaceFacts> =
        links.iter().filter(wanted).map(|link| interface(link, &links, &inventory, try_it, netns)).collect();
    // In the order in which they were asked for.
    facts.sort_by_key(|interface| named.iter().position(|name| *name == interface.name));
    Ok(facts)
}

fn interface(
    link: &netlink::LinkFacts,
    links: &[netlink::LinkFacts],
    inventory: &Inventory,
    try_it: bool,
    netns: Option<&str>,
) -> InterfaceFacts {
    let by_index = |index: u32| links.iter().find(|link| link.ifindex == index);
    let is_veth = link.kind.as_deref() == Some("veth");
    let ethtool = Ethtool::open().ok();
    let driver = ethtool.as_ref().and_then(|ethtool| ethtool.driver(&link.name).ok());
    let members = links
        .iter()
        .filter(|member| member.controller == Some(link.ifindex))
        .map(|member| member.name.clone())
        .collect();
    InterfaceFacts {
        name: link.name.clone(),
        ifindex: link.ifindex,
        netns: netns.map(Into::into),
        kind: link.kind.clone(),
        driver: driver.filter(|driver| !driver.is_empty()),
        up: link.up,
        mtu: link.mtu,
        max_mtu: link.max_mtu,
        controller: link
            .controller
            .and_then(by_index)
            .map(|link| (link.name.clone(), link.kind.clone().unwrap_or_default())),
        parent: if is_veth || link.peer_netns.is_some() {
            None
        } else {
            link.peer_ifindex.and_then(by_index).map(|link| link.name.clone())
        },
        members,
        features: netlink::xdp_features(link.ifindex),
        native_trial: try_it.then(|| trial(&link.name, Mode::Native)),
        generic_trial: try_it.then(|| trial(&link.name, Mode::Generic)),
        channels: ethtool.as_ref().and_then(|ethtool| ethtool.channels(&link.name).ok()),
        cpus: thread::available_parallelism().map_or(1, |cpus| cpus.get() as u32),
        offloads: ethtool.and_then(|ethtool| ethtool.features(&link.name).ok()).unwrap_or_default(),
        peer: is_veth.then(|| veth::peer(link)).flatten(),
        programs: inventory.occupants(link),
    }
}

fn trial(interface: &str, mode: Mode) -> TrialFact {
    match Trial::run(interface, mode) {
        Ok(Trial::Works) => TrialFact::Works,
        Ok(Trial::Occupied) => TrialFact::Occupied,
        Ok(Trial::Refused(error)) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            TrialFact::Denied
        }
        Ok(Trial::Refused(error)) => TrialFact::Refused(error.to_string()),
        Err(error) => TrialFact::Refused(error.to_string()),
    }
}
