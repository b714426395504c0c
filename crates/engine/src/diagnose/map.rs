//! Why the kernel makes no map.

use std::io;

use super::{Diagnosis, exit, permission};

pub fn explain(name: &str, entries: u32, source: &io::Error) -> Diagnosis {
    let refused = format!("map `{name}` with {entries} entries");
    match source.raw_os_error() {
        Some(libc::EPERM) => permission::explain(&format!("{refused} cannot be made")),
        Some(libc::ENOMEM) => Diagnosis::new(
            exit::FAILED,
            format!("{refused} does not fit into memory"),
            "give it fewer entries, or this host (or its cgroup: memory.max) more memory",
        ),
        Some(libc::E2BIG | libc::ENOSPC) => Diagnosis::new(
            exit::FAILED,
            format!("{refused} is larger than the kernel allows"),
            "give it fewer entries or smaller values",
        ),
        Some(libc::EINVAL) if entries == 0 => Diagnosis::new(
            exit::FAILED,
            format!("{refused} is refused: it has no `max_entries`"),
            "set it in the map's definition",
        ),
        Some(libc::EINVAL) => Diagnosis::new(
            exit::NOT_SUPPORTED,
            format!(
                "{refused} is refused: this kernel does not know its type or flags, or its sizes are wrong"
            ),
            "`senko doctor` lists the map types of this kernel; ring buffers want a power of two of pages",
        ),
        _ => Diagnosis { cause: format!("{refused}: {source}"), remedy: None, exit_code: exit::FAILED },
    }
}
