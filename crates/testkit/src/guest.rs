//! What a test does differently in a guest of `cargo xtask vm`, whose processor is emulated and slow.

use std::{sync::OnceLock, time::Duration};

/// Whether this is a guest: its first process says so.
fn is_guest() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| std::env::var_os("SENKO_KERNEL").is_some())
}

/// How long to wait for something before the test fails: these seconds, and six times as many in a guest. For deadlines
/// only; a time that is part of what is tested is the same everywhere.
#[must_use]
pub fn patience(seconds: u64) -> Duration {
    Duration::from_secs(if is_guest() { 6 * seconds } else { seconds })
}

/// The pause between two parts of a load, twenty times as long in a guest: it is to be busy, and not to be nothing else.
#[must_use]
pub fn pace(pause: Duration) -> Duration {
    if is_guest() { 20 * pause } else { pause }
}

/// How many random cases to try, or times to repeat what is always the same: a tenth in a guest, where each costs as much as
/// twenty elsewhere. What they vary is the packet, and the kernel's part in that is the same for the first hundred.
#[must_use]
pub fn cases(many: u32) -> u32 {
    if is_guest() { many.div_ceil(10) } else { many }
}
