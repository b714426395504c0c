//! The process itself, under the names that Prometheus' client libraries use.

use std::fs;

use nix::{
    sys::resource::{Resource, getrlimit},
    unistd::{SysconfVar, sysconf},
};

use super::writer::{Kind, Writer};

/// Writes what `/proc` tells; what it does not is left out.
pub fn write(out: &mut Writer) {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    if let Some(facts) = facts(&stat) {
        let page = system(SysconfVar::PAGE_SIZE).unwrap_or(4096.0);
        let ticks = system(SysconfVar::CLK_TCK).unwrap_or(100.0);
        out.metric("process_cpu_seconds_total", Kind::Counter, "User and system time.");
        out.sample(&[], facts.cpu_ticks / ticks);
        out.metric("process_resident_memory_bytes", Kind::Gauge, "Resident memory.");
        out.sample(&[], facts.resident_pages * page);
        out.metric("process_virtual_memory_bytes", Kind::Gauge, "Virtual memory.");
        out.sample(&[], facts.virtual_bytes);
        out.metric("process_threads", Kind::Gauge, "Threads.");
        out.sample(&[], facts.threads);
        if let Some(booted) = booted() {
            out.metric("process_start_time_seconds", Kind::Gauge, "When the daemon started.");
            out.sample(&[], booted + facts.start_ticks / ticks);
        }
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        out.metric("process_open_fds", Kind::Gauge, "Open file descriptors.");
        // The directory itself is one.
        out.sample(&[], open.count().saturating_sub(1));
    }
    if let Ok((limit, _)) = getrlimit(Resource::RLIMIT_NOFILE) {
        out.metric("process_max_fds", Kind::Gauge, "Limit of open file descriptors.");
        out.sample(&[], limit);
    }
}

fn system(variable: SysconfVar) -> Option<f64> {
    sysconf(variable).ok().flatten().map(|value| value as f64)
}

/// Seconds since 1970.
fn booted() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok())
}

#[derive(Debug, PartialEq)]
struct Facts {
    cpu_ticks: f64,
    threads: f64,
    start_ticks: f64,
    virtual_bytes: f64,
    resident_pages: f64,
}

/// Reads `/proc/PID/stat` (proc_pid_stat(5)). The name in it may have spaces and parentheses.
fn facts(stat: &str) -> Option<Facts> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let fields: Vec<f64> = rest.split_whitespace().skip(1).map_while(|field| field.parse().ok()).collect();
    // `fields[0]` is the fourth.
    let field = |number: usize| fields.get(number - 4).copied();
    Some(Facts {
        cpu_ticks: field(14)? + field(15)?,
        threads: field(20)?,
        start_ticks: field(22)?,
        virtual_bytes: field(23)?,
        resident_pages: field(24)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_look_like_fields() {
        let stat =
            "7 (a) S 1 (b) R 1 7 7 0 -1 4194560 81 0 0 0 12 3 0 0 20 0 4 0 99 8192 5 18446744073709551615";
        let facts = facts(stat).expect("whole");
        let wanted = Facts {
            cpu_ticks: 15.0,
            threads: 4.0,
            start_ticks: 99.0,
            virtual_bytes: 8192.0,
            resident_pages: 5.0,
        };
        assert_eq!(facts, wanted);
    }

    #[test]
    fn this_process_is_described_whole() {
        let mut out = Writer::default();
        write(&mut out);
        let text = out.finish();
        assert_eq!(text.lines().filter(|line| line.starts_with("# TYPE process_")).count(), 7, "{text}");
        let value = |name: &str| -> f64 {
            let line = text.lines().find(|line| line.starts_with(name)).expect("it is there");
            line[name.len() + 1..].parse().expect("a number")
        };
        assert!(value("process_resident_memory_bytes") > 1e6, "{text}");
        let age = crate::gateway::now() - value("process_start_time_seconds");
        assert!((-2.0..86_400.0).contains(&age), "{age}");
    }
}
