//! The other end of a veth pair, also when it is in another network namespace.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    os::{fd::AsFd as _, unix::fs::MetadataExt as _},
    path::PathBuf,
    thread,
};

use nix::sched::{CloneFlags, setns};

use crate::{
    Mode,
    ethtool::Ethtool,
    netlink::{self, LinkFacts},
};

/// The largest MTU of a peer that native mode takes without frags: one page less the headroom for XDP,
/// `struct skb_shared_info` (320 bytes on 64 bits) and the Ethernet header. `veth_xdp_set` in `drivers/net/veth.c`;
/// measured on 6.18 with 4 KiB pages: 3506 attaches, 3507 does not.
pub fn max_mtu() -> u32 {
    page_size() - 256 - 320 - 14
}

/// With frags a frame may have 17 more pages.
pub fn max_mtu_frags() -> u32 {
    max_mtu() + 17 * page_size()
}

fn page_size() -> u32 {
    let size = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten();
    size.and_then(|size| size.try_into().ok()).unwrap_or(4096)
}

/// The other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    pub name: String,
    pub ifindex: u32,
    /// The namespace's name, or the path of one without a name; `None`: in ours.
    pub namespace: Option<String>,
    pub mtu: u32,
    pub up: bool,
    pub native_program: bool,
    pub features: BTreeMap<String, bool>,
    pub tx_queues: Option<u32>,
}

/// Finds the other end of `link`; `None` when no namespace that we may enter has it.
pub fn peer(link: &LinkFacts) -> Option<Peer> {
    let ifindex = link.peer_ifindex?;
    let Some(id) = link.peer_netns else { return describe(ifindex, None) };
    let path = namespaces()
        .into_iter()
        .find(|path| File::open(path).is_ok_and(|file| netlink::namespace_id(file.as_fd()) == Some(id)))?;
    let name = path.strip_prefix(NAMED).map_or(path.clone(), |name| name.to_owned()).display().to_string();
    // A thread of its own, because a namespace is entered for good.
    thread::spawn(move || {
        setns(File::open(path).ok()?, CloneFlags::CLONE_NEWNET).ok()?;
        describe(ifindex, Some(name))
    })
    .join()
    .ok()?
}

const NAMED: &str = "/run/netns";

/// Namespaces with names first, then those that only processes are in, each once.
fn namespaces() -> Vec<PathBuf> {
    let entries = |dir: &str| fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut seen = BTreeSet::new();
    entries(NAMED)
        .chain(entries("/proc").map(|process| process.join("ns/net")))
        .filter(|path| fs::metadata(path).is_ok_and(|meta| seen.insert((meta.dev(), meta.ino()))))
        .collect()
}

fn describe(ifindex: u32, namespace: Option<String>) -> Option<Peer> {
    let link = netlink::links().ok()?.into_iter().find(|link| link.ifindex == ifindex)?;
    if link.kind.as_deref() != Some("veth") {
        return None;
    }
    let ethtool = Ethtool::open().ok()?;
    Some(Peer {
        ifindex,
        namespace,
        mtu: link.mtu,
        up: link.up,
        native_program: link.programs.iter().any(|program| program.mode == Mode::Native),
        features: ethtool.features(&link.name).unwrap_or_default(),
        tx_queues: ethtool.channels(&link.name).ok().map(|channels| channels.tx_queues()),
        name: link.name,
    })
}
