//! What is shown.

use std::{net::IpAddr, time::Duration};

use anyhow::{Context as _, Result};
use lab::{Host, ping, tcp_echo_server, tcp_exchange, udp_send, udp_sink};
use serde_json::Value;

use crate::{
    stage::Stage,
    tool::{self, Tool},
};

const TCP_BYTES: usize = 256 * 1024;
const DATAGRAMS: u64 = 25;
const PORT: u16 = 7007;
const PATIENCE: Duration = Duration::from_secs(5);

/// The numbers of JSON rows for which `wanted` holds, the last of each kind: rows are totals.
fn last(rows: &[Value], wanted: impl Fn(&Value) -> bool) -> Option<&Value> {
    rows.iter().rev().find(|row| wanted(row))
}

fn rows(text: &str) -> Result<Vec<Value>> {
    text.lines().map(|line| serde_json::from_str(line).context("a JSON line")).collect()
}

fn packets(row: Option<&Value>) -> u64 {
    row.and_then(|row| row["packets"].as_u64()).unwrap_or(0)
}

/// Ping, TCP with real bytes and UDP between two hosts, over IPv4 and IPv6.
fn traffic(stage: &Stage, from: &Host, to: &Host) -> Result<()> {
    for address in [IpAddr::from(to.ipv4()), IpAddr::from(to.ipv6())] {
        let report = ping(from, address, 5)?;
        stage.check(report.received == 5, format!("ping {address}: {} of 5 answered", report.received))?;
        let server = tcp_echo_server(to, PORT)?;
        tcp_exchange(from, (address, server.port()), TCP_BYTES, PATIENCE)?;
        stage.check(true, format!("TCP {address}: {TCP_BYTES} bytes there and back, every one compared"))?;
        let mut sink = udp_sink(to, PORT)?;
        udp_send(from, address, PORT, b"senko", DATAGRAMS as usize)?;
        let arrived = sink.wait_for(DATAGRAMS as usize, PATIENCE);
        stage.check(arrived as u64 == DATAGRAMS, format!("UDP {address}: {arrived} datagrams arrived"))?;
    }
    Ok(())
}

pub fn count(stage: &Stage) -> Result<()> {
    println!("\ncount: packets and bytes per protocol, on r's port to h1");
    let tool = Tool::start(stage, "r", &["count", "to-h1", "--json", "--interval", "500ms"], 1)?;
    traffic(stage, stage.host("h1"), stage.host("h2"))?;
    let rows = rows(&tool.stop()?)?;
    for version in [4_u64, 6] {
        let of = |protocol: &str| {
            last(&rows, |row| {
                row["ip_version"] == version && row["protocol"] == protocol && row["icmp_type"].is_null()
            })
        };
        let icmp = packets(of(if version == 4 { "icmp" } else { "icmpv6" }));
        stage.check(
            icmp >= 5,
            format!("counted {icmp} ICMP packets over IPv{version} (5 pings, and neighbours)"),
        )?;
        let tcp = of("tcp");
        let bytes = tcp.and_then(|row| row["bytes"].as_u64()).unwrap_or(0);
        stage.check(
            bytes as usize > TCP_BYTES,
            format!("counted {} TCP packets, {bytes} bytes", packets(tcp)),
        )?;
        let udp = packets(of("udp"));
        stage.check(
            udp == DATAGRAMS,
            format!("counted {udp} UDP packets over IPv{version}, as many as were sent"),
        )?;
    }
    Ok(())
}

pub fn dump(stage: &Stage) -> Result<()> {
    println!("\ndump: new TCP connections as XDP saw them");
    let (h1, h2) = (stage.host("h1"), stage.host("h2"));
    let mut tool = Tool::start(stage, "r", &["dump", "to-h1", "--syn", "-c", "2"], 1)?;
    for address in [IpAddr::from(h2.ipv4()), IpAddr::from(h2.ipv6())] {
        let server = tcp_echo_server(h2, PORT)?;
        tcp_exchange(h1, (address, server.port()), 5, PATIENCE)?;
    }
    let text = tool.finish()?;
    for line in text.lines() {
        println!("      {line}");
    }
    let lines: Vec<&str> = text.lines().collect();
    let syn = lines.len() == 2 && lines.iter().all(|line| line.contains("Flags [S], seq"));
    stage.check(syn, "two connections, two SYNs captured, nothing else")?;
    let named = lines[0].contains(&h1.ipv4().to_string()) && lines[1].contains(&h1.ipv6().to_string());
    stage.check(named, "with h1's addresses, IPv4 and IPv6")
}

pub fn firewall(stage: &Stage) -> Result<()> {
    println!("\nfirewall: drop h1's prefixes, change the list while it runs");
    let (h1, h2) = (stage.host("h1"), stage.host("h2"));
    let (v4, v6) = (format!("{}/31", h1.ipv4()), format!("{}/127", h1.ipv6()));
    let tool = Tool::start(stage, "r", &["firewall", "to-h1", "to-h2", "--drop", &v4, &v6, "--json"], 2)?;
    for address in [IpAddr::from(h2.ipv4()), IpAddr::from(h2.ipv6())] {
        let report = ping(h1, address, 3)?;
        stage
            .check(report.received == 0, format!("h1 pings {address}: {} of 3 answered", report.received))?;
    }
    let router = IpAddr::from(stage.host("r").interface("to-h2").ipv4.context("r has an address")?);
    let report = ping(h2, router, 3)?;
    stage.check(report.received == 3, format!("h2 pings r: {} of 3 answered", report.received))?;
    tool::run(stage, "r", &["firewall", "to-h1", "remove", &v4])?;
    let report = ping(h1, h2.ipv4().into(), 3)?;
    stage.check(report.received == 3, format!("h1 pings again: {} of 3 answered", report.received))?;
    let rows = rows(&tool.stop()?)?;
    let hits = packets(last(&rows, |row| row["prefix"] == v6.as_str()));
    stage.check(hits >= 3, format!("{hits} hits counted on {v6}"))
}

