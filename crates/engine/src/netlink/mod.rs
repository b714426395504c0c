//! Questions to the kernel's routing netlink, one socket a question, in the calling thread's network namespace.

mod address;
mod link;
mod netdev;
mod nsid;
mod route;
pub(crate) mod tc;
mod watch;
mod xdp;

pub use address::local_addresses;
pub use link::{AttachedProgram, LinkFacts, link, links};
pub use netdev::{XdpFeatures, xdp_features};
pub use nsid::namespace_id;
pub use route::route_to;
pub use watch::LinkWatch;
pub use xdp::{IF_NONE, Refused, set_xdp};

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use crate::Error;

/// Sends a dump request and returns all answers.
fn dump(request: RouteNetlinkMessage) -> Result<Vec<RouteNetlinkMessage>, Error> {
    ask(request, NLM_F_REQUEST | NLM_F_DUMP)
}

/// Sends a request and returns all answers, up to the acknowledgement or the end of the dump.
fn ask(request: RouteNetlinkMessage, flags: u16) -> Result<Vec<RouteNetlinkMessage>, Error> {
    let mut message = NetlinkMessage::from(request);
    message.header.flags = flags;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);

    let mut socket = Socket::new(NETLINK_ROUTE).map_err(Error::system("netlink socket"))?;
    socket.bind_auto().map_err(Error::system("netlink bind"))?;
    socket.connect(&SocketAddr::new(0, 0)).map_err(Error::system("netlink connect"))?;
    socket.send(&bytes, 0).map_err(Error::system("netlink send"))?;

    let mut answers = Vec::new();
    loop {
        let (datagram, _) = socket.recv_from_full().map_err(Error::system("netlink receive"))?;
        let mut rest = datagram.as_slice();
        while !rest.is_empty() {
            let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                .map_err(|error| Error::Netlink(error.to_string()))?;
            let length = (answer.header.length as usize).next_multiple_of(4).clamp(16, rest.len());
            match answer.payload {
                NetlinkPayload::Done(_) => return Ok(answers),
                NetlinkPayload::Error(error) if error.code.is_none() => return Ok(answers),
                NetlinkPayload::Error(error) => {
                    return Err(Error::System { what: "netlink".into(), source: error.to_io() });
                }
                NetlinkPayload::InnerMessage(inner) => answers.push(inner),
                _ => {}
            }
            rest = &rest[length..];
        }
    }
}
