//! How an interface relates to others, beyond what [`super::link`] tells.

use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{LinkAttribute, LinkMessage},
};

use crate::Error;

/// An interface's place among the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Device {
    pub ifindex: u32,
    /// The bond or bridge that it belongs to.
    pub controller: Option<u32>,
    /// The id, in this network namespace, of the one that the interface at the other end is in; `None`: in this one.
    pub peer_namespace: Option<i32>,
    /// The largest MTU that the kernel accepts now; a program in native mode lowers it.
    pub max_mtu: Option<u32>,
}

/// All interfaces of this network namespace.
pub fn devices() -> Result<Vec<Device>, Error> {
    let answers = super::dump(RouteNetlinkMessage::GetLink(LinkMessage::default()))?;
    Ok(answers.into_iter().filter_map(device).collect())
}

fn device(message: RouteNetlinkMessage) -> Option<Device> {
    let RouteNetlinkMessage::NewLink(link) = message else { return None };
    let mut device = Device { ifindex: link.header.index, ..Device::default() };
    for attribute in link.attributes {
        match attribute {
            LinkAttribute::Controller(index) => device.controller = Some(index),
            LinkAttribute::LinkNetNsId(id) => device.peer_namespace = Some(id),
            LinkAttribute::MaxMtu(mtu) => device.max_mtu = Some(mtu),
            _ => {}
        }
    }
    Some(device)
}
