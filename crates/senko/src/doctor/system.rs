//! Verdicts about the system, apart from what was probed.

use engine::{
    capability::Capability,
    kernel_config::{KernelConfig, Setting},
    mount::BPFFS,
    policy::Jit,
};

use super::{
    check::{AS_ROOT, Check},
    facts::SystemFacts,
};

pub const KERNEL: &str = "kernel";
pub const CONFIG: &str = "config";
pub const CAPABILITIES: &str = "capabilities";

pub fn checks(facts: &SystemFacts) -> Vec<Check> {
    let mut checks =
        vec![release(facts), jit(facts), btf(facts), bpffs(facts), lockdown(facts), unprivileged(facts)];
    // Since 5.11 maps are accounted to the control group.
    if facts.version < (5, 11) {
        checks.push(memlock(facts));
    }
    checks.extend(config(facts));
    checks.extend(capabilities(facts));
    checks
}

fn release(facts: &SystemFacts) -> Check {
    let check = Check::new(KERNEL, "release", "senko").required(true);
    let found = format!("Linux {} on {}", facts.release, facts.machine);
    if facts.version >= (5, 10) { check.ok(found) } else { check.missing(found, "run Linux 5.10 or newer") }
}

fn jit(facts: &SystemFacts) -> Check {
    let check = Check::new(KERNEL, "jit", "speed: without it programs are interpreted");
    let always =
        facts.config.as_ref().is_some_and(|config| config.get("BPF_JIT_ALWAYS_ON") == Setting::BuiltIn);
    match facts.policy.jit {
        Some(Jit::On) => check.ok("on"),
        None if always => check.ok("always on"),
        Some(Jit::Off) => check.missing("off", "sysctl -w net.core.bpf_jit_enable=1"),
        Some(Jit::Debug) => check
            .missing("on, writing every program to the kernel log", "sysctl -w net.core.bpf_jit_enable=1"),
        None => check.unknown("/proc/sys/net/core/bpf_jit_enable is for root only", Some(AS_ROOT)),
    }
}

fn btf(facts: &SystemFacts) -> Check {
    let check = Check::new(KERNEL, "btf", "objects with CO-RE relocations, typed tracepoints");
    match facts.policy.btf_bytes {
        Some(bytes) => check.ok(format!("/sys/kernel/btf/vmlinux, {:.1} MB", bytes as f64 / 1e6)),
        None => check.missing(
            "no /sys/kernel/btf/vmlinux",
            "run a kernel with CONFIG_DEBUG_INFO_BTF=y; senko's own programs do without",
        ),
    }
}

fn bpffs(facts: &SystemFacts) -> Check {
    let check = Check::new(KERNEL, "bpffs", "pins: programs that stay after senko exits");
    let bpffs = &facts.bpffs;
    if bpffs.visible {
        return check.ok(format!("at {BPFFS}"));
    }
    if let Some(name) = &bpffs.hidden_by_netns_exec {
        return check.missing(
            format!("hidden: `ip netns exec {name}` puts a fresh /sys over it, and `--netns` does not"),
            format!("senko --netns {name} doctor"),
        );
    }
    if bpffs.init_sees_it {
        return check.missing(
            "mounted on the system, but not in this mount namespace",
            "bind /sys/fs/bpf into the container, or run senko outside it",
        );
    }
    let elsewhere = match bpffs.elsewhere.first() {
        Some(place) => format!("not at {BPFFS}, but at {place}"),
        None => "not mounted".into(),
    };
    check.missing(elsewhere, format!("mount -t bpf bpf {BPFFS}"))
}

fn lockdown(facts: &SystemFacts) -> Check {
    let check = Check::new(KERNEL, "lockdown", "tracing programs; not XDP");
    match facts.policy.lockdown.as_deref() {
        Some("none") => check.ok("none"),
        Some(level) => check.missing(
            format!("{level}: some kinds of program and helper are forbidden, also to root"),
            "boot with lockdown=none and without Secure Boot, if you need those; senko does not",
        ),
        None => check.unknown(
            "/sys/kernel/security/lockdown is not there",
            Some("mount -t securityfs securityfs /sys/kernel/security"),
        ),
    }
}

fn unprivileged(facts: &SystemFacts) -> Check {
    let check = Check::new(KERNEL, "unprivileged_bpf", "keeping other users away from the verifier");
    match facts.policy.unprivileged_bpf_disabled {
        Some(0) => check.missing(
            "any user may load some kinds of program",
            "sysctl -w kernel.unprivileged_bpf_disabled=2",
        ),
        Some(_) => check.ok("off"),
        None => check.unknown("the kernel does not say", None),
    }
}

fn memlock(facts: &SystemFacts) -> Check {
    let check = Check::new(KERNEL, "memlock", "maps, on kernels before 5.11");
    match facts.policy.memlock {
        u64::MAX => check.ok("no limit"),
        bytes => check.missing(
            format!("RLIMIT_MEMLOCK is {} KiB", bytes / 1024),
            "ulimit -l unlimited    # in a systemd unit: LimitMEMLOCK=infinity",
        ),
    }
}

