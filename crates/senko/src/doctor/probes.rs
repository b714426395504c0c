//! Verdicts about what was tried.

use engine::probe::{Answer, Helper, MapProbe, Operation, ProgramProbe};

use super::{
    check::{AS_ROOT, Check},
    facts::SystemFacts,
};

pub const PROGRAMS: &str = "program types";
pub const MAPS: &str = "map types";
pub const HELPERS: &str = "helpers";
pub const OPERATIONS: &str = "operations";

/// What needs it, whether senko does not work without it, and the kernel release that brought it.
struct Use(&'static str, bool, &'static str);

pub fn checks(facts: &SystemFacts) -> Vec<Check> {
    let verdict = |area, name: &str, Use(needed_for, required, since): Use, answer| {
        judge(Check::new(area, name, needed_for).required(required), answer, since, facts)
    };
    let programs = facts.programs.iter().map(|(p, answer)| verdict(PROGRAMS, p.name(), program(*p), *answer));
    let maps = facts.maps.iter().map(|(m, answer)| verdict(MAPS, m.name(), map(*m), *answer));
    let helpers = facts.helpers.iter().map(|(h, answer)| verdict(HELPERS, h.name, helper(*h), *answer));
    let operations =
        facts.operations.iter().map(|(o, answer)| verdict(OPERATIONS, o.name(), operation(*o), *answer));
    programs.chain(maps).chain(helpers).chain(operations).collect()
}

fn judge(check: Check, answer: Answer, since: &str, facts: &SystemFacts) -> Check {
    match answer {
        Answer::Yes => check.ok("yes"),
        Answer::No => {
            check.missing("no: this kernel does not have it", format!("run Linux {since} or newer"))
        }
        Answer::Blocked => {
            let by = match facts.policy.lockdown.as_deref() {
                Some(level) if level != "none" => format!("lockdown ({level}) or a security module"),
                _ => "a security policy of this kernel".into(),
            };
            check.missing(
                format!("blocked: {by} refuses it, although we hold the capabilities"),
                match facts.policy.lockdown {
                    Some(_) => "cat /sys/kernel/security/lsm    # names the security modules",
                    None => "mount -t securityfs securityfs /sys/kernel/security && cat /sys/kernel/security/l*    # names the policies",
                },
            )
        }
        Answer::Unknown => check.unknown("it takes more privileges to find out", Some(AS_ROOT)),
    }
}

fn program(probe: ProgramProbe) -> Use {
    match probe {
        ProgramProbe::Xdp => Use("everything", true, "4.8"),
        ProgramProbe::XdpFrags => Use("native mode with an MTU above one page", false, "5.18"),
        ProgramProbe::RawTracepoint => Use("errors of redirects, which the kernel swallows", false, "4.17"),
        ProgramProbe::SchedCls => Use("tc programs beside XDP; not senko", false, "4.1"),
        ProgramProbe::TypedTracepoint => Use("tracing with types; not senko", false, "5.5"),
        ProgramProbe::Fentry => Use("watching other programs (xdpdump); not senko", false, "5.5"),
        ProgramProbe::Extension => Use("libxdp's dispatcher (xdp-loader); not senko", false, "5.6"),
    }
}

fn map(probe: MapProbe) -> Use {
    match probe.name() {
        "array" | "percpu_array" | "hash" | "percpu_hash" => Use("everything", true, "4.6"),
        "lru_hash" => Use("tables of flows", false, "4.10"),
        "lpm_trie" => Use("prefix tables of other people's objects", false, "4.11"),
        "devmap" => Use("redirect", false, "4.14"),
        "devmap_hash" => Use("redirect", false, "5.4"),
        "cpumap" => Use("spreading over CPUs", false, "4.15"),
        "xskmap" => Use("AF_XDP", false, "4.18"),
        "ringbuf" => Use("dump; without it the perf buffer", false, "5.8"),
        "perf_event_array" => Use("dump where there is no ring buffer", false, "4.3"),
        "prog_array" => Use("tail calls", false, "4.2"),
        _ => Use("generations of tables", false, "4.12"),
    }
}

fn helper(helper: Helper) -> Use {
    match helper.name {
        "map_lookup_elem" => Use("everything", true, "4.8"),
        "ktime_get_ns" => Use("time stamps", true, "4.8"),
        "perf_event_output" => Use("dump where there is no ring buffer", false, "4.8"),
        "xdp_adjust_head" => Use("tunnels", false, "4.10"),
        "redirect_map" => Use("redirect", false, "4.14"),
        "xdp_adjust_tail" => Use("answers that are shorter than the question", false, "4.18"),
        "fib_lookup" => Use("the kernel's routes", false, "4.18"),
        "jiffies64" => Use("coarse time", false, "5.6"),
        "ringbuf_reserve" => Use("dump", false, "5.8"),
        "ktime_get_coarse_ns" => Use("time stamps that cost less", false, "5.11"),
        "check_mtu" => Use("packets that are too big for the way out", false, "5.12"),
        "loop" => Use("long loops", false, "5.17"),
        "tcp_raw_gen_syncookie_ipv4" => Use("SYN cookies", false, "6.0"),
        _ => Use("frames of several buffers", false, "5.18"),
    }
}

fn operation(operation: Operation) -> Use {
    match operation {
        Operation::Link => Use("attaching, replacing atomically", true, "5.9"),
        Operation::TestRun => Use("bench, explain", false, "4.12"),
        Operation::TestRunOn => {
            Use("senko explain as if the interface had received the packet", false, "5.15")
        }
        Operation::LiveFrames => Use("senko gen, bench with live frames", false, "5.18"),
        Operation::Batch => Use("filling large tables fast", false, "5.6"),
        Operation::MappedArray => Use("prefix tables", false, "5.5"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{
        check::State,
        fabricated::{find, healthy},
    };

    #[test]
    fn blocked_is_not_unsupported() {
        let mut facts = healthy();
        facts.policy.lockdown = Some("integrity".into());
        facts.programs = vec![(ProgramProbe::Extension, Answer::Blocked), (ProgramProbe::Fentry, Answer::No)];
        let all = checks(&facts);
        let (ext, fentry) = (find(&all, "ext"), find(&all, "fentry"));
        assert!(ext.found.starts_with("blocked: lockdown (integrity)"), "{}", ext.found);
        assert_eq!(ext.state, State::Warn);
        assert_eq!(fentry.remedy.as_deref(), Some("run Linux 5.5 or newer"));
    }

    #[test]
    fn what_senko_needs_is_bad_when_missing_or_blocked() {
        for (answer, state) in
            [(Answer::No, State::Bad), (Answer::Blocked, State::Bad), (Answer::Unknown, State::Unknown)]
        {
            let facts = SystemFacts { programs: vec![(ProgramProbe::Xdp, answer)], ..healthy() };
            assert_eq!(find(&checks(&facts), "xdp").state, state);
        }
    }
}
