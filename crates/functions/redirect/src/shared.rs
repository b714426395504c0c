//! Sizes and modes of the redirect stage.

/// Interfaces one instance can serve.
pub const PORTS: u32 = 256;

/// Addresses of this host that echo requests are answered for.
pub const LOCAL_ADDRESSES: u32 = 4096;

/// What the stage does, `REDIRECT_MODE`.
pub mod mode {
    /// Every frame leaves through the one peer port.
    pub const CROSS: u8 = 0;
    /// Echo requests for this host are answered.
    pub const REFLECT: u8 = 1;
}