/// (option, what needs it, senko does not work without it)
const OPTIONS: [(&str, &str, bool); 14] = [
    ("BPF", "eBPF", true),
    ("BPF_SYSCALL", "loading programs", true),
    ("BPF_JIT", "speed", false),
    ("HAVE_EBPF_JIT", "speed: a JIT for this processor", false),
    ("INET", "bpf_fib_lookup", true),
    ("IPV6", "IPv6", false),
    ("XDP_SOCKETS", "AF_XDP sockets", false),
    ("BPF_EVENTS", "tracepoints: errors of redirects", false),
    ("DEBUG_INFO_BTF", "objects with CO-RE relocations", false),
    ("NET_CLS_BPF", "tc programs beside XDP", false),
    ("PAGE_POOL", "live frames, native mode in many drivers", false),
    ("SYN_COOKIES", "SYN cookies made in XDP", false),
    ("NET_NS", "--netns, senko lab", false),
    ("VETH", "senko lab", false),
];

fn config(facts: &SystemFacts) -> Vec<Check> {
    let Some(config) = &facts.config else {
        let found = format!(
            "neither /proc/config.gz nor /boot/config-{0} nor /lib/modules/{0}/config can be read; what was tried counts",
            facts.release
        );
        return vec![Check::new(CONFIG, "source", "explaining what is missing").unknown(found, None)];
    };
    OPTIONS.iter().map(|option| self::option(config, *option)).collect()
}

fn option(config: &KernelConfig, (name, needed_for, required): (&str, &str, bool)) -> Check {
    let check = Check::new(CONFIG, format!("CONFIG_{name}"), needed_for).required(required);
    match config.get(name) {
        Setting::BuiltIn => check.ok("built in"),
        Setting::Module => check.ok("module"),
        Setting::Off => check
            .missing(format!("not set in {}", config.source), format!("run a kernel with CONFIG_{name}=y")),
    }
}

fn capabilities(facts: &SystemFacts) -> Vec<Check> {
    let uses = |capability| match capability {
        Capability::Bpf => ("loading programs, making maps", true),
        Capability::NetAdmin => ("attaching XDP", true),
        Capability::Perfmon => ("tracepoints, programs without Spectre fix-ups", false),
        Capability::SysAdmin => ("looking at other people's programs and maps, --netns", false),
        Capability::NetRaw => ("AF_XDP sockets", false),
    };
    let check = |capability: Capability| {
        let (needed_for, required) = uses(capability);
        let check = Check::new(CAPABILITIES, capability.name(), needed_for).required(required);
        match facts.capabilities.has(capability) {
            true => check.ok("held"),
            false if facts.capabilities.in_user_namespace => check.missing(
                "not held: this is a user namespace, whose root is not the system's",
                "run senko outside the container, or in one without user namespace",
            ),
            false => check.missing("not held", AS_ROOT),
        }
    };
    Capability::ALL.into_iter().map(check).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{
        check::State,
        fabricated::{find, healthy},
    };

    #[test]
    fn a_healthy_system_has_nothing_to_say() {
        for check in checks(&healthy()) {
            assert_eq!((check.state, check.remedy), (State::Ok, None), "{}", check.name);
        }
    }

    #[test]
    fn the_floor_is_5_10() {
        let at = |version| find(&checks(&SystemFacts { version, ..healthy() }), "release").state;
        assert_eq!((at((5, 9)), at((5, 10)), at((10, 0))), (State::Bad, State::Ok, State::Ok));
    }

    #[test]
    fn only_kernels_before_5_11_have_a_memlock_limit() {
        let mut facts = SystemFacts { version: (5, 10), ..healthy() };
        facts.policy.memlock = 65_536;
        assert_eq!(find(&checks(&facts), "memlock").state, State::Warn);
        facts.version = (5, 11);
        assert!(checks(&facts).iter().all(|check| check.name != "memlock"));
    }

    #[test]
    fn the_bpffs_line_says_why() {
        let mut facts = healthy();
        facts.bpffs.visible = false;
        let remedy = |facts: &SystemFacts| find(&checks(facts), "bpffs").remedy.clone().expect("a remedy");
        assert_eq!(remedy(&facts), "mount -t bpf bpf /sys/fs/bpf");
        facts.bpffs.hidden_by_netns_exec = Some("blue".into());
        assert_eq!(remedy(&facts), "senko --netns blue doctor");
        assert_eq!(find(&checks(&facts), "bpffs").state, State::Warn);
    }

    #[test]
    fn options_say_where_they_were_read() {
        let facts =
            SystemFacts { config: Some(KernelConfig::parse("/boot/config-x", "CONFIG_BPF=y")), ..healthy() };
        let all = checks(&facts);
        assert_eq!(find(&all, "CONFIG_BPF").state, State::Ok);
        assert_eq!(find(&all, "CONFIG_BPF_SYSCALL").state, State::Bad);
        assert_eq!(find(&all, "CONFIG_XDP_SOCKETS").state, State::Warn);
        assert!(find(&all, "CONFIG_XDP_SOCKETS").found.contains("/boot/config-x"));
        assert_eq!(find(&checks(&SystemFacts { config: None, ..healthy() }), "source").state, State::Unknown);
    }

    #[test]
    fn a_user_namespace_is_not_cured_by_sudo() {
        let mut facts = healthy();
        facts.capabilities = engine::capability::Capabilities::default();
        let remedy = |facts: &SystemFacts| find(&checks(facts), "CAP_BPF").remedy.clone().expect("a remedy");
        assert_eq!(remedy(&facts), AS_ROOT);
        facts.capabilities.in_user_namespace = true;
        assert!(!remedy(&facts).contains("sudo"));
        assert_eq!(find(&checks(&facts), "CAP_BPF").state, State::Bad);
    }
}
