//! IPv4 (RFC 791).

/// Header without options.
pub const HEADER: usize = 20;

pub const FRAGMENT_OFFSET_MASK: u16 = 0x1fff;
pub const MORE_FRAGMENTS: u16 = 0x2000;

/// Byte offsets inside the header.
pub mod offset {
    pub const VERSION_IHL: usize = 0;
    pub const TOTAL_LENGTH: usize = 2;
    pub const FRAGMENT: usize = 6;
    pub const TTL: usize = 8;
    pub const PROTOCOL: usize = 9;
    pub const CHECKSUM: usize = 10;
    pub const SOURCE: usize = 12;
    pub const DESTINATION: usize = 16;
}
