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
    if parts == 0 {
        return true;
    }
    if parts & filter::ETHERTYPE != 0 && headers.ethertype != filter.ethertype() {
        return false;
    }
    if parts & !filter::ETHERTYPE == 0 {
        return true;
    }
    if headers.version == 0 {
        return false;
    }
    if parts & filter::IP_VERSION != 0 && headers.version != filter.ip_version() {
        return false;
    }
    if parts & filter::PROTOCOL != 0 && headers.protocol != filter.protocol() {
        return false;
    }
    if parts & filter::ICMP != 0 && !transport::is_icmp(headers) {
        return false;
    }
    if parts & filter::HOST != 0 && !has_host(frame, headers, filter.host()) {
        return false;
    }
    parts & (filter::PORT | filter::SYN) == 0 || transport_matches(frame, headers, filter, parts)
}

#[inline(always)]
fn transport_matches(frame: &Frame<'_>, headers: &Headers, filter: &impl Filter, parts: u32) -> bool {
    // A later fragment has no ports, whatever its bytes look like.
    if headers.fragment() == Fragment::Later {
        return false;
    }
    let at = headers.transport_offset();
    if parts & filter::SYN != 0 {
        if headers.protocol != transport::TCP {
            return false;
        }
        let Some(tcp) = frame.window::<{ transport::TCP_HEADER }>(at) else { return false };
        let opening = tcp.u8::<{ transport::TCP_FLAGS }>() & (tcp_flag::SYN | tcp_flag::ACK);
        if opening != tcp_flag::SYN {
            return false;
        }
    }
    if parts & filter::PORT == 0 {
        return true;
    }
    if !transport::has_ports(headers.protocol) {
        return false;
    }
    let Some(ports) = frame.window::<4>(at) else { return false };
    ports.be16::<0>() == filter.port() || ports.be16::<2>() == filter.port()
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
