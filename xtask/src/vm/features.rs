//! docs/kernels.md: what works in which kernel, from what the guests reported.

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use serde_json::Value;

use super::report::Report;

const LIST: &str = include_str!("features.toml");

const HEAD: &str = "# Kernels\n\n\
    Written by `cargo xtask vm --write` from what Debian's kernels said and did as guests; `cargo xtask vm` fails when they say\n\
    something else. \"Yes\" is: the tests of it passed there. The lists of both are in `xtask/src/vm`. \"Newest\" is what Debian's\n\
    unstable has on the day of the run.\n\n";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    feature: Vec<Feature>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Feature {
    name: String,
    /// Area and name of a check of `senko doctor`.
    asked: Option<[String; 2]>,
    /// What a kernel has that says no.
    without: Option<String>,
    tests: Vec<String>,
}

/// The table, from reports by kernel.
pub fn table(reports: &[(&str, &Report)]) -> Result<String> {
    let list: List = toml::from_str(LIST).context("xtask/src/vm/features.toml")?;
    let mut text = String::from(HEAD);
    let names: Vec<String> = reports.iter().map(|(name, _)| column(name)).collect();
    text += &format!("| | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(names.len()));
    for feature in &list.feature {
        let cells: Vec<String> = reports
            .iter()
            .map(|(kernel, report)| {
                cell(feature, report).with_context(|| format!("{kernel}: {}", feature.name))
            })
            .collect::<Result<_>>()?;
        text += &format!("| {} | {} |\n", feature.name, cells.join(" | "));
    }
    Ok(text)
}

fn column(kernel: &str) -> String {
    if kernel == "latest" { "newest".into() } else { kernel.into() }
}

fn cell(feature: &Feature, report: &Report) -> Result<String> {
    for test in &feature.tests {
        let part = format!("{test}::");
        let passed = report.passed.keys().any(|name| name == test || name.starts_with(&part));
        let failed = report.failed.iter().any(|name| name == test || name.starts_with(&part));
        if failed || !passed {
            bail!("{test} did not pass");
        }
    }
    let Some([area, name]) = &feature.asked else { return Ok("yes".into()) };
    let text = report.files.get("doctor.json").context("the guest sent no doctor.json")?;
    let doctor: Value = serde_json::from_str(text).context("doctor.json")?;
    let checks = doctor["checks"].as_array().context("doctor.json has no checks")?;
    let check = checks.iter().find(|check| check["area"] == **area && check["name"] == **name);
    let check = check.with_context(|| format!("doctor has no check {area}, {name}"))?;
    match check["found"].as_str() {
        Some("yes") => Ok("yes".into()),
        Some(found) if found.starts_with("no") => {
            feature.without.clone().with_context(|| format!("{area}, {name}: {found}; `without` is missing"))
        }
        other => bail!("{area}, {name}: {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(found: &str) -> Report {
        let mut report = Report::default();
        report.passed.insert("a::b::one".into(), 0.1);
        let check = serde_json::json!({ "checks": [{ "area": "helpers", "name": "h", "found": found }] });
        report.files.insert("doctor.json".into(), check.to_string());
        report
    }

    fn feature(tests: &[&str]) -> Feature {
        Feature {
            name: "f".into(),
            asked: Some(["helpers".into(), "h".into()]),
            without: Some("degraded: less".into()),
            tests: tests.iter().map(|test| (*test).into()).collect(),
        }
    }

    #[test]
    fn a_cell_is_what_the_guest_said_and_did() {
        assert_eq!(cell(&feature(&["a::b"]), &report("yes")).expect("yes"), "yes");
        assert_eq!(cell(&feature(&["a::b::one"]), &report("no: 5.18")).expect("no"), "degraded: less");
        assert!(cell(&feature(&["a::b"]), &report("blocked")).is_err());
        assert!(cell(&feature(&["a::c"]), &report("yes")).is_err(), "a test that did not run");
        let mut failed = report("yes");
        failed.failed.push("a::b::two".into());
        assert!(cell(&feature(&["a::b"]), &failed).is_err());
    }

    #[test]
    fn the_list_can_be_read() {
        toml::from_str::<List>(LIST).expect("features.toml");
    }
}
