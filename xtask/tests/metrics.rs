//! docs/metrics.md, the alert rules and the dashboard say the same, and Prometheus' own checker takes them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    process::{Command, Stdio},
};

use serde_json::Value;
use xtask::command::root;

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect("it is in the repository")
}

/// Metrics of the document's tables, each with its labels.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(Into::into).collect::<Vec<String>>();
    let text = read("docs/metrics.md");
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let metrics: BTreeMap<_, _> = rows
        .map(|row| {
            let cells: Vec<&str> = row.split('|').collect();
            let name = names(cells[1]).remove(0);
            assert_eq!(cells[2].trim() == "counter", name.ends_with("_total"), "{name}: {}", cells[2]);
            (name, names(cells[3]).into_iter().collect())
        })
        .collect();
    assert!(metrics.len() > 20, "{metrics:?}");
    metrics
}

/// The words of an expression that are not in quotes.
fn words(expression: &str) -> Vec<&str> {
    let unquoted = expression.split('"').step_by(2);
    let words = unquoted.flat_map(|part| part.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'));
    words.filter(|word| !word.is_empty()).collect()
}

/// Asserts that an expression uses metrics that there are, and labels that its metrics have.
fn assert_known(expression: &str, metrics: &BTreeMap<String, BTreeSet<String>>) {
    let words = words(expression);
    let named: Vec<&str> =
        words.iter().copied().filter(|w| w.starts_with("senko_") || w.starts_with("process_")).collect();
    assert!(!named.is_empty() || words.contains(&"up"), "no metric in {expression}");
    let mut labels: BTreeSet<&str> = BTreeSet::from(["job", "instance", "alertname"]);
    for name in named {
        let known =
            metrics.get(name).unwrap_or_else(|| panic!("docs/metrics.md has no {name}: {expression}"));
        labels.extend(known.iter().map(String::as_str));
    }
    // `{label="…", …}`, and the lists behind `by` and `on`.
    let selected = expression.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let selected =
        selected.flat_map(|inside| inside.split(',')).filter_map(|pair| pair.split(['=', '!']).next());
    let grouped = [" by (", " on ("].into_iter().flat_map(|word| expression.split(word).skip(1));
    let grouped = grouped.filter_map(|rest| rest.split(')').next()).flat_map(|list| list.split(','));
    for label in selected.chain(grouped).map(str::trim) {
        assert!(labels.contains(label), "no label `{label}` of the metrics in {expression}");
    }
}

fn promtool() -> Command {
    Command::new(toolchain::promtool().expect("promtool is missing: run `cargo xtask setup`"))
}

#[test]
fn expressions_are_checked_at_all() {
    let metrics = documented();
    assert_known("sum by (interface) (rate(senko_drops_total{reason=\"malformed\"}[5m])) > 0", &metrics);
    for wrong in [
        "senko_dropped_total",
        "sum by (rule) (senko_drops_total)",
        "senko_drops_total{map=\"x\"}",
        "vector(1)",
    ] {
        assert!(std::panic::catch_unwind(|| assert_known(wrong, &metrics)).is_err(), "{wrong}");
    }
}

#[test]
fn the_dashboard_asks_for_what_is_documented() {
    let metrics = documented();
    let dashboard: Value = serde_json::from_str(&read("packaging/grafana/senko.json")).expect("it is JSON");
    let mut expressions = Vec::new();
    collect(&dashboard, &["expr"], &mut expressions);
    assert!(expressions.len() > 20, "{expressions:?}");
    for expression in &expressions {
        assert_known(expression, &metrics);
    }
    let all = expressions.join(" ");
    for name in metrics.keys() {
        assert!(words(&all).contains(&name.as_str()), "the dashboard does not show {name}");
    }
    let panels = dashboard["panels"].as_array().expect("panels are a list");
    let ids: BTreeSet<i64> = panels.iter().filter_map(|panel| panel["id"].as_i64()).collect();
    assert_eq!(ids.len(), panels.len(), "two panels have the same id");
    for panel in panels {
        let (x, w) = (&panel["gridPos"]["x"], &panel["gridPos"]["w"]);
        assert!(x.as_u64().zip(w.as_u64()).is_some_and(|(x, w)| x + w <= 24), "{}: too wide", panel["title"]);
    }
}

/// All texts under one of the keys, wherever they are.
fn collect(value: &Value, keys: &[&str], out: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(text) if keys.contains(&key.as_str()) => out.push(text.clone()),
                    _ => collect(value, keys, out),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, keys, out)),
        _ => {}
    }
}

