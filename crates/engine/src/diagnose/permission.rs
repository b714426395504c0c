//! What a process may not do, and who says so.

use super::{Diagnosis, exit};

/// Bits of `CapEff` (`include/uapi/linux/capability.h`); `CAP_SYS_ADMIN` stands for `CAP_BPF` and `CAP_PERFMON`.
const NET_ADMIN: u64 = 1 << 12;
const SYS_ADMIN: u64 = 1 << 21;
const SYS_RESOURCE: u64 = 1 << 24;
const BPF: u64 = 1 << 39;

pub fn explain(refused: &str) -> Diagnosis {
    let capabilities = effective_capabilities(&read("/proc/self/status")).unwrap_or(u64::MAX);
    let lockdown = read("/sys/kernel/security/lockdown");
    diagnosis(refused, capabilities, &lockdown, crate::btf::release())
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn effective_capabilities(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

fn diagnosis(refused: &str, capabilities: u64, lockdown: &str, release: (u32, u32)) -> Diagnosis {
    let mut missing = Vec::new();
    if capabilities & (BPF | SYS_ADMIN) == 0 {
        missing.push("CAP_BPF");
    }
    if capabilities & NET_ADMIN == 0 {
        missing.push("CAP_NET_ADMIN");
    }
    // Before 5.11 maps and programs count against RLIMIT_MEMLOCK, and going over it is EPERM.
    let memlock = release < (5, 11);
    if memlock && capabilities & SYS_RESOURCE == 0 {
        missing.push("CAP_SYS_RESOURCE (or `ulimit -l unlimited`)");
    }
    let not_permitted = |cause: String, remedy: &str| Diagnosis::new(exit::NOT_PERMITTED, cause, remedy);
    if !missing.is_empty() {
        return not_permitted(
            format!("{refused}: not permitted: this process lacks {}", missing.join(" and ")),
            "run it as root, or give the unit AmbientCapabilities=CAP_BPF CAP_NET_ADMIN CAP_PERFMON",
        );
    }
    if memlock {
        return not_permitted(
            format!("{refused}: not permitted: kernels before 5.11 limit locked memory"),
            "run `ulimit -l unlimited` first, or give the unit LimitMEMLOCK=infinity",
        );
    }
    if ["[integrity]", "[confidentiality]"].iter().any(|mode| lockdown.contains(mode)) {
        return not_permitted(
            format!(
                "{refused}: not permitted, though the capabilities are there: this kernel is locked down"
            ),
            "see /sys/kernel/security/lockdown; it loosens only at boot, without Secure Boot or lockdown=",
        );
    }
    not_permitted(
        format!("{refused}: not permitted, though the capabilities are there: a security module refuses"),
        "see /sys/kernel/security/lsm for the modules, and the audit log for their reason",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_its_words() {
        let none = diagnosis("x", 0, "", (6, 1));
        assert!(none.cause.contains("CAP_BPF and CAP_NET_ADMIN"), "{none:?}");
        assert_eq!(none.exit_code, exit::NOT_PERMITTED);
        let admin = diagnosis("x", SYS_ADMIN, "", (6, 1));
        assert!(admin.cause.contains("lacks CAP_NET_ADMIN"), "{admin:?}");
        let old = diagnosis("x", SYS_ADMIN | NET_ADMIN, "", (5, 10));
        assert!(old.cause.contains("SYS_RESOURCE"), "{old:?}");
        let locked = diagnosis("x", u64::MAX, "none [integrity] confidentiality\n", (6, 1));
        assert!(locked.cause.contains("locked down"), "{locked:?}");
        let module = diagnosis("x", u64::MAX, "[none] integrity confidentiality\n", (6, 1));
        assert!(module.cause.contains("security module"), "{module:?}");
    }

    #[test]
    fn capabilities_are_read() {
        assert_eq!(effective_capabilities("CapPrm:\t0\nCapEff:\t000000ffffffffff\n"), Some(0xff_ffff_ffff));
        assert_eq!(effective_capabilities("Name:\tx\n"), None);
    }
}
