//! What the tracepoints count: redirected frames that never left.

use crate::shared;

shared! {
    /// Which error, and where it was noticed.
    pub struct RedirectError {
        /// As a positive number.
        pub errno: u32,
        /// 0: at `bpf_redirect_map`; 1: when the device's queue was flushed.
        pub flush: u32,
        /// Of the device the frame came from (redirect) or was to leave by (flush); 0: unknown.
        pub ifindex: u32,
    }
}