pub fn gateway(stage: &Stage) -> Result<()> {
    println!("\napply: one file for the gateway, changed under its feet");
    let (h1, h2) = (stage.host("h1"), stage.host("h2"));
    let file = stage.file("senko.toml")?;
    let path = file.display().to_string();
    let configure = |drop: &str| {
        let text = format!("[[interface]]\nname = \"to-h1\"\n[firewall]\ndrop = [\"{drop}\"]\n[counter]\n");
        std::fs::write(&file, text).with_context(|| path.clone())
    };
    // It asks again for as long as nobody answers.
    let answered = |report: lab::PingReport| format!("{} of 3 answered", report.received.min(3));
    let _gateway = stage.gateway("r");
    configure(&h1.ipv4().to_string())?;
    tool::run(stage, "r", &["check", &path])?;
    tool::run(stage, "r", &["apply", "-c", &path])?;
    let report = ping(h1, h2.ipv4().into(), 3)?;
    stage.check(report.received == 0, format!("h1, which is dropped, pings: {}", answered(report)))?;
    let packet = format!("icmp from {} to {}", h1.ipv4(), h2.ipv4());
    let explained = tool::output(stage, "r", &["explain", "to-h1", &packet])?;
    let line = explained.lines().find(|line| line.contains("senko.toml:4")).map(str::trim);
    stage.check(line.is_some(), format!("explain: {}", line.unwrap_or(&explained)))?;

    configure("198.51.100.7")?;
    tool::run(stage, "r", &["apply", "-c", &path])?;
    let report = ping(h1, h2.ipv4().into(), 3)?;
    stage.check(report.received == 3, format!("h1, after the next apply: {}", answered(report)))?;
    tool::run(stage, "r", &["block", &h1.ipv4().to_string(), "--why", "demo"])?;
    let report = ping(h1, h2.ipv4().into(), 3)?;
    stage.check(report.received == 0, format!("h1, blocked: {}", answered(report)))?;
    let stats: Value = serde_json::from_str(&tool::output(stage, "r", &["stats", "--json"])?)?;
    let hits = packets(stats["blocks"].get(0));
    stage.check(hits >= 3, format!("{hits} packets counted for the block"))?;
    tool::run(stage, "r", &["unblock", &h1.ipv4().to_string()])?;
    tool::run(stage, "r", &["rollback"])?;
    let report = ping(h1, h2.ipv4().into(), 3)?;
    stage.check(report.received == 0, format!("h1, after a rollback: {}", answered(report)))?;
    tool::run(stage, "r", &["stop", "--detach"])?;
    let report = ping(h1, h2.ipv4().into(), 3)?;
    stage.check(report.received == 3, format!("h1, without the gateway: {}", answered(report)))
}

pub fn reflect(stage: &Stage) -> Result<()> {
    println!("\nredirect --reflect: pings answered before the kernel sees them");
    let r = stage.host("r").interface("to-h1");
    let tool = Tool::start(stage, "r", &["redirect", "to-h1", "--reflect", "icmp", "--json"], 1)?;
    for address in [r.ipv4.map(IpAddr::from), r.ipv6.map(IpAddr::from)].into_iter().flatten() {
        let report = ping(stage.host("h1"), address, 5)?;
        stage.check(report.received == 5, format!("ping {address}: {} of 5 answered", report.received))?;
    }
    let rows = rows(&tool.stop()?)?;
    let reflected = packets(last(&rows, |row| row["reason"] == "redirect_reflect"));
    stage.check(reflected == 10, format!("{reflected} of them by senko"))
}

pub fn cross_connect(stage: &Stage) -> Result<()> {
    println!("\nredirect --to: two ports joined into a cable");
    let (h1, h2) = (stage.host("h1"), stage.host("h2"));
    // On a cable both ends are in one network.
    for (host, own, prefix) in [(h1, "10.255.77.1/24", "fd77::1/64"), (h2, "10.255.77.2/24", "fd77::2/64")] {
        for address in [own, prefix] {
            let add = ["addr", "add", address, "dev", host.iface(), "nodad"];
            let add = if address.contains(':') { &add[..] } else { &add[..5] };
            let status = host.command("ip").args(add).status()?;
            stage.check(status.success(), format!("{} has {address}", host.name()))?;
        }
    }
    let tool = Tool::start(stage, "r", &["redirect", "to-h1", "--to", "to-h2", "--json"], 2)?;
    for address in ["10.255.77.2", "fd77::2"] {
        let report = ping(h1, address.parse()?, 5)?;
        stage.check(report.received == 5, format!("ping {address}: {} of 5 answered", report.received))?;
    }
    let server = tcp_echo_server(h2, PORT)?;
    tcp_exchange(h1, ("10.255.77.2".parse::<IpAddr>()?, server.port()), TCP_BYTES, PATIENCE)?;
    stage.check(true, format!("TCP: {TCP_BYTES} bytes there and back"))?;
    let rows = rows(&tool.stop()?)?;
    let lost = rows.iter().filter(|row| row["reason"] == "error").count();
    let carried = packets(last(&rows, |row| row["reason"] == "redirect_port" && row["interface"] == "to-h1"));
    stage.check(lost == 0 && carried > 0, format!("{carried} frames carried from h1 to h2, none lost"))
}
