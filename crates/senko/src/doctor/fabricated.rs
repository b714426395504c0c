//! Facts of machines that were never there, for tests of verdicts.

use std::collections::BTreeMap;

use engine::{
    capability::{Capabilities, Capability},
    ethtool::Channels,
    kernel_config::KernelConfig,
    mount::Bpffs,
    netlink::XdpFeatures,
    policy::{Jit, Policy},
    probe::{Answer, Helper, MapProbe, Operation, ProgramProbe},
    veth::Peer,
};

use super::{
    check::Check,
    facts::{InterfaceFacts, SystemFacts},
};

/// Everything is there.
pub fn healthy() -> SystemFacts {
    let config = "CONFIG_BPF=y\nCONFIG_BPF_SYSCALL=y\nCONFIG_BPF_JIT=y\nCONFIG_HAVE_EBPF_JIT=y\nCONFIG_INET=y\n\
                  CONFIG_IPV6=m\nCONFIG_XDP_SOCKETS=y\nCONFIG_BPF_EVENTS=y\nCONFIG_DEBUG_INFO_BTF=y\n\
                  CONFIG_NET_CLS_BPF=m\nCONFIG_PAGE_POOL=y\nCONFIG_SYN_COOKIES=y\nCONFIG_NET_NS=y\nCONFIG_VETH=m\n";
    SystemFacts {
        release: "6.1.0-29-amd64".into(),
        machine: "x86_64".into(),
        version: (6, 1),
        config: Some(KernelConfig::parse("/boot/config-6.1.0-29-amd64", config)),
        policy: Policy {
            jit: Some(Jit::On),
            unprivileged_bpf_disabled: Some(2),
            lockdown: Some("none".into()),
            btf_bytes: Some(5_500_000),
            memlock: u64::MAX,
        },
        bpffs: Bpffs { visible: true, elsewhere: vec![], hidden_by_netns_exec: None, init_sees_it: false },
        capabilities: Capabilities::with(&Capability::ALL),
        programs: ProgramProbe::ALL.map(|probe| (probe, Answer::Yes)).into(),
        maps: MapProbe::ALL.map(|probe| (probe, Answer::Yes)).into(),
        helpers: Helper::ALL.map(|helper| (helper, Answer::Yes)).into(),
        operations: Operation::ALL.map(|operation| (operation, Answer::Yes)).into(),
    }
}

/// A card that has all it takes.
pub fn card(driver: &str) -> InterfaceFacts {
    InterfaceFacts {
        name: "eth7".into(),
        ifindex: 7,
        driver: Some(driver.into()),
        up: true,
        mtu: 1500,
        features: Some(XdpFeatures::from_bits(0x7)),
        channels: Some(Channels { max_combined: 8, combined: 4, ..Channels::default() }),
        cpus: 4,
        ..InterfaceFacts::default()
    }
}

/// A fresh veth whose peer is in namespace `blue`.
pub fn veth() -> InterfaceFacts {
    let features = [("rx-gro", false), ("tx-checksum-ip-generic", true)];
    InterfaceFacts {
        name: "veth0".into(),
        kind: Some("veth".into()),
        features: Some(XdpFeatures::from_bits(0x23)),
        channels: Some(Channels { max_rx: 4, max_tx: 4, rx: 1, tx: 1, ..Channels::default() }),
        peer: Some(Peer {
            name: "veth1".into(),
            ifindex: 3,
            namespace: Some("blue".into()),
            mtu: 1500,
            up: true,
            native_program: false,
            features: features
                .map(|(name, on)| (name.to_owned(), on))
                .into_iter()
                .collect::<BTreeMap<_, _>>(),
            tx_queues: Some(1),
        }),
        ..card("veth")
    }
}

/// The check with this name.
pub fn find<'a>(checks: &'a [Check], name: &str) -> &'a Check {
    checks.iter().find(|check| check.name == name).unwrap_or_else(|| panic!("no check {name} in {checks:?}"))
}
