//! Which frames are captured.
//!
//! A filter is a conjunction of the parts that are set. Its values are read-only in the kernel, so the verifier deletes
//! the tests for the others.

use wire::{
    Fragment, Frame, Headers, ipv4, ipv6,
    transport::{self, tcp_flag},
};

use crate::shared::filter;

/// Where the filter's values come from.
pub trait Filter {
    /// Bits of [`filter`].
    fn parts(&self) -> u32;
    fn protocol(&self) -> u8;
    /// Source or destination port, host order.
    fn port(&self) -> u16;
    /// Source or destination address, host order words; an IPv4 address is in the last one.
    fn host(&self) -> [u32; 4];
    fn ip_version(&self) -> u8;
    fn ethertype(&self) -> u16;
}

/// Whether the filter wants malformed frames: only the empty one does, since nothing they say is reliable.
#[inline(always)]
pub fn wants_malformed(filter: &impl Filter) -> bool {
    filter.parts() == 0
}

/// Whether the filter wants this frame.
#[inline(always)]
pub fn wanted(frame: &Frame<'_>, headers: &Headers, filter: &impl Filter) -> bool {
    let parts = filter.parts();
    // What most packets fail comes first: a packet that is not IP has protocol 0.
    if parts & filter::SYN != 0 && headers.protocol != transport::TCP {
        return false;
    }
    if parts & filter::PORT != 0 && !has_port(frame, headers, filter.port()) {
        return false;
    }
    if parts & filter::PROTOCOL != 0 && (headers.protocol != filter.protocol() || headers.version == 0) {
        return false;
    }
    if parts & filter::IP_VERSION != 0 && headers.version != filter.ip_version() {
        return false;
    }
    if parts & filter::ETHERTYPE != 0 && headers.ethertype != filter.ethertype() {
        return false;
    }
    if parts & filter::ICMP != 0 && !transport::is_icmp(headers) {
        return false;
    }
    if parts & filter::SYN != 0 && !opens_connection(frame, headers) {
        return false;
    }
    parts & filter::HOST == 0 || has_host(frame, headers, filter.host())
}

/// SYN without ACK. Of a TCP packet; a later fragment has no flags, whatever its bytes look like.
#[inline(always)]
fn opens_connection(frame: &Frame<'_>, headers: &Headers) -> bool {
    if headers.fragment() == Fragment::Later {
        return false;
    }
    let Some(tcp) = frame.window::<{ transport::TCP_HEADER }>(headers.transport_offset()) else {
        return false;
    };
    tcp.u8::<{ transport::TCP_FLAGS }>() & (tcp_flag::SYN | tcp_flag::ACK) == tcp_flag::SYN
}

/// Whether one of the ports is `port`. Later fragments have none.
#[inline(always)]
fn has_port(frame: &Frame<'_>, headers: &Headers, port: u16) -> bool {
    if !transport::has_ports(headers.protocol) || headers.fragment() == Fragment::Later {
        return false;
    }
    let Some(ports) = frame.window::<4>(headers.transport_offset()) else { return false };
    let port = port.to_be();
    ports.raw16::<0>() == port || ports.raw16::<2>() == port
}

#[inline(always)]
fn has_host(frame: &Frame<'_>, headers: &Headers, host: [u32; 4]) -> bool {
    if headers.version == 4 {
        // An IPv6 host never equals an IPv4 one: the engine sets the version part together with the host.
        let Some(ip) = frame.window::<{ ipv4::HEADER }>(headers.network_offset()) else { return false };
        ip.be32::<{ ipv4::offset::SOURCE }>() == host[3]
            || ip.be32::<{ ipv4::offset::DESTINATION }>() == host[3]
    } else {
        let Some(ip) = frame.window::<{ ipv6::HEADER }>(headers.network_offset()) else { return false };
        ip.be128::<{ ipv6::offset::SOURCE }>() == host || ip.be128::<{ ipv6::offset::DESTINATION }>() == host
    }
}
