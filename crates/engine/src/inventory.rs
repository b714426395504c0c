//! What the kernel holds: XDP programs, the links that attach them, and who keeps them there.

use std::{
    io,
    os::fd::AsFd,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use crate::{
    Error, Mode,
    bpffs::{self, Pinned},
    netlink,
    owner::{self, Holder},
    sys::{self, Command},
};

/// `BPF_LINK_TYPE_XDP`.
const LINK_XDP: u32 = 6;
/// `struct bpf_prog_info` as of Linux 6.x; older kernels fill less.
const PROGRAM_INFO: usize = 232;

/// A program of the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramFacts {
    pub id: u32,
    /// At most 15 bytes: the kernel cuts longer names.
    pub name: String,
    /// A digest of its instructions, as bpftool prints it.
    pub tag: String,
    pub loaded: SystemTime,
    pub uid: u32,
    pub map_ids: Vec<u32>,
    /// Counted only while `kernel.bpf_stats_enabled` is 1.
    pub run_count: u64,
    pub run_time: Duration,
}

/// A `bpf_link` that attaches an XDP program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct XdpLink {
    pub id: u32,
    pub program_id: u32,
    /// 0 when the interface is gone. Unique in one network namespace only.
    pub ifindex: u32,
}

/// A program on an interface, and everything that keeps it there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occupant {
    pub mode: Mode,
    pub program_id: u32,
    /// `None` when this process may not look (it takes `CAP_SYS_ADMIN`) or the program has just gone.
    pub program: Option<ProgramFacts>,
    /// None: attached over netlink, as `ip link set … xdp` does. Several when namespaces share an interface number
    /// and a program; then it is unknown which one is this interface's.
    pub links: Vec<XdpLink>,
    /// Pins of the links, the program and its maps.
    pub pins: Vec<PathBuf>,
    /// Processes with the link (or, without one, the program) open.
    pub holders: Vec<Holder>,
}

impl Occupant {
    /// The one link, if it is one.
    pub fn link(&self) -> Option<XdpLink> {
        match self.links[..] {
            [link] => Some(link),
            _ => None,
        }
    }
}

fn word(info: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes([info[at], info[at + 1], info[at + 2], info[at + 3]])
}

fn long(info: &[u8], at: usize) -> u64 {
    u64::from(word(info, at)) | u64::from(word(info, at + 4)) << 32
}

/// A program by its id.
pub fn program(id: u32) -> io::Result<ProgramFacts> {
    let fd = sys::fd_by_id(Command::ProgFdById, id)?;
    let mut info = [0; PROGRAM_INFO];
    sys::info(fd.as_fd(), &mut info)?;
    let mut map_ids = vec![0_u32; word(&info, 52) as usize];
    let loaded = boot_time() + Duration::from_nanos(long(&info, 40));
    let facts = ProgramFacts {
        id,
        name: info[64..80].iter().take_while(|b| **b != 0).map(|b| char::from(*b)).collect(),
        tag: info[8..16].iter().map(|byte| format!("{byte:02x}")).collect(),
        loaded,
        uid: word(&info, 48),
        map_ids: Vec::new(),
        run_count: long(&info, 200),
        run_time: Duration::from_nanos(long(&info, 192)),
    };
    if map_ids.is_empty() {
        return Ok(facts);
    }
    // The second question has nothing but room for the maps' ids.
    let mut info = [0; PROGRAM_INFO];
    info[52..56].copy_from_slice(&(map_ids.len() as u32).to_ne_bytes());
    info[56..64].copy_from_slice(&(map_ids.as_mut_ptr() as u64).to_ne_bytes());
    sys::info(fd.as_fd(), &mut info)?;
    map_ids.truncate(word(&info, 52) as usize);
    Ok(ProgramFacts { map_ids, ..facts })
}

fn boot_time() -> SystemTime {
    use nix::time::{ClockId, clock_gettime};
    let since_boot = clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from);
    SystemTime::now().checked_sub(since_boot).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// All XDP links of the kernel, of all network namespaces.
pub fn xdp_links() -> io::Result<Vec<XdpLink>> {
    let mut links = Vec::new();
    let mut id = 0;
    while let Some(next) = sys::next_id(Command::LinkNextId, id)? {
        id = next;
        // A link that goes away between the two calls is no error.
        let Ok(fd) = sys::fd_by_id(Command::LinkFdById, id) else { continue };
        if let Some(link) = xdp_link(fd.as_fd()) {
            links.push(link);
        }
    }
    Ok(links)
}

/// What a descriptor says about its link; `None` when it is not an XDP link.
pub fn xdp_link(fd: std::os::fd::BorrowedFd<'_>) -> Option<XdpLink> {
    let mut info = [0; 64];
    sys::info(fd, &mut info).ok()?;
    (word(&info, 0) == LINK_XDP).then(|| XdpLink {
        id: word(&info, 4),
        program_id: word(&info, 8),
        ifindex: word(&info, 16),
    })
}

/// Whether the kernel counts runs and their time (`kernel.bpf_stats_enabled`).
pub fn counts_runs() -> bool {
    std::fs::read_to_string("/proc/sys/kernel/bpf_stats_enabled").is_ok_and(|text| text.trim() == "1")
}

/// The programs on one interface of this network namespace.
pub fn occupants(interface: &str) -> Result<Vec<Occupant>, Error> {
    Ok(Inventory::take().occupants(&netlink::link(interface)?))
}

/// One look at all links, pins and processes, to be asked about several interfaces.
#[derive(Debug)]
pub struct Inventory {
    links: Vec<XdpLink>,
    pins: Vec<(PathBuf, Pinned)>,
    holders: Vec<(owner::Held, Holder)>,
}

impl Inventory {
    /// Without `CAP_SYS_ADMIN` it stays poor; that is no error, because the interface still tells its program's id.
    pub fn take() -> Self {
        Self { links: xdp_links().unwrap_or_default(), pins: bpffs::pins(), holders: owner::holders() }
    }

    pub fn occupants(&self, interface: &netlink::LinkFacts) -> Vec<Occupant> {
        interface.programs.iter().map(|attached| self.occupant(interface.ifindex, attached)).collect()
    }

    fn occupant(&self, ifindex: u32, attached: &netlink::AttachedProgram) -> Occupant {
        let program_id = attached.program_id;
        let program = program(program_id).ok();
        let links: Vec<XdpLink> = self
            .links
            .iter()
            .filter(|link| link.ifindex == ifindex && link.program_id == program_id)
            .copied()
            .collect();
        let maps = program.as_ref().map_or(&[][..], |program| &program.map_ids);
        let is_ours = |pinned: Pinned| match pinned {
            Pinned::Link(id) => links.iter().any(|link| link.id == id),
            Pinned::Program(id) => id == program_id,
            Pinned::Map(id) => maps.contains(&id),
        };
        let mut pins: Vec<PathBuf> =
            self.pins.iter().filter(|(_, pinned)| is_ours(*pinned)).map(|(path, _)| path.clone()).collect();
        pins.sort();
        let is_held = |held: owner::Held| match held {
            owner::Held::Link(id) => links.iter().any(|link| link.id == id),
            owner::Held::Program(id) => links.is_empty() && id == program_id,
        };
        let mut holders: Vec<Holder> = self
            .holders
            .iter()
            .filter(|(held, _)| is_held(*held))
            .map(|(_, holder)| holder.clone())
            .collect();
        holders.sort();
        holders.dedup();
        Occupant { mode: attached.mode, program_id, program, links, pins, holders }
    }
}
