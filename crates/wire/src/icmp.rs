//! ICMP (RFC 792) and ICMPv6 (RFC 4443).

pub const PROTOCOL_V4: u8 = 1;
pub const PROTOCOL_V6: u8 = 58;

/// Type, code, checksum and the four bytes that depend on the type.
pub const HEADER: usize = 8;

pub const ECHO_REQUEST_V4: u8 = 8;
pub const ECHO_REPLY_V4: u8 = 0;
pub const ECHO_REQUEST_V6: u8 = 128;
pub const ECHO_REPLY_V6: u8 = 129;

/// Byte offsets inside the header.
pub mod offset {
    pub const TYPE: usize = 0;
    pub const CODE: usize = 1;
    pub const CHECKSUM: usize = 2;
}

/// IANA's names of ICMP types, lower case.
pub const fn type_name_v4(kind: u8) -> Option<&'static str> {
    Some(match kind {
        0 => "echo-reply",
        3 => "destination-unreachable",
        4 => "source-quench",
        5 => "redirect",
        8 => "echo-request",
        9 => "router-advertisement",
        10 => "router-solicitation",
        11 => "time-exceeded",
        12 => "parameter-problem",
        13 => "timestamp-request",
        14 => "timestamp-reply",
        _ => return None,
    })
}

/// IANA's names of ICMPv6 types, lower case.
pub const fn type_name_v6(kind: u8) -> Option<&'static str> {
    Some(match kind {
        1 => "destination-unreachable",
        2 => "packet-too-big",
        3 => "time-exceeded",
        4 => "parameter-problem",
        128 => "echo-request",
        129 => "echo-reply",
        130 => "mld-query",
        131 => "mld-report",
        132 => "mld-done",
        133 => "router-solicitation",
        134 => "router-advertisement",
        135 => "neighbour-solicitation",
        136 => "neighbour-advertisement",
        137 => "redirect",
        143 => "mldv2-report",
        _ => return None,
    })
}
