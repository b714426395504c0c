//! What this process may do: its effective capabilities (`capabilities(7)`).

use std::fs;

/// A capability by its number in `include/uapi/linux/capability.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Capability {
    NetAdmin = 12,
    NetRaw = 13,
    SysAdmin = 21,
    Perfmon = 38,
    Bpf = 39,
}

impl Capability {
    pub const ALL: [Self; 5] = [Self::Bpf, Self::NetAdmin, Self::Perfmon, Self::SysAdmin, Self::NetRaw];

    pub const fn name(self) -> &'static str {
        match self {
            Self::NetAdmin => "CAP_NET_ADMIN",
            Self::NetRaw => "CAP_NET_RAW",
            Self::SysAdmin => "CAP_SYS_ADMIN",
            Self::Perfmon => "CAP_PERFMON",
            Self::Bpf => "CAP_BPF",
        }
    }
}

/// A set of capabilities, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities {
    bits: u64,
    /// The process lives in a user namespace of its own: what it may do there is worth nothing to `bpf(2)`.
    pub in_user_namespace: bool,
}

impl Capabilities {
    /// Those of this process; none when /proc is not there.
    pub fn of_this_process() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        Self {
            bits: effective(&status).unwrap_or(0),
            in_user_namespace: !map.is_empty() && !is_initial_map(&map),
        }
    }

    /// A set with exactly these.
    pub fn with(capabilities: &[Capability]) -> Self {
        let bits = capabilities.iter().fold(0, |bits, capability| bits | 1 << *capability as u8);
        Self { bits, in_user_namespace: false }
    }

    /// `CAP_SYS_ADMIN` stands in for `CAP_BPF` and `CAP_PERFMON`, as in the kernel's `bpf_capable()`.
    pub fn has(&self, capability: Capability) -> bool {
        let bit = |capability: Capability| self.bits & (1 << capability as u8) != 0;
        let implied =
            matches!(capability, Capability::Bpf | Capability::Perfmon) && bit(Capability::SysAdmin);
        !self.in_user_namespace && (bit(capability) || implied)
    }

    pub fn has_all(&self, capabilities: &[Capability]) -> bool {
        capabilities.iter().all(|capability| self.has(*capability))
    }
}

fn effective(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

/// The first user namespace maps every id onto itself.
fn is_initial_map(map: &str) -> bool {
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effective_is_read_from_status() {
        assert_eq!(effective("CapPrm:\t01\nCapEff:\t000001fffeffffff\nCapBnd:\t02\n"), Some(0x1ff_feff_ffff));
        assert_eq!(effective("Name:\tx\n"), None);
    }

    #[test]
    fn sys_admin_implies_bpf_but_not_net_admin() {
        let admin = Capabilities::with(&[Capability::SysAdmin]);
        assert!(admin.has(Capability::Bpf) && admin.has(Capability::Perfmon));
        assert!(!admin.has(Capability::NetAdmin));
        let inside = Capabilities { in_user_namespace: true, ..admin };
        assert!(!inside.has(Capability::Bpf));
    }

    #[test]
    fn a_container_with_its_own_users_is_seen() {
        assert!(is_initial_map("         0          0 4294967295\n"));
        assert!(!is_initial_map("0 1000 1\n"));
    }
}
