//! The way to an address.

use std::net::IpAddr;

use netlink_packet_core::{NLM_F_ACK, NLM_F_REQUEST};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    route::{RouteAttribute, RouteMessage},
};

use crate::Error;

/// The index of the interface by which packets to an address leave; `None`: there is no way.
pub fn route_to(address: IpAddr) -> Result<Option<u32>, Error> {
    let mut message = RouteMessage::default();
    (message.header.address_family, message.header.destination_prefix_length) = match address {
        IpAddr::V4(_) => (AddressFamily::Inet, 32),
        IpAddr::V6(_) => (AddressFamily::Inet6, 128),
    };
    message.attributes.push(RouteAttribute::Destination(address.into()));
    let answers = match super::ask(RouteNetlinkMessage::GetRoute(message), NLM_F_REQUEST | NLM_F_ACK) {
        Ok(answers) => answers,
        Err(Error::System { source, .. }) if is_no_way(&source) => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(answers.into_iter().find_map(|answer| {
        let RouteNetlinkMessage::NewRoute(route) = answer else { return None };
        route.attributes.into_iter().find_map(|attribute| match attribute {
            RouteAttribute::Oif(index) => Some(index),
            _ => None,
        })
    }))
}

fn is_no_way(error: &std::io::Error) -> bool {
    let ways = [libc::ENETUNREACH, libc::EHOSTUNREACH, libc::EACCES, libc::EINVAL];
    error.raw_os_error().is_some_and(|code| ways.contains(&code))
}
