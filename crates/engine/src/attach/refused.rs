//! From a bare errno of `BPF_LINK_CREATE` to an error that knows what was refused, by whom, and why.

use std::{fs, io};

use super::Mode;
use crate::{
    Error, Program, inventory,
    netlink::{self, IF_NONE, set_xdp},
};

/// What is known about an interface at the moment when it refused a program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Circumstances {
    pub mtu: u32,
    /// Of a veth: the other end's name and MTU, where it is in this network namespace.
    pub peer: Option<(String, u32)>,
    /// The driver's name, or a virtual device's kind.
    pub driver: Option<String>,
    pub rx_queues: Option<u32>,
    /// Whether the program takes frames of several buffers.
    pub frags: bool,
}

impl Circumstances {
    fn of(interface: &str, program: &Program) -> Self {
        let links = netlink::links().unwrap_or_default();
        let Some(link) = links.iter().find(|link| link.name == interface) else { return Self::default() };
        let has_peer_here = link.kind.as_deref() == Some("veth") && link.peer_netns.is_none();
        let peer = links.iter().find(|other| has_peer_here && link.peer_ifindex == Some(other.ifindex));
        let driver = fs::read_link(format!("/sys/class/net/{interface}/device/driver"))
            .ok()
            .and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
        Self {
            mtu: link.mtu,
            peer: peer.map(|peer| (peer.name.clone(), peer.mtu)),
            driver: driver.or_else(|| link.kind.clone()),
            rx_queues: link.rx_queues,
            frags: program.has_frags(),
        }
    }
}

/// Explains a refused link.
pub fn explain(program: &Program, interface: &str, ifindex: u32, mode: Mode, source: io::Error) -> Error {
    if matches!(source.raw_os_error(), Some(libc::EBUSY | libc::EEXIST))
        && let Ok(occupants) = inventory::occupants(interface)
        && !occupants.is_empty()
    {
        return Error::Occupied { interface: interface.into(), occupants };
    }
    let words = ask_for_words(program, ifindex, mode, &source);
    with_words(program, interface, mode, source, words)
}

pub fn with_words(
    program: &Program,
    interface: &str,
    mode: Mode,
    source: io::Error,
    extack: Option<String>,
) -> Error {
    Error::Attach {
        interface: interface.into(),
        mode: mode.name(),
        source,
        extack,
        circumstances: Box::new(Circumstances::of(interface, program)),
    }
}

/// `bpf(2)` has no place for words, netlink has: the same request again, over netlink, is refused for the same reason.
/// It asks for an interface without a program, so it can never displace one; should it be granted after all, it is
/// taken back at once.
fn ask_for_words(program: &Program, ifindex: u32, mode: Mode, source: &io::Error) -> Option<String> {
    if source.raw_os_error() == Some(libc::EPERM) {
        return None;
    }
    match set_xdp(ifindex, mode.flags() | IF_NONE, Some(program.fd()), None) {
        Err(refused) if refused.source.raw_os_error() == source.raw_os_error() => refused.words,
        Err(_) => None,
        Ok(()) => {
            let _ = set_xdp(ifindex, mode.flags(), None, Some(program.fd()));
            None
        }
    }
}
