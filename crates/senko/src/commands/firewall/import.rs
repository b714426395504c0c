//! `senko firewall import`: rules of other firewalls as the section `[firewall]`.

use std::io::{Read as _, Write as _};

use engine::exit;
use firewall::import::{Imported, Remark, iptables, nft, xdp_filter};
use serde::Serialize;

use crate::{
    args::Global,
    failure::Failure,
    render::{json_line, say},
};

/// The document of `--json`.
#[derive(Debug, Serialize)]
struct Document<'a> {
    default: Option<&'static str>,
    rules: Vec<Row<'a>>,
    not_translated: Vec<Said<'a>>,
    notes: Vec<Said<'a>>,
    /// Each needs its `[[interface]]`.
    interfaces: Vec<&'a str>,
}

#[derive(Debug, Serialize)]
struct Row<'a> {
    line: usize,
    rule: &'a str,
}

#[derive(Debug, Serialize)]
struct Said<'a> {
    line: usize,
    text: &'a str,
    why: &'a str,
}

fn said(remarks: &[Remark]) -> Vec<Said<'_>> {
    remarks.iter().map(|Remark { line, text, why }| Said { line: *line, text, why }).collect()
}

/// Translates a file, `-` being standard input. Exit code 7 when something could not be translated.
pub fn run(words: &[String], global: &Global) -> Result<u8, Failure> {
    let [path] = words else {
        return Err(Failure::usage(
            "`import` takes one file",
            Some("iptables-save | senko firewall import -, or nft -j list ruleset | senko firewall import -"),
        ));
    };
    let imported = translate(&read(path)?).map_err(|error| {
        Failure::usage(format!("{path} is no JSON of `nft -j list ruleset`: {error}"), None)
    })?;
    let mut out = std::io::stdout().lock();
    if global.json {
        json_line(
            &mut out,
            &Document {
                default: imported.default.map(firewall::import::Policy::name),
                rules: imported.rules.iter().map(|own| Row { line: own.line, rule: &own.rule }).collect(),
                not_translated: said(&imported.not_translated),
                notes: said(&imported.notes),
                interfaces: imported.interfaces.iter().map(String::as_str).collect(),
            },
        )?;
    } else {
        out.write_all(imported.toml().as_bytes())?;
    }
    out.flush()?;
    let (rules, missing) = (imported.rules.len(), imported.not_translated.len());
    if missing == 0 {
        say(format_args!("{rules} rules were translated"));
        return Ok(0);
    }
    say(format_args!(
        "{rules} rules were translated, {missing} lines were not: read them before you apply the rest"
    ));
    Ok(exit::DIFFERS)
}

fn read(path: &str) -> Result<String, Failure> {
    let failed = |error: std::io::Error| Failure::failed(format!("cannot read {path}: {error}"), None);
    let mut bytes = Vec::new();
    if path == "-" {
        std::io::stdin().lock().read_to_end(&mut bytes).map_err(failed)?;
    } else {
        bytes = std::fs::read(path).map_err(failed)?;
    }
    String::from_utf8(bytes).map_err(|_| Failure::usage(format!("{path} is no text"), None))
}

/// By what it looks like: JSON, `iptables-save`, or a list like xdp-filter's.
fn translate(text: &str) -> Result<Imported, serde_json::Error> {
    if text.trim_start().starts_with('{') {
        return nft(text);
    }
    let is_saved = |line: &str| ["*", ":", "-A ", "COMMIT"].iter().any(|start| line.starts_with(start));
    Ok(if text.lines().any(is_saved) { iptables(text) } else { xdp_filter(text) })
}
