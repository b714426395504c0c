//! A mark on its way to the kernel: XDP has no packet of the kernel's to put it on, so it stands before the frame, as XDP's
//! metadata, until a classifier on what comes in finds it there.

use crate::shared;

shared! {
    /// The metadata, in the words of this machine. Its size is a multiple of four, as the kernel wants it.
    pub struct Marked {
        /// Whose it is: metadata of others, and of another gateway whose packets come over a bridge, is left alone.
        pub key: u32,
        pub mark: u32,
    }
}

/// The key where nobody chose one.
pub const KEY: u64 = 0x6f6b_6e65;
