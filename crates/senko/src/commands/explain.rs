//! `senko explain`: what the live gateway does with a packet, and why.

mod packet;
mod source;

use std::{
    io::{self, Write},
    path::PathBuf,
};

use agent::{
    explain::{At, Explainer, Explanation, Step},
    place::Place,
};
use capture::{record::summarize, text::describe};
use clap::Args;
use serde::Serialize;

use crate::{args::Global, failure::Failure, render::json_line};

#[derive(Debug, Args)]
#[command(
    after_help = "A packet in words:\n  (tcp|udp|icmp|icmpv6) from ADDRESS[:PORT] to ADDRESS[:PORT] [syn|ack|fin|rst|psh|urg…]\n  [length BYTES] [ttl N] [vlan ID]\n\nExamples:\n  senko explain eth0 tcp from 192.0.2.1:5 to 203.0.113.10:80 syn\n  senko explain eth0 \"icmpv6 from 2001:db8::1 to 2001:db8::2\" --json\n  senko explain eth0 --pcap capture.pcapng -c 10"
)]
pub struct ExplainArgs {
    /// The interface by which the packet comes
    #[arg(value_name = "IFACE")]
    interface: String,
    /// The packet in words
    #[arg(value_name = "WORDS", required_unless_present_any = ["packet", "pcap"], conflicts_with_all = ["packet", "pcap"])]
    words: Vec<String>,
    /// The frame in hex, from its Ethernet header on
    #[arg(short, long, value_name = "HEX", conflicts_with = "pcap")]
    packet: Option<String>,
    /// Explain the packets of a capture (pcap or pcapng)
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
    /// Of a capture, explain the first N packets
    #[arg(short, long, value_name = "N", requires = "pcap", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

pub fn run(args: &ExplainArgs, global: &Global) -> Result<u8, Failure> {
    // What was typed first: it may be wrong, and a large set takes a moment.
    let one = match &args.packet {
        Some(text) => Some(source::hex(text)?),
        None if args.pcap.is_none() => Some(words(&args.words.join(" "))?),
        None => None,
    };
    let mut explainer = Explainer::open(&Place::here()?, &args.interface)?;
    let mut out = io::stdout().lock();
    if let Some(frame) = one {
        explain(&mut explainer, &frame, frame.len() as u32, global, &mut out)?;
    }
    if let Some(path) = &args.pcap {
        let mut left = args.count.unwrap_or(u64::MAX);
        source::capture(path, |frame, length| {
            explain(&mut explainer, frame, length, global, &mut out)?;
            left -= 1;
            Ok(left > 0)
        })?;
    }
    out.flush()?;
    Ok(0)
}

fn words(text: &str) -> Result<Vec<u8>, Failure> {
    packet::frame(text).map_err(|mistake| {
        let cause = format!("not a packet: {}", mistake.what);
        Failure::usage(cause, Some(&mistake.pointer(text)))
    })
}

/// The document of `--json`.
#[derive(Serialize)]
struct Document<'a> {
    /// The packet as `senko dump` prints it.
    text: String,
    #[serde(flatten)]
    explanation: &'a Explanation,
}

fn explain(
    explainer: &mut Explainer,
    frame: &[u8],
    length: u32,
    global: &Global,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let explanation = explainer.explain(frame)?;
    let text = describe(frame, length, &summarize(frame, length));
    if global.json {
        json_line(out, &Document { text, explanation: &explanation })?;
        return Ok(());
    }
    print(out, &text, &explanation)?;
    Ok(())
}

fn print(out: &mut impl Write, text: &str, explanation: &Explanation) -> io::Result<()> {
    writeln!(out, "{text}")?;
    for step in &explanation.steps {
        writeln!(out, "  {:<9} {}", step.stage, sentence(step))?;
    }
    let Explanation { interface, generation, verdict, reason, .. } = explanation;
    writeln!(out, "  {:<9} {verdict} ({reason}), on {interface} by generation {generation}", "verdict")?;
    for changed in &explanation.changed {
        let (offset, before, after) = (changed.offset, &changed.before, &changed.after);
        writeln!(out, "  {:<9} byte {offset}: {before} becomes {after}", "changed")?;
    }
    if let Some(length) = explanation.new_length {
        writeln!(out, "  {:<9} {} bytes become {length}", "changed", explanation.length)?;
    }
    if let Some(mark) = explanation.mark {
        writeln!(out, "  {:<9} {mark:#x}, for the kernel", "mark")?;
    }
    Ok(())
}

/// A rule that did not decide.
fn not_this_rule(step: &Step) -> String {
    let why = step.why.as_deref().unwrap_or_default();
    match (&step.rule, &step.at) {
        (Some(rule), Some(at)) => format!("not `{rule}`, {}:{}: {why}", at.file.display(), at.line),
        _ => why.to_owned(),
    }
}

fn sentence(step: &Step) -> String {
    if step.stage == "rule" {
        return not_this_rule(step);
    }
    let place = |at: &Option<At>| {
        at.as_ref().map_or_else(String::new, |at| format!(", {}:{}", at.file.display(), at.line))
    };
    let mut text = match (step.stage.as_str(), step.decision.as_str()) {
        ("counter", _) => {
            let words = |labels: &agent::stats::Labels| {
                let value = |value: &serde_json::Value| value.as_str().map(str::to_owned);
                let words = labels.iter().filter(|(name, _)| *name != "by");
                let words = words.filter_map(|(name, text)| match (name.as_str(), value(text)?) {
                    (_, text) if text.is_empty() => None,
                    ("ip_version", text) => Some(format!("IPv{text}")),
                    ("icmp_type", text) => Some(format!("type {text}")),
                    (_, text) => Some(text),
                });
                words.collect::<Vec<_>>().join(" ")
            };
            let counted: Vec<String> =
                step.counted.iter().map(words).filter(|words| !words.is_empty()).collect();
            let what = if counted.is_empty() { String::new() } else { format!(" as {}", counted.join(", ")) };
            format!("counted{what}")
        }
        ("blocks", "next") => "no block covers the source".into(),
        ("firewall", "next") => "no rule decides: it goes on".into(),
        (_, "next") => "not for this stage: it goes on".into(),
        (_, decision) => decision.to_owned(),
    };
    if let Some(reason) = &step.reason {
        text += &format!(" ({reason})");
    }
    if let Some(rule) = &step.rule {
        text += &format!(" by `{rule}`{}", place(&step.at));
    }
    if let Some(element) = &step.element {
        let place = if element.at.is_some() { place(&element.at) } else { ", added live".into() };
        text += &format!(": {}{place}", element.prefix);
    }
    if let Some(why) = &step.why {
        text += &format!(": {why}");
    }
    text
}
