//! What a gateway has counted, in Prometheus' text format. Names and labels are those of docs/metrics.md.

mod process;
mod writer;

use std::collections::BTreeMap;

use self::writer::{Kind, Writer};
use crate::stats::{InterfaceStats, SeriesStats, Stats};

/// Rules that have series of their own; all others are summed up under [`OTHER`].
pub const MOST_RULES: usize = 1000;
const OTHER: &str = "other";

/// What only the daemon knows.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Reloads {
    /// The last one was refused, and the old generation stays.
    pub last_failed: bool,
}

/// The answer to a scrape.
pub fn text(stats: &Stats, reloads: &Reloads) -> String {
    let mut out = Writer::default();
    configuration(&mut out, stats, reloads);
    traffic(&mut out, &stats.interfaces);
    series(&mut out, &stats.protocols);
    rules(&mut out, stats);
    tables(&mut out, stats);
    process::write(&mut out);
    out.finish()
}

fn configuration(out: &mut Writer, stats: &Stats, reloads: &Reloads) {
    out.metric("senko_build_info", Kind::Gauge, "Version of the daemon.");
    out.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1_u64);
    out.metric("senko_config_generation", Kind::Gauge, "Number of the generation that judges packets.");
    out.sample(&[], stats.generation);
    out.metric("senko_config_last_reload_success", Kind::Gauge, "Whether the last reload was applied.");
    out.sample(&[], u64::from(!reloads.last_failed));
    let about = "When a configuration was last applied.";
    out.metric("senko_config_last_reload_timestamp_seconds", Kind::Gauge, about);
    out.sample(&[], stats.applied_at);
}

fn traffic(out: &mut Writer, interfaces: &[InterfaceStats]) {
    out.metric("senko_interface_info", Kind::Gauge, "Interfaces that have the program, and how.");
    for interface in interfaces {
        if let Some(mode) = &interface.mode {
            let stages = interface.stages.join(",");
            out.sample(&[("interface", &interface.interface), ("mode", mode), ("stages", &stages)], 1_u64);
        }
    }
    type Value = fn(&crate::stats::ReasonStats) -> u64;
    let all: [(&str, &str, bool, Value); 3] = [
        ("senko_packets_total", "Packets by the reason of their verdict.", false, |reason| reason.packets),
        ("senko_bytes_total", "Bytes by the reason of the verdict.", false, |reason| reason.bytes),
        ("senko_drops_total", "Packets dropped, by reason.", true, |reason| reason.packets),
    ];
    for (name, about, drops_only, value) in all {
        out.metric(name, Kind::Counter, about);
        for interface in interfaces {
            for reason in interface.reasons.iter().filter(|reason| reason.drop || !drops_only) {
                let labels = [("interface", interface.interface.as_str()), ("reason", &reason.reason)];
                out.sample(&labels, value(reason));
            }
        }
    }
}

/// What sections count: `senko_protocol_packets_total` and its like.
fn series(out: &mut Writer, all: &[SeriesStats]) {
    let mut kinds: BTreeMap<&str, Vec<&SeriesStats>> = BTreeMap::new();
    for series in all {
        kinds.entry(&series.by).or_default().push(series);
    }
    for (by, series) in kinds {
        let what = by.replace('_', " ");
        for (unit, value) in [
            ("packets", (|series| series.packets) as fn(&SeriesStats) -> u64),
            ("bytes", |series| series.bytes),
        ] {
            let about = format!("{}{} by {what}.", unit[..1].to_uppercase(), &unit[1..]);
            out.metric(&format!("senko_{by}_{unit}_total"), Kind::Counter, &about);
            for series in &series {
                let words: Vec<(&str, String)> =
                    series.labels.iter().map(|(name, value)| (name.as_str(), word(value))).collect();
                let labels: Vec<(&str, &str)> =
                    words.iter().map(|(name, word)| (*name, word.as_str())).collect();
                out.sample(&labels, value(series));
            }
        }
    }
}

/// A label's value: numbers as they are written, nothing of nothing.
fn word(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A rule's place in the configuration, for the order, and what it counts.
struct Rule<'a> {
    section: &'a str,
    text: String,
    packets: u64,
    bytes: u64,
}

fn rules(out: &mut Writer, stats: &Stats) {
    let rules = stats.rules.iter().map(|rule| {
        let at = (&rule.file, rule.line);
        let text = format!("{} {}", rule.action, rule.rule);
        (at, Rule { section: &rule.section, text, packets: rule.packets, bytes: rule.bytes })
    });
    let sets = stats.sets.iter().map(|set| {
        let text = format!("{} {}", set.action, set.set);
        ((&set.file, set.line), Rule { section: &set.section, text, packets: set.packets, bytes: set.bytes })
    });
    let mut all: Vec<_> = rules.chain(sets).collect();
    all.sort_by_key(|(at, _)| *at);
    let mut rules: Vec<Rule<'_>> = all.into_iter().map(|(_, rule)| rule).collect();
    let mut rest: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for rule in rules.split_off(rules.len().min(MOST_RULES)) {
        let sum = rest.entry(rule.section).or_default();
        *sum = (sum.0 + rule.packets, sum.1 + rule.bytes);
    }
    rules.extend(rest.into_iter().map(|(section, (packets, bytes))| Rule {
        section,
        text: OTHER.into(),
        packets,
        bytes,
    }));
    for (name, about, value) in [
        (
            "senko_rule_packets_total",
            "Packets that a rule decided.",
            (|rule| rule.packets) as fn(&Rule<'_>) -> u64,
        ),
        ("senko_rule_bytes_total", "Bytes that a rule decided.", |rule| rule.bytes),
    ] {
        out.metric(name, Kind::Counter, about);
        for rule in &rules {
            out.sample(&[("section", rule.section), ("rule", &rule.text)], value(rule));
        }
    }
}

fn tables(out: &mut Writer, stats: &Stats) {
    out.metric("senko_block_entries", Kind::Gauge, "Live blocks.");
    out.sample(&[], stats.blocks.len() as u64);
    out.metric("senko_map_entries", Kind::Gauge, "Entries in use.");
    for map in &stats.maps {
        out.sample(&[("map", &map.map)], map.entries);
    }
    out.metric("senko_map_max_entries", Kind::Gauge, "Entries that the map can hold.");
    for map in &stats.maps {
        out.sample(&[("map", &map.map)], map.max_entries);
    }
}
