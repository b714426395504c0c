//! Whose program is it? What the kernel keeps of a loaded program, and which processes hold it.

use std::{
    fs, io,
    os::fd::AsFd as _,
    time::{Duration, SystemTime},
};

use nix::time::{ClockId, clock_gettime};

use crate::sys::{self, Command};

/// A loaded program, as `BPF_OBJ_GET_INFO_BY_FD` describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramInfo {
    pub id: u32,
    /// At most 15 characters; the kernel keeps no more.
    pub name: String,
    /// SHA of the instructions, eight bytes in hexadecimal.
    pub tag: String,
    pub loaded_at: SystemTime,
    pub uid: u32,
    /// The processes that hold the program or a link of it: (pid, command). Empty for pinned ones.
    pub holders: Vec<(u32, String)>,
}

impl ProgramInfo {
    /// Needs `CAP_SYS_ADMIN`.
    pub fn of(id: u32) -> io::Result<Self> {
        let fd = sys::fd_by_id(Command::ProgFdById, id)?;
        let mut info = [0; 104];
        sys::info(fd.as_fd(), &mut info)?;
        let since_boot = u64::from_ne_bytes(info[40..48].try_into().expect("eight bytes"));
        Ok(Self {
            id,
            name: info[64..80].iter().take_while(|byte| **byte != 0).map(|byte| char::from(*byte)).collect(),
            tag: info[8..16].iter().map(|byte| format!("{byte:02x}")).collect(),
            loaded_at: wall_clock(Duration::from_nanos(since_boot)),
            uid: u32::from_ne_bytes(info[48..52].try_into().expect("four bytes")),
            holders: holders(id),
        })
    }
}

/// The kernel counts from boot, suspended time included.
fn wall_clock(since_boot: Duration) -> SystemTime {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(since_boot, Duration::from);
    SystemTime::now() - now.saturating_sub(since_boot)
}

/// Processes with a descriptor whose `fdinfo` names the program: the program itself, or a link.
fn holders(id: u32) -> Vec<(u32, String)> {
    let mut holders = Vec::new();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
        // Our own descriptor, open for the question, is no answer.
        if pid == std::process::id() {
            continue;
        }
        let files = fs::read_dir(format!("/proc/{pid}/fdinfo")).into_iter().flatten().flatten();
        let holds = |file: fs::DirEntry| fs::read_to_string(file.path()).is_ok_and(|text| names(&text, id));
        if files.into_iter().any(holds) {
            let command = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            holders.push((pid, command.trim().to_owned()));
        }
    }
    holders
}

fn names(fdinfo: &str, id: u32) -> bool {
    let value = fdinfo.lines().find_map(|line| line.strip_prefix("prog_id:"));
    value.is_some_and(|value| value.trim().parse() == Ok(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fdinfo_names_programs_and_links_of_programs() {
        assert!(names("pos:\t0\nlink_type:\txdp\nlink_id:\t4\nprog_tag:\tab\nprog_id:\t17\n", 17));
        assert!(!names("prog_id:\t17\n", 1));
        assert!(!names("map_id:\t17\n", 17));
    }
}
