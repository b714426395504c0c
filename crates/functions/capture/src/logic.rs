//! Which frames are captured.
//!
//! A filter is a conjunction of the parts that are set. Its values are read-only in the kernel, so the verifier deletes
//! the tests for the others.

use wire::{Fragment, Frame, Headers, Malformed, ipv4, ipv6, transport};

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

/// Whether the filter wants this frame. A malformed frame matches only the empty filter: nothing it says is reliable.
#[inline(always)]
pub fn wanted(frame: &Frame<'_>, headers: &Result<Headers, Malformed>, filter: &impl Filter) -> bool {
    let parts = filter.parts();
    if parts == 0 {
        return true;
    }
    let Ok(headers) = headers else { return false };
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
    if headers.fragment == Fragment::Later {
        return false;
    }
    if parts & filter::SYN != 0 && headers.protocol != transport::TCP {
        return false;
    }
    if !transport::has_ports(headers.protocol) {
        return false;
    }
    let Ok(t) = transport::transport(frame, headers) else { return false };
    if parts & filter::PORT != 0 && t.source_port != filter.port() && t.destination_port != filter.port() {
        return false;
    }
    let opening = t.tcp_flags & (transport::tcp_flag::SYN | transport::tcp_flag::ACK);
    parts & filter::SYN == 0 || opening == transport::tcp_flag::SYN
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
