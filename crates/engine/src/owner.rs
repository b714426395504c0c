//! Which processes hold links and programs open: `/proc/PID/fdinfo` says so.

use std::{fs, path::Path};

/// A process.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holder {
    pub pid: u32,
    /// The kernel's name of it, at most 15 bytes.
    pub command: String,
}

/// What a descriptor refers to, by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    Link(u32),
    Program(u32),
}

/// All descriptors of links and programs of all processes that this one may look into, but for its own.
pub fn holders() -> Vec<(Held, Holder)> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let own = std::process::id();
    let mut all = Vec::new();
    for process in processes.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        if pid == own {
            continue;
        }
        let held = held_by(&process.path());
        if held.is_empty() {
            continue;
        }
        let command = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
        let holder = Holder { pid, command: command.trim_end().into() };
        all.extend(held.into_iter().map(|held| (held, holder.clone())));
    }
    all
}

fn held_by(process: &Path) -> Vec<Held> {
    // Processes end while we look, and those of others may be closed to us.
    let Ok(fds) = fs::read_dir(process.join("fd")) else { return Vec::new() };
    fds.flatten()
        .filter(|fd| {
            fs::read_link(fd.path())
                .is_ok_and(|target| target.to_string_lossy().starts_with("anon_inode:bpf"))
        })
        .filter_map(|fd| parse(&fs::read_to_string(process.join("fdinfo").join(fd.file_name())).ok()?))
        .collect()
}

/// A link's record also names its program, so the link is looked for first.
fn parse(fdinfo: &str) -> Option<Held> {
    let field = |name: &str| {
        fdinfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.trim().parse().ok())
    };
    field("link_id").map(Held::Link).or_else(|| field("prog_id").map(Held::Program))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_links_and_programs() {
        let link = "pos:\t0\nflags:\t02000002\nlink_type:\txdp\nlink_id:\t7\nprog_tag:\tabc\nprog_id:\t9\n";
        assert_eq!(parse(link), Some(Held::Link(7)));
        assert_eq!(parse("prog_type:\t6\nprog_id:\t9\n"), Some(Held::Program(9)));
        assert_eq!(parse("map_type:\t2\nmap_id:\t4\n"), None);
    }
}
