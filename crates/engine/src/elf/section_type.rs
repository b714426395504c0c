//! What kind of program a section's name announces.

/// Where an XDP program is called from; the number is its `enum bpf_attach_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum XdpHook {
    Devmap = 33,
    Cpumap = 35,
    Interface = 37,
}

/// The type of the programs in one section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SectionType {
    Xdp { frags: bool, hook: XdpHook },
    RawTracepoint,
    Classifier,
    Other,
}

/// Names that libbpf and aya give to programs of other types, up to the first `/` or `.`.
const OTHERS: [&str; 39] = [
    "action",
    "cgroup",
    "cgroup_skb",
    "fentry",
    "fexit",
    "flow_dissector",
    "fmod_ret",
    "freplace",
    "iter",
    "kprobe",
    "kretprobe",
    "kretsyscall",
    "ksyscall",
    "lirc_mode2",
    "lsm",
    "lsm_cgroup",
    "lwt_in",
    "lwt_out",
    "lwt_seg6local",
    "lwt_xmit",
    "netfilter",
    "netkit",
    "perf_event",
    "sk_lookup",
    "sk_msg",
    "sk_reuseport",
    "sk_skb",
    "socket",
    "socket_filter",
    "sockops",
    "struct_ops",
    "syscall",
    "tp",
    "tp_btf",
    "tracepoint",
    "uprobe",
    "uretprobe",
    "usdt",
    "raw_tracepoint_writable",
];

/// A name that nobody uses for anything else is an XDP program's: `prog`, `xdp_prog_old`, `ingress` and the like were
/// free to choose while `ip link set … xdp obj … sec NAME` was the loader.
pub fn section_type(name: &str) -> SectionType {
    let mut pieces = name.split('/');
    let first = pieces.next().unwrap_or("");
    let hook = match (first, pieces.next()) {
        ("xdp" | "xdp.frags", Some("devmap")) | ("xdp_devmap", _) => XdpHook::Devmap,
        ("xdp" | "xdp.frags", Some("cpumap")) | ("xdp_cpumap", _) => XdpHook::Cpumap,
        _ => XdpHook::Interface,
    };
    let family = first.split('.').next().unwrap_or("");
    match family {
        "raw_tp" | "raw_tracepoint" => SectionType::RawTracepoint,
        "classifier" | "tc" | "tcx" => SectionType::Classifier,
        _ if OTHERS.contains(&family) => SectionType::Other,
        _ => SectionType::Xdp { frags: first == "xdp.frags", hook },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(frags: bool) -> SectionType {
        SectionType::Xdp { frags, hook: XdpHook::Interface }
    }

    #[test]
    fn names_old_and_new() {
        for name in ["xdp", "xdp/anything", "prog", "xdp_prog_old", "ingress", "xdp_devmap2", "xdp/a/devmap"]
        {
            assert_eq!(section_type(name), interface(false), "{name}");
        }
        assert_eq!(section_type("xdp.frags"), interface(true));
        assert_eq!(section_type("xdp.frags/anything"), interface(true));
        assert_eq!(
            section_type("xdp/devmap/second"),
            SectionType::Xdp { frags: false, hook: XdpHook::Devmap }
        );
        assert_eq!(section_type("xdp.frags/cpumap"), SectionType::Xdp { frags: true, hook: XdpHook::Cpumap });
        for name in ["kprobe.multi/x", "fentry.s/y", "cgroup/connect4", "action"] {
            assert_eq!(section_type(name), SectionType::Other, "{name}");
        }
        for name in ["tc", "tcx/ingress", "classifier"] {
            assert_eq!(section_type(name), SectionType::Classifier, "{name}");
        }
        assert_eq!(section_type("raw_tp/xdp_exception"), SectionType::RawTracepoint);
    }
}
