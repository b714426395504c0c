//! The machine's CPUs, as the kernel numbers them.

use std::{fs, io, sync::OnceLock};

use crate::Error;

/// How many CPUs there may ever be: the number of values of a per-CPU map.
pub fn possible_cpus() -> usize {
    static CPUS: OnceLock<usize> = OnceLock::new();
    *CPUS.get_or_init(|| {
        let list = fs::read_to_string("/sys/devices/system/cpu/possible").unwrap_or_default();
        highest(&list).map_or(1, |cpu| cpu + 1)
    })
}

/// Returns when every packet that was being judged at the call is done: XDP programs run inside RCU read sections, and
/// `MEMBARRIER_CMD_GLOBAL` waits for those (`kernel/sched/membarrier.c`).
pub fn wait_for_packets() -> Result<(), Error> {
    const MEMBARRIER_CMD_GLOBAL: i32 = 1;
    // SAFETY: no addresses.
    match unsafe { libc::syscall(libc::SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) } {
        0 => Ok(()),
        _ => Err(Error::System { what: "membarrier".into(), source: io::Error::last_os_error() }),
    }
}

/// The highest number of a list like `0-3,8-11`.
fn highest(list: &str) -> Option<usize> {
    list.trim().split(',').filter_map(|range| range.rsplit('-').next()?.parse().ok()).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_ranges() {
        assert_eq!(highest("0-1\n"), Some(1));
        assert_eq!(highest("0,2-7"), Some(7));
        assert_eq!(highest("0"), Some(0));
        assert_eq!(highest(""), None);
    }
}
