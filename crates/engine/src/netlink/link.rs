//! Interfaces and the XDP programs on them.

use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, LinkXdp},
};

use crate::{Error, Mode};

/// An interface of this network namespace, as the kernel describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkFacts {
    pub ifindex: u32,
    pub name: String,
    pub mtu: u32,
    pub mac: Option<[u8; 6]>,
    pub up: bool,
    /// The kernel's name of a virtual device's kind (`veth`, `bridge`, `vlan`, …).
    pub kind: Option<String>,
    /// The interface at the other end (veth) or below (vlan); it may be in another namespace.
    pub peer_ifindex: Option<u32>,
    /// The kernel's number for that other namespace; `None` when the peer is in this one.
    pub peer_netns: Option<i32>,
    /// The bond or bridge that it belongs to.
    pub controller: Option<u32>,
    /// The largest MTU that the kernel accepts now; a program in native mode lowers it.
    pub max_mtu: Option<u32>,
    pub rx_queues: Option<u32>,
    pub tx_queues: Option<u32>,
    pub programs: Vec<AttachedProgram>,
}

/// An XDP program on an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttachedProgram {
    /// Never `Auto`.
    pub mode: Mode,
    pub program_id: u32,
}

/// All interfaces.
pub fn links() -> Result<Vec<LinkFacts>, Error> {
    let request = RouteNetlinkMessage::GetLink(LinkMessage::default());
    let answers = super::dump(request)?;
    Ok(answers.into_iter().filter_map(facts).collect())
}

/// One interface by name.
pub fn link(name: &str) -> Result<LinkFacts, Error> {
    links()?.into_iter().find(|link| link.name == name).ok_or_else(|| Error::NoInterface(name.into()))
}

fn facts(message: RouteNetlinkMessage) -> Option<LinkFacts> {
    let RouteNetlinkMessage::NewLink(link) = message else { return None };
    let mut facts = LinkFacts {
        ifindex: link.header.index,
        name: String::new(),
        mtu: 0,
        mac: None,
        up: link.header.flags.contains(LinkFlags::Up),
        kind: None,
        peer_ifindex: None,
        peer_netns: None,
        controller: None,
        max_mtu: None,
        rx_queues: None,
        tx_queues: None,
        programs: Vec::new(),
    };
    for attribute in link.attributes {
        match attribute {
            LinkAttribute::IfName(name) => facts.name = name,
            LinkAttribute::Mtu(mtu) => facts.mtu = mtu,
            LinkAttribute::Address(mac) => facts.mac = mac.try_into().ok(),
            LinkAttribute::Link(index) => facts.peer_ifindex = Some(index),
            LinkAttribute::LinkNetNsId(id) => facts.peer_netns = Some(id),
            LinkAttribute::Controller(index) => facts.controller = Some(index),
            LinkAttribute::MaxMtu(mtu) => facts.max_mtu = Some(mtu).filter(|mtu| *mtu != 0),
            LinkAttribute::NumRxQueues(queues) => facts.rx_queues = Some(queues),
            LinkAttribute::NumTxQueues(queues) => facts.tx_queues = Some(queues),
            LinkAttribute::LinkInfo(infos) => {
                facts.kind = infos.into_iter().find_map(|info| match info {
                    LinkInfo::Kind(kind) => Some(kind_name(&kind)),
                    _ => None,
                });
            }
            LinkAttribute::Xdp(xdp) => facts.programs = programs(&xdp),
            _ => {}
        }
    }
    Some(facts)
}

fn kind_name(kind: &InfoKind) -> String {
    kind.to_string()
}

/// `IFLA_XDP_PROG_ID` repeats the one attached program; the ids by mode say where it is. Kernels before 4.17 have none
/// of the latter, and are below our floor.
fn programs(xdp: &[LinkXdp]) -> Vec<AttachedProgram> {
    xdp.iter()
        .filter_map(|attribute| match attribute {
            LinkXdp::DrvProgId(id) => Some(AttachedProgram { mode: Mode::Native, program_id: *id }),
            LinkXdp::SkbProgId(id) => Some(AttachedProgram { mode: Mode::Generic, program_id: *id }),
            LinkXdp::HwProgId(id) => Some(AttachedProgram { mode: Mode::Offload, program_id: *id }),
            _ => None,
        })
        .collect()
}
