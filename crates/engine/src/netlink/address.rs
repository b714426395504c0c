//! Addresses of this host.

use std::net::IpAddr;

use netlink_packet_route::{
    RouteNetlinkMessage,
    address::{AddressAttribute, AddressMessage},
};

use crate::Error;

/// All addresses of all interfaces of this network namespace.
pub fn local_addresses() -> Result<Vec<IpAddr>, Error> {
    let answers = super::dump(RouteNetlinkMessage::GetAddress(AddressMessage::default()))?;
    Ok(answers.into_iter().filter_map(address).collect())
}

/// `IFA_LOCAL` is ours where both are there: on point-to-point links `IFA_ADDRESS` is the peer's.
fn address(message: RouteNetlinkMessage) -> Option<IpAddr> {
    let RouteNetlinkMessage::NewAddress(message) = message else { return None };
    let mut address = None;
    for attribute in message.attributes {
        match attribute {
            AddressAttribute::Local(local) => return Some(local),
            AddressAttribute::Address(ip) => address = Some(ip),
            _ => {}
        }
    }
    address
}
