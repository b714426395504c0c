//! What `nft -j list ruleset` prints.

mod chains;
mod matches;
mod names;
mod rules;
mod values;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use crate::import::{
    Imported,
    draft::{Draft, Origin, Scope},
    nft::chains::translate,
};

/// The whole text; every element keeps its place in it.
#[derive(Deserialize)]
struct Ruleset<'a> {
    #[serde(borrow)]
    nftables: Vec<&'a RawValue>,
}

/// Family, table and name: `inet`, `filter`, `input`.
type Key = (String, String, String);

/// What rules refer to.
#[derive(Debug, Default)]
struct Tables {
    chains: Vec<Chain>,
    /// Elements of sets; the error is why they cannot be listed.
    sets: BTreeMap<Key, Result<Vec<Value>, String>>,
    rules: BTreeMap<Key, Vec<Rule>>,
}

#[derive(Debug)]
struct Chain {
    key: Key,
    origin: Origin,
    base: Option<Base>,
}

/// What a chain is that the kernel calls.
#[derive(Debug)]
struct Base {
    kind: String,
    hook: String,
    priority: i64,
    drops: bool,
    /// Of ingress.
    devices: Vec<String>,
}

#[derive(Debug)]
struct Rule {
    origin: Origin,
    statements: Vec<Value>,
}

/// Translates what `nft -j list ruleset` printed. The error is why it is no such text.
pub fn nft(text: &str) -> Result<Imported, serde_json::Error> {
    let ruleset: Ruleset<'_> = serde_json::from_str(text)?;
    let mut draft = Draft::default();
    let tables = read(text, &ruleset, &mut draft)?;
    translate(&tables, &mut draft);
    draft.imported.not_translated.sort_by_key(|remark| remark.line);
    draft.imported.notes.sort_by_key(|remark| remark.line);
    Ok(draft.imported)
}

fn read(text: &str, ruleset: &Ruleset<'_>, draft: &mut Draft) -> Result<Tables, serde_json::Error> {
    let mut tables = Tables::default();
    let (mut line, mut counted) = (1, 0);
    for raw in &ruleset.nftables {
        // They are parts of the text, in order.
        let start = (raw.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize).min(text.len());
        line += text.as_bytes()[counted..start].iter().filter(|byte| **byte == b'\n').count();
        counted = start;
        let element: Value = serde_json::from_str(raw.get())?;
        let Some((kind, body)) = element.as_object().and_then(|object| object.iter().next()) else {
            continue;
        };
        let part = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let (family, table) = (part("family"), part("table"));
        match kind.as_str() {
            // Rules that use the last ones say so.
            "metainfo" | "table" | "map" | "counter" | "limit" | "quota" => {}
            "chain" => tables.chains.push(chain(body, (family, table, part("name")), line)),
            "set" => {
                tables.sets.insert((family, table, part("name")), set(body));
            }
            "rule" => {
                let chain = part("chain");
                let statements = body["expr"].as_array().cloned().unwrap_or_default();
                let handle = body["handle"].as_u64().unwrap_or_default();
                let text = format!("{family} {table} {chain} handle {handle}: {}", body["expr"]);
                let rule = Rule { origin: Origin { line, text }, statements };
                tables.rules.entry((family, table, chain)).or_default().push(rule);
            }
            _ => {
                let text = format!("{kind} {}", part("name"));
                draft.refuse(&Origin { line, text }, format!("a {kind} has no counterpart"));
            }
        }
    }
    Ok(tables)
}

fn chain(body: &Value, key: Key, line: usize) -> Chain {
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let devices = match &body["dev"] {
        Value::String(name) => vec![name.clone()],
        Value::Array(names) => names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    };
    let base = body["hook"].is_string().then(|| Base {
        kind: text("type"),
        hook: text("hook"),
        priority: body["prio"].as_i64().unwrap_or_default(),
        drops: body["policy"] == "drop",
        devices,
    });
    let words = format!("chain {} {} {}", key.0, key.1, key.2);
    Chain { key, origin: Origin { line, text: words }, base }
}

/// The elements of a set, without what is said about each.
fn set(body: &Value) -> Result<Vec<Value>, String> {
    let has =
        |flag: &str| body["flags"].as_array().is_some_and(|flags| flags.iter().any(|known| known == flag));
    if has("dynamic") || has("timeout") {
        return Err("its elements come and go".into());
    }
    let elements = body["elem"].as_array().map_or(&[][..], Vec::as_slice);
    Ok(elements
        .iter()
        .map(|element| element.get("elem").map_or(element, |inner| &inner["val"]).clone())
        .collect())
}

impl Chain {
    /// Packets that it sees; `None`: none that come in by a frame.
    fn scope(&self) -> Option<Scope> {
        match (self.key.0.as_str(), self.base.as_ref()?.hook.as_str()) {
            ("netdev" | "inet", "ingress") => Some(Scope::Frames),
            ("inet", "prerouting" | "input") => Some(Scope::Ip),
            ("ip", "prerouting" | "input") => Some(Scope::Ipv4),
            ("ip6", "prerouting" | "input") => Some(Scope::Ipv6),
            _ => None,
        }
    }
}
