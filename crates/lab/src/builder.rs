//! Making a lab, step by step, and undoing the steps when one fails.

use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use nix::unistd::geteuid;

use crate::error::{LabError, NetError};
use crate::ethtool;
use crate::handle::Lab;
use crate::host::Host;
use crate::leftovers;
use crate::netlink::{Netlink, VethEnd};
use crate::netns::{self, Netns};
use crate::plan::{BRIDGE, HostPlan, PREFIX_V4, PREFIX_V6, Plan};
use crate::state::{Condition, Owner, State, Store};
use crate::sysctl;
use crate::topology::Topology;

/// How long interfaces may take to come up; normally a few milliseconds.
const READY_SECONDS: u64 = 10;

/// What to make; see [`Lab::builder`].
#[derive(Debug, Clone)]
pub struct Builder {
    name: String,
    topology: Topology,
    hosts: usize,
}

impl Builder {
    pub(crate) fn new(name: String) -> Self {
        Self { name, topology: Topology::Pair, hosts: 2 }
    }

    /// Default: [`Topology::Pair`].
    #[must_use]
    pub fn topology(mut self, topology: Topology) -> Self {
        self.topology = topology;
        self
    }

    /// How many hosts h1..hn; `r` is not counted. Default: 2.
    #[must_use]
    pub fn hosts(mut self, hosts: usize) -> Self {
        self.hosts = hosts;
        self
    }

    /// Makes the lab; when this returns, every address may be used. Takes some 100 ms for two hosts.
    ///
    /// # Errors
    /// Without root, when the name is taken, and whatever the kernel refuses. Then nothing is left.
    pub fn build(self) -> Result<Lab, LabError> {
        check_name(&self.name)?;
        self.topology.check_hosts(self.hosts)?;
        if !geteuid().is_root() {
            return Err(LabError::NeedsRoot { verb: "lab up".into() });
        }
        let plan = Plan::new(&self.name, self.topology, self.hosts);
        let store = Store::lock()?;
        check_free(&store, &self.name, &plan)?;
        let state = State {
            name: self.name,
            topology: self.topology,
            owner: Owner::this_process(),
            kept: false,
            hosts: plan.hosts.clone(),
        };
        store.write(&state)?;
        match make(&plan) {
            Ok(hosts) => Ok(Lab::new(state, hosts)),
            Err(error) => {
                // The error that stopped us is the one to report; what cannot be undone is found
                // as a leftover by the next command.
                let _ = leftovers::dismantle(&store, &state, true);
                Err(error)
            }
        }
    }
}

fn check_name(name: &str) -> Result<(), LabError> {
    let letter = name.starts_with(|c: char| c.is_ascii_lowercase());
    let plain = name.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_'));
    if letter && plain && name.len() <= 32 { Ok(()) } else { Err(LabError::BadName { name: name.into() }) }
}

fn check_free(store: &Store, name: &str, plan: &Plan) -> Result<(), LabError> {
    if let Some(other) = store.read(name)? {
        return Err(match other.condition() {
            Condition::LeftOver => LabError::NameLeftOver { name: name.into() },
            Condition::Owned | Condition::Kept => LabError::NameTaken { name: name.into() },
        });
    }
    match plan.hosts.iter().find(|h| netns::path(&h.namespace).exists()) {
        Some(host) => Err(LabError::NamespaceTaken { namespace: host.namespace.clone() }),
        None => Ok(()),
    }
}

