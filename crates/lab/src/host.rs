//! A host of a lab: a namespace with interfaces, and ways to run code in it.

use std::ffi::OsStr;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;

use serde::Serialize;

use crate::error::LabError;
use crate::netlink::Netlink;
use crate::netns::Netns;
use crate::plan::HostPlan;
use crate::sysfs::PrivateSysfs;

/// One host. Cheap to clone; a clone keeps the namespace alive but not its interfaces.
#[derive(Debug, Clone)]
pub struct Host {
    name: String,
    netns: Netns,
    interfaces: Vec<Interface>,
}

/// An interface as it was made. Ports of a bridge have no addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Interface {
    pub name: String,
    /// The interface index inside the host's namespace.
    pub index: u32,
    pub mac: [u8; 6],
    /// In a /24.
    pub ipv4: Option<Ipv4Addr>,
    /// In a /64.
    pub ipv6: Option<Ipv6Addr>,
}

impl Host {
    pub(crate) fn open(plan: &HostPlan, netns: Netns) -> Result<Self, LabError> {
        let mut socket = Netlink::open(&netns)?;
        let mut interfaces = Vec::new();
        for interface in &plan.interfaces {
            let link = socket.link(&interface.name).map_err(|source| LabError::Net {
                action: format!("find interface `{}`", interface.name),
                namespace: netns.name().into(),
                source,
            })?;
            interfaces.push(Interface {
                name: interface.name.clone(),
                index: link.header.index,
                mac: interface.mac,
                ipv4: interface.addresses.map(|a| a.0),
                ipv6: interface.addresses.map(|a| a.1),
            });
        }
        Ok(Self { name: plan.name.clone(), netns, interfaces })
    }

    /// `h1`, …, or `r`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name under /run/netns, as `ip netns` and `senko --netns` take it: `senko-<lab>-<host>`.
    pub fn ns_name(&self) -> &str {
        self.netns.name()
    }

    /// All interfaces except `lo`. On `r` of a bridge lab the first is the bridge, `br0`.
    pub fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// # Panics
    /// When the host has no such interface: their names follow from the topology.
    pub fn interface(&self, name: &str) -> &Interface {
        self.interfaces
            .iter()
            .find(|i| i.name == name)
            .unwrap_or_else(|| panic!("host `{}` has no interface `{name}`", self.name))
    }

    /// The name of the first interface.
    pub fn iface(&self) -> &str {
        &self.interfaces[0].name
    }

    /// The index of the first interface.
    pub fn ifindex(&self) -> u32 {
        self.interfaces[0].index
    }

    /// The MAC address of the first interface.
    pub fn mac(&self) -> [u8; 6] {
        self.interfaces[0].mac
    }

    /// The IPv4 address of the first interface, which always has one.
    pub fn ipv4(&self) -> Ipv4Addr {
        self.interfaces[0].ipv4.unwrap_or(Ipv4Addr::UNSPECIFIED)
    }

    /// The IPv6 address of the first interface, which always has one.
    pub fn ipv6(&self) -> Ipv6Addr {
        self.interfaces[0].ipv6.unwrap_or(Ipv6Addr::UNSPECIFIED)
    }

    /// Runs `f` on a thread of its own inside the namespace and waits for it. Sockets that `f` opens
    /// stay in the namespace wherever they are used afterwards. /sys still shows the caller's
    /// interfaces; where that matters take [`run_with_sysfs`](Self::run_with_sysfs).
    ///
    /// A child started in `f` by [`command`](Self::command) dies with that thread, at the end of `f`.
    ///
    /// # Errors
    /// When the namespace cannot be entered. A panic in `f` continues in the caller.
    pub fn run<T: Send>(&self, f: impl FnOnce() -> T + Send) -> Result<T, LabError> {
        self.netns.run(f)
    }

    /// [`run`](Self::run) with, besides, a /sys of the namespace in a private mount namespace. What
    /// is mounted below /sys, bpffs above all, stays visible, unlike under `ip netns exec`. Mounts
    /// made in `f` vanish with it.
    ///
    /// # Errors
    /// When the namespace cannot be entered or sysfs cannot be mounted.
    pub fn run_with_sysfs<T: Send>(&self, f: impl FnOnce() -> T + Send) -> Result<T, LabError> {
        let sysfs = PrivateSysfs::prepare();
        self.netns.run(|| {
            sysfs.enter().map_err(LabError::file("mount", "/sys"))?;
            Ok(f())
        })?
    }

    /// A command that runs inside the namespace, with a /sys of it and bpffs still visible. The
    /// child is the program itself (no wrapper), so its pid can be signalled. It is killed when the
    /// thread that spawns it ends.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        self.prepare(program, true)
    }

    /// [`command`](Self::command) for `exec`: the program takes this process's place, so there is no
    /// thread for it to die with.
    pub(crate) fn command_to_exec(&self, program: impl AsRef<OsStr>) -> Command {
        self.prepare(program, false)
    }

    fn prepare(&self, program: impl AsRef<OsStr>, die_with_parent: bool) -> Command {
        let netns = Arc::clone(self.netns.fd());
        let sysfs = PrivateSysfs::prepare();
        let parent = std::process::id() as libc::pid_t;
        let mut command = Command::new(program);
        let enter = move || {
            // SAFETY: a namespace descriptor held open by this closure; no memory is passed.
            if unsafe { libc::setns(netns.as_raw_fd(), libc::CLONE_NEWNET) } != 0 {
                return Err(io::Error::last_os_error());
            }
            sysfs.enter()?;
            // SAFETY: both calls take and return plain numbers.
            if die_with_parent && unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } != 0 {
                return Err(io::Error::last_os_error());
            }
            // The parent may have ended before the line above took effect.
            // SAFETY: getppid takes nothing and cannot fail.
            if die_with_parent && unsafe { libc::getppid() } != parent {
                return Err(io::Error::from_raw_os_error(libc::ECHILD));
            }
            Ok(())
        };
        // SAFETY: the closure makes system calls only and allocates nothing (an io::Error from an
        // errno is a plain value), as is required between fork and exec.
        unsafe { command.pre_exec(enter) };
        command
    }
}
