//! What was found, before anyone judges it.

use std::collections::BTreeMap;

use engine::{
    Mode, Occupant,
    capability::Capabilities,
    ethtool::Channels,
    kernel_config::KernelConfig,
    mount::Bpffs,
    netlink::XdpFeatures,
    policy::Policy,
    probe::{Answer, Helper, MapProbe, Operation, ProgramProbe},
    veth::Peer,
};

#[derive(Debug, Clone)]
pub struct SystemFacts {
    /// As `uname -r` and `uname -m` print them.
    pub release: String,
    pub machine: String,
    /// Major and minor number.
    pub version: (u32, u32),
    pub config: Option<KernelConfig>,
    pub policy: Policy,
    pub bpffs: Bpffs,
    pub capabilities: Capabilities,
    pub programs: Vec<(ProgramProbe, Answer)>,
    pub maps: Vec<(MapProbe, Answer)>,
    pub helpers: Vec<(Helper, Answer)>,
    pub operations: Vec<(Operation, Answer)>,
}

#[derive(Debug, Clone, Default)]
pub struct InterfaceFacts {
    pub name: String,
    pub ifindex: u32,
    /// The namespace that was asked for with `--netns`: remedies have to name it.
    pub netns: Option<String>,
    pub kind: Option<String>,
    pub driver: Option<String>,
    pub up: bool,
    pub mtu: u32,
    pub max_mtu: Option<u32>,
    /// The bond or bridge it belongs to: (name, kind).
    pub controller: Option<(String, String)>,
    /// The interface below a VLAN.
    pub parent: Option<String>,
    /// Members of a bond or bridge.
    pub members: Vec<String>,
    /// `None`: the kernel does not say (before 6.3).
    pub features: Option<XdpFeatures>,
    /// With `--probe`.
    pub native_trial: Option<TrialFact>,
    pub generic_trial: Option<TrialFact>,
    pub channels: Option<Channels>,
    pub cpus: u32,
    pub offloads: BTreeMap<String, bool>,
    /// The other end of a veth, when we may look at it.
    pub peer: Option<Peer>,
    pub programs: Vec<Occupant>,
}

#[derive(Debug, Clone)]
pub enum TrialFact {
    Works,
    Occupied,
    Denied,
    Refused(String),
}

impl InterfaceFacts {
    pub fn is_veth(&self) -> bool {
        self.kind.as_deref() == Some("veth")
    }

    /// Whether native mode works, as far as features and a trial tell.
    pub fn native(&self) -> Option<bool> {
        match &self.native_trial {
            Some(TrialFact::Works) => return Some(true),
            Some(TrialFact::Refused(_)) => return Some(false),
            _ => {}
        }
        let attached = self.programs.iter().any(|program| program.mode == Mode::Native);
        if attached { Some(true) } else { self.features.map(|features| features.basic()) }
    }
}