fn make(plan: &Plan) -> Result<Vec<Host>, LabError> {
    let mut namespaces = Vec::new();
    for host in &plan.hosts {
        let netns = Netns::create(&host.namespace)?;
        let prepared = netns.run(|| sysctl::prepare(host.forwards))?;
        prepared.map_err(net(&netns, "prepare the network stack"))?;
        namespaces.push(netns);
    }
    let mut sockets = namespaces.iter().map(Netlink::open).collect::<Result<Vec<_>, _>>()?;
    for cable in &plan.cables {
        let [near, far] = cable.ends.map(|(host, interface)| (host, &plan.hosts[host].interfaces[interface]));
        let [here, there] = [near, far].map(|(_, i)| VethEnd { name: &i.name, mac: i.mac });
        sockets[near.0]
            .add_veth(&here, &there, &namespaces[far.0])
            .map_err(net(&namespaces[near.0], format!("make the veth pair `{}`", here.name)))?;
        for (host, interface) in [near, far] {
            ethtool::prepare_veth(&namespaces[host], &interface.name)?;
        }
    }
    for ((host, netns), socket) in plan.hosts.iter().zip(&namespaces).zip(&mut sockets) {
        configure(host, socket).map_err(net(netns, "set up links and addresses"))?;
    }
    let mut hosts = Vec::new();
    for ((host, netns), mut socket) in plan.hosts.iter().zip(namespaces).zip(sockets) {
        wait_ready(host, &netns, &mut socket)?;
        // A default route wants its interface up, so it comes last.
        add_gateway(host, &mut socket).map_err(net(&netns, "add the default route"))?;
        hosts.push(Host::open(host, netns)?);
    }
    Ok(hosts)
}

/// Brings up loopback and every interface, with addresses.
fn configure(host: &HostPlan, socket: &mut Netlink) -> Result<(), NetError> {
    socket.set_up("lo")?;
    let mut bridge_index = None;
    for interface in &host.interfaces {
        if interface.name == BRIDGE {
            socket.add_bridge(BRIDGE, interface.mac)?;
            bridge_index = Some(socket.link(BRIDGE)?.header.index);
        } else if let Some(bridge) = bridge_index {
            socket.set_controller(&interface.name, bridge)?;
        }
        if let Some((v4, v6)) = interface.addresses {
            let index = socket.link(&interface.name)?.header.index;
            socket.add_address(index, v4.into(), PREFIX_V4)?;
            socket.add_address(index, v6.into(), PREFIX_V6)?;
        }
        socket.set_up(&interface.name)?;
    }
    Ok(())
}

fn add_gateway(host: &HostPlan, socket: &mut Netlink) -> Result<(), NetError> {
    let Some((v4, v6)) = host.gateway else { return Ok(()) };
    let index = socket.link(&host.interfaces[0].name)?.header.index;
    for gateway in [IpAddr::V4(v4), IpAddr::V6(v6)] {
        socket.add_default_route(gateway, index)?;
    }
    Ok(())
}

/// Until each interface has carrier and a link-local address that may be used: neighbour discovery
/// and with it all IPv6 works from then on.
fn wait_ready(host: &HostPlan, netns: &Netns, socket: &mut Netlink) -> Result<(), LabError> {
    use netlink_packet_route::link::LinkFlags;

    let deadline = Instant::now() + Duration::from_secs(READY_SECONDS);
    for interface in &host.interfaces {
        loop {
            let link = socket.link(&interface.name).map_err(net(netns, "read the link"))?;
            // A bridge port has no addresses of its own to wait for.
            let addressed = interface.addresses.is_none()
                || socket
                    .usable_link_local(link.header.index)
                    .map_err(net(netns, "read the addresses"))?
                    .is_some();
            let running = link.header.flags.contains(LinkFlags::LowerUp | LinkFlags::Running);
            if running && addressed {
                break;
            }
            if Instant::now() > deadline {
                return Err(LabError::NotReady {
                    interface: interface.name.clone(),
                    namespace: netns.name().into(),
                    seconds: READY_SECONDS,
                    missing: if running { "no usable link-local address" } else { "no carrier" },
                });
            }
            // Between two looks at the condition; the kernel's own timer for it ticks every 4 ms.
            thread::sleep(Duration::from_millis(2));
        }
    }
    Ok(())
}

fn net<E: Into<NetError>>(netns: &Netns, action: impl Into<String>) -> impl FnOnce(E) -> LabError {
    let (namespace, action) = (netns.name().to_owned(), action.into());
    move |source| LabError::Net { action, namespace, source: source.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_escape_or_confuse_are_refused() {
        for bad in ["", "../x", "a/b", "a b", "-a", "1a", "Lab", "ä", &"a".repeat(33)] {
            assert!(matches!(check_name(bad), Err(LabError::BadName { .. })), "{bad}");
        }
        for good in ["lab", "demo-1234", "a", "x_y", &"a".repeat(32)] {
            assert!(check_name(good).is_ok(), "{good}");
        }
    }
}
