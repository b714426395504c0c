//! The first bytes of TCP (RFC 9293), UDP (RFC 768), SCTP (RFC 9260), DCCP, UDP-Lite and ICMP: ports, flags, types.

use crate::{Frame, Headers, Malformed, icmp, parse::Fragment};

pub const TCP: u8 = 6;
pub const UDP: u8 = 17;
pub const DCCP: u8 = 33;
pub const SCTP: u8 = 132;
pub const UDP_LITE: u8 = 136;

/// TCP's header without options.
pub const TCP_HEADER: usize = 20;
/// Byte offset of the flags inside it.
pub const TCP_FLAGS: usize = 13;

/// TCP flag bits.
pub mod tcp_flag {
    pub const FIN: u8 = 0x01;
    pub const SYN: u8 = 0x02;
    pub const RST: u8 = 0x04;
    pub const PSH: u8 = 0x08;
    pub const ACK: u8 = 0x10;
    pub const URG: u8 = 0x20;
}

/// What the transport header says. Fields that the protocol has not are zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Transport {
    pub source_port: u16,
    pub destination_port: u16,
    /// Of TCP; other protocols have none.
    pub tcp_flags: u8,
    pub icmp_type: u8,
    pub icmp_code: u8,
}

/// Whether the protocol's header begins with two ports.
#[inline(always)]
pub const fn has_ports(protocol: u8) -> bool {
    matches!(protocol, TCP | UDP | DCCP | SCTP | UDP_LITE)
}

/// How a protocol's header over IPv4 begins: the bytes that it has at least, and whether they begin with ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begins(u8);

const PORTS: u8 = 0x80;

impl Begins {
    /// As [`transport`] wants them.
    #[inline(always)]
    pub const fn bytes(self) -> u8 {
        self.0 & !PORTS
    }

    /// All bits or none.
    #[inline(always)]
    pub const fn has_ports_mask(self) -> u32 {
        ((self.0 >> 7) as u32).wrapping_neg()
    }
}

/// By the protocol's number: a table, since which it is cannot be foretold.
#[inline(always)]
pub fn begins(protocol: u8) -> Begins {
    static BEGINS: [u8; 256] = {
        let mut all = [0; 256];
        all[TCP as usize] = PORTS | TCP_HEADER as u8;
        all[UDP as usize] = PORTS | 8;
        all[DCCP as usize] = PORTS | 8;
        all[SCTP as usize] = PORTS | 8;
        all[UDP_LITE as usize] = PORTS | 8;
        all[icmp::PROTOCOL_V4 as usize] = 4;
        all
    };
    Begins(BEGINS[usize::from(protocol)])
}

/// Reads the transport header. A later fragment has none: its first bytes are somebody's data, so all fields are zero.
#[inline(always)]
pub fn transport(frame: &Frame<'_>, headers: &Headers) -> Result<Transport, Malformed> {
    let mut t = Transport { source_port: 0, destination_port: 0, tcp_flags: 0, icmp_type: 0, icmp_code: 0 };
    if headers.version == 0 || headers.fragment() == Fragment::Later {
        return Ok(t);
    }
    let at = headers.transport_offset();
    match headers.protocol {
        TCP => {
            let w = frame.window::<TCP_HEADER>(at).ok_or(Malformed::TcpTruncated)?;
            t.source_port = w.be16::<0>();
            t.destination_port = w.be16::<2>();
            t.tcp_flags = w.u8::<TCP_FLAGS>();
        }
        UDP | UDP_LITE | SCTP | DCCP => {
            let w = frame.window::<8>(at).ok_or(Malformed::UdpTruncated)?;
            t.source_port = w.be16::<0>();
            t.destination_port = w.be16::<2>();
        }
        icmp::PROTOCOL_V4 | icmp::PROTOCOL_V6 if is_icmp(headers) => {
            let w = frame.window::<4>(at).ok_or(Malformed::IcmpTruncated)?;
            t.icmp_type = w.u8::<{ icmp::offset::TYPE }>();
            t.icmp_code = w.u8::<{ icmp::offset::CODE }>();
        }
        _ => {}
    }
    Ok(t)
}

/// ICMP over IPv4 or ICMPv6 over IPv6; 58 over IPv4 and 1 over IPv6 are just numbers.
#[inline(always)]
pub const fn is_icmp(headers: &Headers) -> bool {
    (headers.version == 4 && headers.protocol == icmp::PROTOCOL_V4)
        || (headers.version == 6 && headers.protocol == icmp::PROTOCOL_V6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ethernet, ipv4, parse};

    #[test]
    fn the_table_wants_what_the_reader_wants() {
        const AT: usize = ethernet::HEADER + ipv4::HEADER;
        for protocol in 0..=255 {
            let begins = begins(protocol);
            assert_eq!(begins.has_ports_mask() != 0, has_ports(protocol), "{protocol}");
            for payload in 0..24 {
                let mut bytes = [0_u8; AT + 24];
                bytes[12..14].copy_from_slice(&ethernet::IPV4.to_be_bytes());
                bytes[14] = 0x45;
                bytes[16..18].copy_from_slice(&((ipv4::HEADER + payload) as u16).to_be_bytes());
                bytes[23] = protocol;
                let frame = Frame::new(&mut bytes[..AT + payload]);
                let headers = parse(&frame, (AT + payload) as u64).expect("sound headers");
                let is_read = transport(&frame, &headers).is_ok();
                assert_eq!(is_read, payload >= usize::from(begins.bytes()), "{protocol}, {payload} bytes");
            }
        }
    }
}
