//! Switches of the running kernel that decide about eBPF.

use std::fs;

use crate::Program;

/// Whether programs are translated to machine code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jit {
    Off,
    On,
    /// On, and what it writes goes to the kernel log.
    Debug,
}

/// The switches; `None` where the kernel does not say, or not to us.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    pub jit: Option<Jit>,
    /// 0: anyone may load some kinds of program; 1: nobody without `CAP_BPF`, until reboot; 2: nobody, can be changed.
    pub unprivileged_bpf_disabled: Option<u8>,
    /// `none`, `integrity` or `confidentiality`.
    pub lockdown: Option<String>,
    /// The kernel describes its own types (/sys/kernel/btf/vmlinux): bytes.
    pub btf_bytes: Option<u64>,
    /// `RLIMIT_MEMLOCK` of this process, which bounds maps before kernel 5.11; `u64::MAX` is no limit.
    pub memlock: u64,
}

impl Policy {
    pub fn of_running_kernel() -> Self {
        let number = |path| fs::read_to_string(path).ok().and_then(|text| text.trim().parse::<u8>().ok());
        // Readable by root only; a kernel that was built to have nothing else runs nothing else.
        let jit = number("/proc/sys/net/core/bpf_jit_enable").map(|value| match value {
            0 => Jit::Off,
            1 => Jit::On,
            _ => Jit::Debug,
        });
        // Other namespaces than the first have no such switch before 5.19: then what becomes of a program tells.
        let jit = jit.or_else(translated);
        let lockdown =
            fs::read_to_string("/sys/kernel/security/lockdown").ok().and_then(|text| chosen(&text));
        let memlock = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_MEMLOCK)
            .map_or(u64::MAX, |(soft, _)| soft);
        Self {
            jit,
            unprivileged_bpf_disabled: number("/proc/sys/kernel/unprivileged_bpf_disabled"),
            lockdown,
            btf_bytes: fs::metadata("/sys/kernel/btf/vmlinux").ok().map(|meta| meta.len()),
            memlock,
        }
    }
}

/// Whether a program is translated, by trying.
fn translated() -> Option<Jit> {
    const PASS: i32 = 2;
    let program = Program::from_fd(crate::probe::xdp_program(PASS, 0).ok()?);
    let (_, native) = program.sizes().ok()?;
    Some(if native == 0 { Jit::Off } else { Jit::On })
}

/// `none [integrity] confidentiality` is `integrity`.
fn chosen(text: &str) -> Option<String> {
    let (_, rest) = text.split_once('[')?;
    Some(rest.split_once(']')?.0.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bracketed_word_is_chosen() {
        assert_eq!(chosen("none [integrity] confidentiality\n").as_deref(), Some("integrity"));
        assert_eq!(chosen("none\n"), None);
    }
}
