//! What a scrape answers: promtool takes it, and its names and labels are those that docs/metrics.md promises.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use agent::{
    health::{Health, State},
    metrics::{self, MOST_RULES, Reloads},
    stats::{BlockStats, InterfaceStats, MapStats, ReasonStats, RuleStats, SeriesStats, SetStats, Stats},
};
use serde_json::json;

fn reason(reason: &str, drop: bool, packets: u64) -> ReasonStats {
    ReasonStats { reason: reason.into(), drop, packets, bytes: packets * 60 }
}

fn rule(text: &str, line: usize, packets: u64) -> RuleStats {
    RuleStats {
        rule: text.into(),
        action: "drop".into(),
        section: "firewall".into(),
        packets,
        bytes: packets * 60,
        file: "/etc/senko/senko.toml".into(),
        line,
    }
}

/// A gateway of two interfaces, one of which is not there, with names that want escaping.
fn stats() -> Stats {
    let interface = |name: &str, attached: bool| InterfaceStats {
        interface: name.into(),
        slot: 0,
        attached,
        mode: attached.then(|| "native".into()),
        wanted_mode: "auto".into(),
        fallback: None,
        stages: vec!["counter".into(), "firewall".into()],
        packets: 92_000,
        bytes: 5_520_000,
        drops: 177,
        reasons: vec![reason("unclaimed", false, 91_823), reason("firewall_drop", true, 177)],
    };
    let series = |by: &str, labels: serde_json::Value| SeriesStats {
        by: by.into(),
        labels: labels.as_object().expect("an object").clone(),
        packets: 12,
        bytes: 720,
    };
    Stats {
        time: 1_764_000_900.25,
        generation: 12,
        applied_at: 1_764_000_000.5,
        age: 899.75,
        health: Health { state: State::Degraded, why: vec!["wan is not attached".into()] },
        interfaces: vec![interface("e\"t\\h0", true), interface("wan", false)],
        rules: vec![rule("198.51.100.7", 9, 3)],
        sets: vec![SetStats {
            set: "@blocklist".into(),
            name: "blocklist".into(),
            action: "drop".into(),
            section: "firewall".into(),
            elements: 1_000_000,
            packets: 174,
            bytes: 10_440,
            file: "/etc/senko/senko.toml".into(),
            line: 8,
        }],
        blocks: vec![BlockStats {
            prefix: "192.0.2.1/32".into(),
            since: 1_764_000_001.0,
            until: None,
            why: Some("scans".into()),
            packets: 0,
            bytes: 0,
        }],
        protocols: vec![
            series("protocol", json!({"interface": "wan", "ip_version": 4, "protocol": "tcp"})),
            series("protocol", json!({"interface": "wan", "ip_version": null, "protocol": "arp"})),
            series("malformed", json!({"interface": "wan", "reason": "vlan_truncated"})),
        ],
        maps: vec![MapStats { map: "ETHERTYPE_COUNTS".into(), entries: 7, max_entries: 1024 }],
    }
}

/// Names of the metrics in a scrape, with the labels of each.
fn metrics_of(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, rest) = line.split_at(line.find(['{', ' ']).expect("a value"));
        let names = rest.split("=\"").filter_map(|part| part.rsplit(['{', ',']).next());
        let labels = found.entry(name.into()).or_default();
        if rest.starts_with('{') {
            let is_name = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            labels.extend(names.filter(is_name).filter(|word| !word.is_empty()).map(Into::into));
        }
    }
    found
}

/// Those of the tables in docs/metrics.md.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(Into::into).collect::<Vec<String>>();
    let text = fs::read_to_string(path).expect("it is in the repository");
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').collect();
        (names(cells[1]).remove(0), names(cells[3]).into_iter().collect())
    })
    .collect()
}

#[test]
fn promtool_takes_it_without_a_word() {
    let text = metrics::text(&stats(), &Reloads::default());
    let tool = toolchain::promtool().expect("promtool is missing: run `cargo xtask setup`");
    let mut child = Command::new(tool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    child.stdin.take().expect("it was asked for").write_all(text.as_bytes()).expect("it reads");
    let out = child.wait_with_output().expect("it ends");
    let said = [out.stdout, out.stderr].concat();
    assert!(out.status.success() && said.is_empty(), "{}\n{text}", String::from_utf8_lossy(&said));
}

#[test]
fn names_and_labels_are_the_documented_ones() {
    let text = metrics::text(&stats(), &Reloads::default());
    let mut found = metrics_of(&text);
    // What a [counter] section tells besides protocols is in the text below the table.
    assert!(found.remove("senko_malformed_packets_total").is_some(), "{text}");
    assert!(found.remove("senko_malformed_bytes_total").is_some(), "{text}");
    assert_eq!(found, documented());
}

#[test]
fn values_are_those_that_were_counted() {
    let text = metrics::text(&stats(), &Reloads { last_failed: true });
    for line in [
        "senko_config_generation 12",
        "senko_config_last_reload_success 0",
        "senko_config_last_reload_timestamp_seconds 1764000000.5",
        r#"senko_interface_info{interface="e\"t\\h0",mode="native",stages="counter,firewall"} 1"#,
        r#"senko_packets_total{interface="wan",reason="firewall_drop"} 177"#,
        r#"senko_bytes_total{interface="wan",reason="unclaimed"} 5509380"#,
        r#"senko_drops_total{interface="wan",reason="firewall_drop"} 177"#,
        r#"senko_protocol_packets_total{interface="wan",ip_version="4",protocol="tcp"} 12"#,
        r#"senko_protocol_bytes_total{interface="wan",ip_version="",protocol="arp"} 720"#,
        r#"senko_rule_packets_total{section="firewall",rule="drop @blocklist"} 174"#,
        "senko_block_entries 1",
        r#"senko_map_max_entries{map="ETHERTYPE_COUNTS"} 1024"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(!text.contains(r#"senko_interface_info{interface="wan""#), "it is not attached: {text}");
    assert!(!text.contains(r#"senko_drops_total{interface="wan",reason="unclaimed"}"#), "no drop: {text}");
}

#[test]
fn rules_beyond_the_limit_are_one() {
    let mut stats = stats();
    let rules = MOST_RULES as u64 + 20;
    stats.rules =
        (0..rules).map(|n| rule(&format!("10.0.{}.{}", n / 256, n % 256), 100 + n as usize, n)).collect();
    let text = metrics::text(&stats, &Reloads::default());
    let lines: Vec<&str> =
        text.lines().filter(|line| line.starts_with("senko_rule_packets_total{")).collect();
    assert_eq!(lines.len(), MOST_RULES + 1);
    // The set's line stands before them.
    let rest: u64 = (rules - 21..rules).sum();
    let last = format!("senko_rule_packets_total{{section=\"firewall\",rule=\"other\"}} {rest}");
    assert_eq!(*lines.last().expect("some"), last);
}
