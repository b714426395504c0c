//! The few rtnetlink requests a lab needs, over a blocking socket.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope};
use netlink_packet_route::link::{
    BridgeStpState, InfoBridge, InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use crate::error::{LabError, NetError};
use crate::netns::Netns;

/// A netlink socket in a namespace. It may be used from any thread.
pub struct Netlink {
    socket: Socket,
    sequence: u32,
}

/// One end of a veth pair to be made.
pub struct VethEnd<'a> {
    pub name: &'a str,
    pub mac: [u8; 6],
}

impl Netlink {
    pub fn open(netns: &Netns) -> Result<Self, LabError> {
        let open = || -> io::Result<Self> {
            let mut socket = Socket::new(NETLINK_ROUTE)?;
            socket.bind_auto()?;
            socket.connect(&SocketAddr::new(0, 0))?;
            Ok(Self { socket, sequence: 0 })
        };
        netns.run(open)?.map_err(|source| LabError::Net {
            action: "open a netlink socket".into(),
            namespace: netns.name().into(),
            source: source.into(),
        })
    }

    /// A veth pair, one end here and one born in `peer_netns`: neither is ever seen elsewhere.
    pub fn add_veth(
        &mut self,
        here: &VethEnd<'_>,
        peer: &VethEnd<'_>,
        peer_netns: &Netns,
    ) -> Result<(), NetError> {
        let mut far = link_named(peer.name);
        far.attributes.push(LinkAttribute::Address(peer.mac.to_vec()));
        far.attributes.push(LinkAttribute::NetNsFd(peer_netns.fd().as_raw_fd()));
        let mut link = link_named(here.name);
        link.attributes.push(LinkAttribute::Address(here.mac.to_vec()));
        link.attributes.push(LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(far))),
        ]));
        self.create(RouteNetlinkMessage::NewLink(link))
    }

    /// A bridge that forwards from the first frame on: no spanning tree, no listening phase, and no
    /// multicast snooping, which would have to learn the groups that IPv6 neighbour discovery uses.
    pub fn add_bridge(&mut self, name: &str, mac: [u8; 6]) -> Result<(), NetError> {
        let mut link = link_named(name);
        link.attributes.push(LinkAttribute::Address(mac.to_vec()));
        link.attributes.push(LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Bridge),
            LinkInfo::Data(InfoData::Bridge(vec![
                InfoBridge::StpState(BridgeStpState::Disabled),
                InfoBridge::MulticastSnooping(false),
            ])),
        ]));
        self.create(RouteNetlinkMessage::NewLink(link))
    }

    pub fn set_up(&mut self, name: &str) -> Result<(), NetError> {
        let mut link = link_named(name);
        link.header.flags = LinkFlags::Up;
        link.header.change_mask = LinkFlags::Up;
        self.change(RouteNetlinkMessage::SetLink(link))
    }

    pub fn set_controller(&mut self, port: &str, bridge_index: u32) -> Result<(), NetError> {
        let mut link = link_named(port);
        link.attributes.push(LinkAttribute::Controller(bridge_index));
        self.change(RouteNetlinkMessage::SetLink(link))
    }

    /// Deletes a link; one that is already gone is no error.
    pub fn delete_link(&mut self, name: &str) -> Result<(), NetError> {
        match self.change(RouteNetlinkMessage::DelLink(link_named(name))) {
            Err(NetError::Io(e)) if e.raw_os_error() == Some(libc::ENODEV) => Ok(()),
            other => other,
        }
    }

    pub fn link(&mut self, name: &str) -> Result<LinkMessage, NetError> {
        let answers = self.request(RouteNetlinkMessage::GetLink(link_named(name)), 0)?;
        answers
            .into_iter()
            .find_map(|m| match m {
                RouteNetlinkMessage::NewLink(link) => Some(link),
                _ => None,
            })
            .ok_or(NetError::NoAnswer)
    }

    pub fn add_address(&mut self, index: u32, address: IpAddr, prefix_len: u8) -> Result<(), NetError> {
        let mut message = AddressMessage::default();
        message.header.index = index;
        message.header.prefix_len = prefix_len;
        message.header.family = family(address);
        message.header.scope = AddressScope::Universe;
        message.attributes.push(AddressAttribute::Local(address));
        message.attributes.push(AddressAttribute::Address(address));
        match address {
            IpAddr::V4(v4) => {
                let broadcast = Ipv4Addr::from(u32::from(v4) | u32::MAX >> prefix_len);
                message.attributes.push(AddressAttribute::Broadcast(broadcast));
            }
            IpAddr::V6(_) => message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad)),
        }
        self.create(RouteNetlinkMessage::NewAddress(message))
    }

    pub fn add_default_route(&mut self, gateway: IpAddr, index: u32) -> Result<(), NetError> {
        let mut message = RouteMessage::default();
        message.header = RouteHeader {
            address_family: family(gateway),
            table: RouteHeader::RT_TABLE_MAIN,
            protocol: RouteProtocol::Static,
            scope: RouteScope::Universe,
            kind: RouteType::Unicast,
            ..RouteHeader::default()
        };
        message.attributes.push(RouteAttribute::Gateway(RouteAddress::from(gateway)));
        message.attributes.push(RouteAttribute::Oif(index));
        self.create(RouteNetlinkMessage::NewRoute(message))
    }

    /// The link-local address of an interface, once it may be used as a source.
    pub fn usable_link_local(&mut self, index: u32) -> Result<Option<Ipv6Addr>, NetError> {
        let mut query = AddressMessage::default();
        query.header.family = AddressFamily::Inet6;
        let answers = self.request(RouteNetlinkMessage::GetAddress(query), NLM_F_DUMP)?;
        Ok(answers.into_iter().find_map(|m| match m {
            RouteNetlinkMessage::NewAddress(a) if a.header.index == index => ready_link_local(&a),
            _ => None,
        }))
    }

    fn create(&mut self, message: RouteNetlinkMessage) -> Result<(), NetError> {
        self.request(message, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL).map(drop)
    }

    fn change(&mut self, message: RouteNetlinkMessage) -> Result<(), NetError> {
        self.request(message, NLM_F_ACK).map(drop)
    }

    /// Sends one request and collects answers up to its acknowledgement or end of dump; a request
    /// with neither (a plain get) ends with its first answer.
    fn request(
        &mut self,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> Result<Vec<RouteNetlinkMessage>, NetError> {
        self.sequence += 1;
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        let mut request = NetlinkMessage::new(header, NetlinkPayload::from(message));
        request.finalize();
        let mut bytes = vec![0; request.buffer_len()];
        request.serialize(&mut bytes);
        self.socket.send(&bytes, 0)?;

        let several = flags & (NLM_F_ACK | NLM_F_DUMP) != 0;
        let mut answers = Vec::new();
        loop {
            let (datagram, _) = self.socket.recv_from_full()?;
            let mut rest = &datagram[..];
            while !rest.is_empty() {
                let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)?;
                // Each message is padded to four bytes, and is at least a header long.
                let length = (answer.header.length as usize).next_multiple_of(4).max(16);
                rest = rest.get(length..).unwrap_or_default();
                if answer.header.sequence_number != self.sequence {
                    continue;
                }
                match answer.payload {
                    NetlinkPayload::Error(e) if e.code.is_some() => return Err(e.to_io().into()),
                    NetlinkPayload::Error(_) | NetlinkPayload::Done(_) => return Ok(answers),
                    NetlinkPayload::InnerMessage(inner) => answers.push(inner),
                    _ => {}
                }
            }
            if !several && !answers.is_empty() {
                return Ok(answers);
            }
        }
    }
}

fn link_named(name: &str) -> LinkMessage {
    let mut link = LinkMessage::default();
    link.attributes.push(LinkAttribute::IfName(name.into()));
    link
}

fn family(address: IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

fn ready_link_local(message: &AddressMessage) -> Option<Ipv6Addr> {
    let mut found = None;
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Flags(f) if f.contains(AddressFlags::Tentative) => return None,
            AddressAttribute::Address(IpAddr::V6(a)) if a.is_unicast_link_local() => found = Some(*a),
            _ => {}
        }
    }
    found
}
