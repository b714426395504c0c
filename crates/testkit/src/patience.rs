//! How long a test waits for what must come.

use std::{sync::OnceLock, time::Duration};

/// An emulated processor is ten to twenty times as slow, and most of a wait is not work.
const IN_A_GUEST: u32 = 6;

/// How long to wait for something before the test fails: these seconds, and more of them in a guest of `cargo xtask vm`,
/// which says so by `SENKO_KERNEL`. For deadlines only; a time that is part of what is tested is the same everywhere.
#[must_use]
pub fn patience(seconds: u64) -> Duration {
    static TIMES: OnceLock<u32> = OnceLock::new();
    let times = TIMES.get_or_init(|| if std::env::var_os("SENKO_KERNEL").is_some() { IN_A_GUEST } else { 1 });
    Duration::from_secs(seconds) * *times
}
