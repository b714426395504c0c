//! IPv6 and its extension headers (RFC 8200).

pub const HEADER: usize = 40;

/// More extension headers than this in a row and we say so instead of guessing: RFC 8200 section 4.1 names six, each
/// at most once but destination options.
pub const MAX_EXTENSIONS: usize = 7;

/// Byte offsets inside the fixed header.
pub mod offset {
    pub const PAYLOAD_LENGTH: usize = 4;
    pub const NEXT_HEADER: usize = 6;
    pub const HOP_LIMIT: usize = 7;
    pub const SOURCE: usize = 8;
    pub const DESTINATION: usize = 24;
}

pub const HOP_BY_HOP: u8 = 0;
pub const ROUTING: u8 = 43;
pub const FRAGMENT: u8 = 44;
pub const AUTHENTICATION: u8 = 51;
pub const NO_NEXT_HEADER: u8 = 59;
pub const DESTINATION_OPTIONS: u8 = 60;
pub const MOBILITY: u8 = 135;
pub const HIP: u8 = 139;
pub const SHIM6: u8 = 140;

/// Whether a next-header value is an extension header we can walk over. ESP (50) is not: what follows is encrypted.
#[inline(always)]
pub const fn is_extension(next_header: u8) -> bool {
    matches!(
        next_header,
        HOP_BY_HOP | ROUTING | FRAGMENT | AUTHENTICATION | DESTINATION_OPTIONS | MOBILITY | HIP | SHIM6
    )
}

/// Bytes of an extension header, from its next-header value and length field.
/// Fragment headers have no length field (RFC 8200 section 4.5); AH counts in 4-byte words (RFC 4302 section 2.2).
#[inline(always)]
pub const fn extension_length(next_header: u8, length_field: u8) -> usize {
    match next_header {
        FRAGMENT => 8,
        AUTHENTICATION => (length_field as usize + 2) * 4,
        _ => (length_field as usize + 1) * 8,
    }
}
