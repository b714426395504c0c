//! nftables on the ingress hook of the same interface, with the same rules.

use std::{
    fmt::Write as _,
    io::Write as _,
    process::{Command, Stdio},
};

use lab::Host;
use policy::Cidr;
use prefix::PrefixV4;
use rulesets::FiveTuple;

use crate::{failure::Failure, render::say};

/// A table that is gone when dropped.
pub struct Nft<'a> {
    host: &'a Host,
}

impl<'a> Nft<'a> {
    /// `None`: this machine has no nftables, and that was said.
    pub fn with_rules(host: &'a Host, interface: &str, rules: &[FiveTuple]) -> Result<Option<Self>, Failure> {
        let mut text = String::new();
        for rule in rules {
            text += &self::text(rule);
            text.push('\n');
        }
        Self::load(host, interface, "", &text)
    }

    /// One set of prefixes whose sources are dropped.
    pub fn with_set(host: &'a Host, interface: &str, prefixes: &[PrefixV4]) -> Result<Option<Self>, Failure> {
        let mut set =
            String::from("set prefixes { type ipv4_addr; flags interval; auto-merge; elements = {\n");
        for prefix in prefixes {
            let _ = writeln!(set, "{},", Cidr::V4(*prefix));
        }
        set += "} }\n";
        Self::load(host, interface, &set, "ip saddr @prefixes drop\n")
    }

    fn load(host: &'a Host, interface: &str, set: &str, rules: &str) -> Result<Option<Self>, Failure> {
        let hook = format!("type filter hook ingress device \"{interface}\" priority 0; policy accept;");
        let table = format!("table netdev senko_bench {{\n{set}chain ingress {{\n{hook}\n{rules}}}\n}}\n");
        let failed =
            |what: &str| Failure::failed(format!("nftables does not take the bench's table: {what}"), None);
        let child = host.run(|| {
            Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn()
        })?;
        let mut child = match child {
            Ok(child) => child,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                say(
                    "nftables is not here, and rows beside it are left out: install `nftables`, as `cargo xtask setup` does",
                );
                return Ok(None);
            }
            Err(error) => return Err(failed(&error.to_string())),
        };
        let nft = Self { host };
        if let Some(mut input) = child.stdin.take() {
            input.write_all(table.as_bytes()).map_err(|error| failed(&error.to_string()))?;
        }
        let output = child.wait_with_output().map_err(|error| failed(&error.to_string()))?;
        if !output.status.success() {
            return Err(failed(String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or_default()));
        }
        Ok(Some(nft))
    }
}

impl Drop for Nft<'_> {
    fn drop(&mut self) {
        let _ =
            self.host.run(|| Command::new("nft").args(["delete", "table", "netdev", "senko_bench"]).status());
    }
}

/// The rule as nft has it, without a counter, which would cost it more.
fn text(rule: &FiveTuple) -> String {
    let mut text = String::from("meta protocol ip");
    for (word, (address, length)) in [("saddr", rule.source), ("daddr", rule.destination)] {
        if length > 0 {
            let _ = write!(text, " ip {word} {}/{length}", std::net::Ipv4Addr::from_bits(address));
        }
    }
    if let Some(protocol) = rule.protocol {
        let _ = write!(text, " ip protocol {protocol}");
    }
    let transport = if rule.protocol == Some(6) { "tcp" } else { "udp" };
    for (word, (first, last)) in [("sport", rule.source_port), ("dport", rule.destination_port)] {
        if (first, last) == (0, u16::MAX) {
            continue;
        }
        let _ = write!(text, " {transport} {word} {first}");
        if first != last {
            let _ = write!(text, "-{last}");
        }
    }
    text + if rule.drop { " drop" } else { " accept" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_as_nft_writes_it() {
        let mut rule = FiveTuple {
            source: (0x0a00_0000, 8),
            destination: (0, 0),
            source_port: (0, 65_535),
            destination_port: (80, 90),
            protocol: Some(6),
            drop: true,
        };
        assert_eq!(text(&rule), "meta protocol ip ip saddr 10.0.0.0/8 ip protocol 6 tcp dport 80-90 drop");
        (rule.source_port, rule.destination_port) = ((53, 53), (0, 65_535));
        (rule.protocol, rule.destination) = (Some(17), (0xc000_0201, 32));
        let udp =
            "meta protocol ip ip saddr 10.0.0.0/8 ip daddr 192.0.2.1/32 ip protocol 17 udp sport 53 drop";
        assert_eq!(text(&rule), udp);
    }
}