#[test]
fn the_dashboards_expressions_are_promql() {
    let dashboard: Value = serde_json::from_str(&read("packaging/grafana/senko.json")).expect("it is JSON");
    let mut expressions = Vec::new();
    collect(&dashboard, &["expr"], &mut expressions);
    // As recording rules, with Grafana's variables filled in.
    let mut rules = String::from("groups:\n- name: dashboard\n  rules:\n");
    for (index, expression) in expressions.iter().enumerate() {
        let filled = expression
            .replace("$__rate_interval", "5m")
            .replace("$__interval", "1m")
            .replace("$job", "senko")
            .replace("$instance", ".*")
            .replace("$interface", ".*");
        assert!(!filled.contains('$'), "a variable that Grafana does not have: {expression}");
        rules += &format!("  - record: panel:{index}\n    expr: '{}'\n", filled.replace('\'', "''"));
    }
    let mut file = tempfile::NamedTempFile::new().expect("the temporary folder takes files");
    file.write_all(rules.as_bytes()).expect("it is writable");
    let out = promtool().args(["check", "rules"]).arg(file.path()).output().expect("it starts");
    assert!(out.status.success(), "{}\n{rules}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn the_alert_rules_are_sound_and_ask_for_what_is_documented() {
    let path = root().join("packaging/prometheus/alerts.yml");
    let out = promtool().args(["check", "rules", "--lint=all", "--lint-fatal"]).arg(&path).output();
    let out = out.expect("it starts");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let metrics = documented();
    let rules = expressions_of(&read("packaging/prometheus/alerts.yml"));
    assert!(rules.len() >= 9, "{rules:?}");
    for expression in rules {
        assert_known(&expression, &metrics);
    }
}

/// The expressions of a rule file, folded lines joined.
fn expressions_of(rules: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut inside = None;
    for line in rules.lines() {
        let indent = line.len() - line.trim_start().len();
        if let Some(expression) = line.trim_start().strip_prefix("expr:") {
            out.push(expression.trim().trim_start_matches(">-").to_owned());
            inside = Some(indent);
        } else if inside.is_some_and(|of| indent > of) {
            if let Some(last) = out.last_mut() {
                *last += " ";
                *last += line.trim();
            }
        } else {
            inside = None;
        }
    }
    out
}

#[test]
fn each_alert_fires_when_it_should() {
    let tests = "alerts.test.yml";
    let mut run = promtool();
    run.args(["test", "rules", tests]).current_dir(root().join("packaging/prometheus"));
    let out = run.output().expect("it starts");
    assert!(
        out.status.success(),
        "{}{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
    let (rules, tests) =
        (read("packaging/prometheus/alerts.yml"), read("packaging/prometheus/alerts.test.yml"));
    for alert in rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(tests.contains(&format!("alertname=\"{alert}\"")), "no test lets {alert} fire");
        assert!(
            tests.contains(&format!("alertname: {alert}, exp_alerts: []")),
            "no test keeps {alert} silent"
        );
    }
}

#[test]
fn the_documents_scrape_is_one_and_complete() {
    let text = read("docs/metrics.md");
    let scrape = text.split_once("```prometheus\n").and_then(|(_, rest)| rest.split_once("```"));
    let scrape = scrape.expect("the document has an example").0;
    let mut run = promtool();
    run.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = run.spawn().expect("it starts");
    child.stdin.take().expect("it was asked for").write_all(scrape.as_bytes()).expect("it reads");
    let out = child.wait_with_output().expect("it ends");
    let said = [out.stdout, out.stderr].concat();
    assert!(out.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
    for (name, labels) in documented() {
        let sample = scrape
            .lines()
            .find(|line| line.strip_prefix(&name).is_some_and(|rest| rest.starts_with(['{', ' '])));
        let sample = sample.unwrap_or_else(|| panic!("the example has no {name}"));
        let has: BTreeSet<String> = match sample.split_once('{') {
            Some((_, rest)) => {
                words(rest).into_iter().filter(|word| word.parse::<f64>().is_err()).map(Into::into).collect()
            }
            None => BTreeSet::new(),
        };
        assert_eq!(has, labels, "{sample}");
    }
}
