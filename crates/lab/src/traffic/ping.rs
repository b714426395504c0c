//! Echo requests by the system's own `ping`, an implementation that is not ours.

use std::io;
use std::net::IpAddr;
use std::process::Command;

use serde::Serialize;

use crate::error::LabError;
use crate::host::Host;

/// What `ping` counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PingReport {
    pub sent: u32,
    pub received: u32,
}

/// Sends `count` echo requests, 50 ms apart, and waits at most one second for the last answer.
/// Replies that do not come are in the report, not an error.
///
/// # Errors
/// When `ping` is not installed or cannot send (no route, …).
pub fn ping(from: &Host, to: IpAddr, count: u32) -> Result<PingReport, LabError> {
    let mut command = from.command("ping");
    // -w bounds the run when no reply comes at all: sending takes count * 50 ms.
    let deadline = 2 + count / 20;
    command.args([if to.is_ipv4() { "-4" } else { "-6" }, "-n", "-q", "-i", "0.05", "-W", "1"]);
    command.args(["-c", &count.to_string(), "-w", &deadline.to_string()]);
    command.arg(to.to_string()).env("LC_ALL", "C");
    let output = output(&mut command, from)?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    parse(&stdout).ok_or_else(|| LabError::Ping {
        host: from.name().into(),
        target: to,
        output: format!("{}{}", stdout.trim(), String::from_utf8_lossy(&output.stderr).trim()),
    })
}

fn output(command: &mut Command, host: &Host) -> Result<std::process::Output, LabError> {
    command.output().map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => {
            LabError::Missing { program: "ping", remedy: "run `apt-get install iputils-ping`" }
        }
        _ => LabError::Spawn { program: "ping".into(), host: host.name().into(), source },
    })
}

/// From `3 packets transmitted, 2 received, …`; busybox says `2 packets received`.
fn parse(output: &str) -> Option<PingReport> {
    let line = output.lines().find(|l| l.contains("packets transmitted"))?;
    let mut numbers = line.split(", ").map(|part| part.split(' ').next()?.parse().ok());
    Some(PingReport { sent: numbers.next()??, received: numbers.next()?? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_pings() {
        let iputils = "PING 10.1.0.2 (10.1.0.2) 56(84) bytes of data.\n\n--- 10.1.0.2 ping statistics ---\n\
                       3 packets transmitted, 2 received, 33.3% packet loss, time 101ms\n";
        assert_eq!(parse(iputils), Some(PingReport { sent: 3, received: 2 }));
        let busybox =
            "--- ::1 ping statistics ---\n4 packets transmitted, 4 packets received, 0% packet loss\n";
        assert_eq!(parse(busybox), Some(PingReport { sent: 4, received: 4 }));
        let errors = "5 packets transmitted, 0 received, +5 errors, 100% packet loss, time 4ms\n";
        assert_eq!(parse(errors), Some(PingReport { sent: 5, received: 0 }));
        assert_eq!(parse("ping: unknown host"), None);
    }
}
