//! What can go wrong in a lab, each with its remedy and the exit code of `senko lab`.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use crate::occupants::{self, Occupant};

/// The errors of this crate. Every message is one sentence with the cause, then the remedy.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    #[error("a lab makes network namespaces and needs root: run `sudo senko {verb}`")]
    NeedsRoot { verb: String },

    #[error(
        "the kernel or the container denies {what} even to root (EPERM): run on the host itself, or in a container started with --privileged"
    )]
    Denied { what: String },

    #[error(
        "lab name `{name}` is not usable: take 1 to 32 of a-z, 0-9, `-` and `_`, beginning with a letter"
    )]
    BadName { name: String },

    #[error("{topology} has {allowed} hosts, not {asked}: {remedy}")]
    HostCount { topology: &'static str, allowed: &'static str, asked: usize, remedy: &'static str },

    #[error(
        "a lab named `{name}` is already there: remove it with `senko lab down {name}`, or take another name"
    )]
    NameTaken { name: String },

    #[error(
        "a lab named `{name}` was left behind by a process that is gone: run `senko lab down --leftovers`"
    )]
    NameLeftOver { name: String },

    #[error(
        "network namespace `{namespace}` is already there and belongs to no lab: run `senko lab down --leftovers`, or `ip netns delete {namespace}`"
    )]
    NamespaceTaken { namespace: String },

    #[error(
        "there is no lab named `{name}`: `senko lab list` shows those there are, `senko lab up {name}` makes it"
    )]
    NoSuchLab { name: String },

    #[error("there is no lab: make one with `senko lab up`")]
    NoLab,

    #[error("there are {} labs ({}): say which, as in `{}/{host}`", names.len(), names.join(", "), names[0])]
    WhichLab { host: String, names: Vec<String> },

    #[error("lab `{lab}` has no host `{host}`: it has {}", hosts.join(", "))]
    NoSuchHost { lab: String, host: String, hosts: Vec<String> },

    #[error(
        "lab `{name}` is in use by the running process {pid} ({command}), which removes it when it ends: stop that process, or run `senko lab down {name} --force`"
    )]
    InUse { name: String, pid: i32, command: String },

    #[error(
        "programs still run inside lab `{name}`: {}; stop them, or run `senko lab down {name} --force` to kill them",
        occupants::describe(occupants)
    )]
    Occupied { name: String, occupants: Vec<Occupant> },

    #[error("{} still run in lab `{name}` after SIGKILL: {}", occupants.len(), occupants::describe(occupants))]
    Unkillable { name: String, occupants: Vec<Occupant> },

    #[error("cannot {action} {}: {source}", path.display())]
    File { action: &'static str, path: PathBuf, source: io::Error },

    #[error("state file {} is not readable as one of ours ({source}): run `senko lab down --leftovers`", path.display())]
    State { path: PathBuf, source: serde_json::Error },

    #[error("cannot {action} in namespace `{namespace}`: {source}")]
    Net { action: String, namespace: String, source: NetError },

    #[error(
        "interface `{interface}` in namespace `{namespace}` did not come up within {seconds} s: {missing}"
    )]
    NotReady { interface: String, namespace: String, seconds: u64, missing: &'static str },

    #[error("program `{program}` is not installed: {remedy}")]
    Missing { program: &'static str, remedy: &'static str },

    #[error("ping {target} from {host} failed: {output}")]
    Ping { host: String, target: IpAddr, output: String },

    #[error("cannot {action} from {host} to {peer}: {source}")]
    Traffic { action: &'static str, host: String, peer: SocketAddr, source: io::Error },

    #[error(
        "{peer} sent other bytes back to {host} than it was given: the first difference is at byte {offset}"
    )]
    Corrupted { host: String, peer: SocketAddr, offset: usize },

    #[error("cannot {action} on interface `{interface}` of {host}: {source}")]
    Packet { action: &'static str, host: String, interface: String, source: io::Error },

    #[error("cannot start `{program}` in {host}: {source}")]
    Spawn { program: String, host: String, source: io::Error },

    #[error("cannot write the result: {0}")]
    Output(io::Error),
}

/// A refused request to the network stack: netlink or a setting under /proc/sys.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("netlink answered with something that is not a message ({0})")]
    Decode(#[from] netlink_packet_core::DecodeError),
    #[error("netlink ended without an answer")]
    NoAnswer,
}

impl LabError {
    /// The exit code of `senko lab` (0 to 7, as for every command): 3 not permitted, 2 usage,
    /// 1 for the rest.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NeedsRoot { .. } | Self::Denied { .. } => 3,
            Self::BadName { .. } | Self::HostCount { .. } | Self::WhichLab { .. } => 2,
            Self::File { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => 3,
            _ => 1,
        }
    }

    pub(crate) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}
