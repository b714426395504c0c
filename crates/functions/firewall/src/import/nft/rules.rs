//! A rule of a chain: conditions, and statements that do something.

use policy::{Cidr, Sets, Written};
use serde_json::Value;

use crate::{
    import::{
        conditions::{Conditions, interfaces, nowhere},
        draft::{Draft, Scope, prefix},
        iptables::words,
        nft::{Chain, Key, Rule, Tables, matches::Matches},
    },
    rule::{
        ast::{Action, Field, Limit, LimitKey, Values},
        check::{V4, V6, families},
        head::V6_HOST,
    },
};

/// Families of IP that the packets of a rule can be of; 0 when they are not IP.
fn families_of(conditions: &Conditions, implied: u8, scope: Scope) -> u8 {
    let sets = Sets::new();
    let named = conditions.list.iter().filter_map(|found| families(found, &sets));
    let implied = if implied == 0 { scope.families() } else { implied };
    named.fold(implied, |common, families| common & families)
}

/// A rule on its way.
pub struct One<'a> {
    pub tables: &'a Tables,
    pub chain: &'a Chain,
    pub scope: Scope,
    /// What its end does.
    pub drops: bool,
    /// Chains that judge what this one accepts.
    pub later: &'a [(&'a Key, Scope)],
    pub draft: &'a mut Draft,
}

/// What a rule's statements come to.
#[derive(Default)]
struct Meaning {
    matches: Matches,
    logs: bool,
    /// That let packets go on.
    first: Vec<Action>,
    limit: Option<Limit>,
    verdict: Option<Action>,
}

impl One<'_> {
    pub fn rule(&mut self, rule: &Rule) {
        match self.meaning(rule) {
            Ok(meaning) => self.emit(rule, meaning),
            Err(why) => self.draft.refuse(&rule.origin, why),
        }
    }

    fn meaning(&self, rule: &Rule) -> Result<Meaning, String> {
        let mut meaning = Meaning::default();
        let mut acted = None;
        for statement in &rule.statements {
            let Some((kind, body)) = statement.as_object().and_then(|object| object.iter().next()) else {
                return Err(format!("`{statement}` has no counterpart"));
            };
            if kind == "match" {
                if let Some(before) = acted {
                    return Err(format!("a condition behind `{before}` has no counterpart"));
                }
                meaning.matches.add(body, self.tables, &self.chain.key)?;
                continue;
            }
            if kind != "counter" || body.is_string() {
                acted = Some(kind.as_str());
            }
            self.statement(kind, body, &mut meaning)?;
        }
        let devices = self.chain.base.as_ref().map_or(&[][..], |base| &base.devices);
        if !devices.is_empty() {
            let names = interfaces(devices.iter().map(String::as_str));
            meaning.matches.conditions.and(Field::Interface, false, names)?;
        }
        Ok(meaning)
    }

    fn statement(&self, kind: &str, body: &Value, meaning: &mut Meaning) -> Result<(), String> {
        let verdict = match kind {
            "accept" => Action::Accept,
            "drop" => Action::Drop,
            // At the end of a chain that nobody called is its policy.
            "return" if self.drops => Action::Drop,
            "return" => Action::Accept,
            "reject" => {
                meaning.matches.notes.extend(differs(body, meaning));
                Action::Reject
            }
            "fwd" => match (body["dev"].as_str(), body.get("addr")) {
                (Some(name), None) => Action::Redirect(Written { text: name.into(), at: nowhere() }),
                _ => return Err("`fwd` to an address has no counterpart".into()),
            },
            "counter" => {
                if let Some(name) = body.as_str() {
                    meaning.first.push(Action::Count(name.into()));
                }
                return Ok(());
            }
            "log" => {
                meaning.logs = true;
                if body.get("prefix").is_some() {
                    meaning.matches.notes.push("the prefix of its messages is not kept".into());
                }
                return Ok(());
            }
            "limit" => {
                meaning.limit = Some(limit(body, LimitKey::Rule)?);
                return Ok(());
            }
            "set" => {
                let (key, families) = limit_key(&body["elem"])?;
                let [statement] = body["stmt"].as_array().map_or(&[][..], Vec::as_slice) else {
                    return Err(
                        "a set that packets are added to has no counterpart, but for one `limit … over`"
                            .into(),
                    );
                };
                meaning.limit = Some(limit(statement.get("limit").unwrap_or(&Value::Null), key)?);
                return meaning.matches.imply(families);
            }
            "mangle" if body["key"]["meta"]["key"] == "mark" => {
                let mark = body["value"]
                    .as_u64()
                    .and_then(|mark| u32::try_from(mark).ok())
                    .filter(|mark| *mark != 0);
                meaning.first.push(Action::Mark(mark.ok_or("only whole marks can be set, and not to 0")?));
                return Ok(());
            }
            "jump" | "goto" => {
                let target = body["target"].as_str().unwrap_or_default();
                return Err(format!("calls of chains are not followed: write the rules of `{target}` here"));
            }
            "xt" => return Err("it was made by iptables-nft: import what `iptables-save` prints".into()),
            _ => return Err(format!("`{kind}` has no counterpart")),
        };
        if meaning.verdict.replace(verdict).is_some() {
            return Err("it has two verdicts".into());
        }
        Ok(())
    }

    fn emit(&mut self, rule: &Rule, meaning: Meaning) {
        let Meaning { matches, logs, first, limit, verdict } = meaning;
        let Matches { conditions, families, notes } = matches;
        let origin = &rule.origin;
        let on = conditions.get(Field::Interface).filter(|on| !on.negated);
        let is_loopback = |name: &Written| name.text == "lo";
        if on.is_some_and(
            |on| matches!(&on.values, Values::Interfaces(names) if names.iter().all(is_loopback)),
        ) {
            let why = "not needed: what a host sends to itself does not come in by the gateway";
            return self.draft.refuse(origin, why);
        }
        let verdict = match (limit, verdict) {
            (Some(limit), Some(Action::Drop)) => Some(Action::Limit(limit)),
            (Some(_), _) => {
                return self
                    .draft
                    .refuse(origin, "what exceeds a limit is dropped here, whatever else was to be done");
            }
            (None, verdict) => verdict,
        };
        let common = families_of(&conditions, families, self.scope);
        let next =
            self.later.iter().find(|(_, scope)| *scope == Scope::Frames || scope.families() & common != 0);
        if let (Some(Action::Accept), Some(((_, table, name), _))) = (&verdict, next) {
            let why = format!("it ends its own chain alone: {name} of `{table}` judges these packets, too");
            return self.draft.refuse(origin, why);
        }
        let mut actions: Vec<Action> = first.into_iter().chain(verdict).collect();
        if actions.is_empty() && logs {
            actions.push(Action::Log);
        }
        if actions.is_empty() {
            return self.draft.refuse(origin, "it only counts: write `count NAME …`");
        }
        if logs && actions.iter().any(|action| matches!(action, Action::Limit(_))) {
            return self
                .draft
                .refuse(origin, "it logs what exceeds a limit, and here what is within it would be, too");
        }
        let scope = match (families, self.scope) {
            (V4, _) => Scope::Ipv4,
            (V6, _) => Scope::Ipv6,
            (_, scope) => scope,
        };
        let before = self.draft.imported.rules.len();
        let count = actions.len();
        for (index, action) in actions.into_iter().enumerate() {
            // Told of once, with what decides.
            let logs = logs && index + 1 == count;
            self.draft.rule(origin, scope, logs, action, conditions.clone());
        }
        let added = self.draft.imported.rules.len() - before;
        if added < count {
            // All or nothing.
            self.draft.imported.rules.truncate(before);
            return;
        }
        for note in notes {
            self.draft.note(origin, note);
        }
    }
}

/// What has a limit of its own: elements of a set that packets make as they come, perhaps behind a mask.
fn limit_key(element: &Value) -> Result<(LimitKey, u8), String> {
    let (what, mask) = match element.get("&").and_then(Value::as_array).map(Vec::as_slice) {
        Some([what, mask]) => (what, Some(mask.as_str().unwrap_or_default())),
        _ => (element, None),
    };
    let part = |name: &str| what["payload"][name].as_str().unwrap_or_default();
    let is_six = part("protocol") == "ip6";
    let length = match mask {
        None => {
            if is_six {
                128
            } else {
                32
            }
        }
        Some(mask) => match prefix(&format!("{}/{mask}", if is_six { "::" } else { "0.0.0.0" }))? {
            Cidr::V4(prefix) => prefix.len(),
            Cidr::V6(prefix) => prefix.len(),
        },
    };
    let (v4, v6) = if is_six { (32, length) } else { (length, V6_HOST) };
    let families = if is_six { V6 } else { V4 };
    match (part("protocol"), part("field")) {
        ("ip" | "ip6", "saddr") => Ok((LimitKey::Source { v4, v6 }, families)),
        ("ip" | "ip6", "daddr") => Ok((LimitKey::Destination { v4, v6 }, families)),
        _ => Err("a limit is for each address, and for nothing else".into()),
    }
}

/// A rate that is exceeded.
fn limit(body: &Value, key: LimitKey) -> Result<Limit, String> {
    if let Some(name) = body.as_str() {
        return Err(format!("the limit `{name}` is shared by rules, and here each has its own"));
    }
    if body["inv"] != true {
        return Err(
            "a limit here is about what exceeds it (`over`): write `limit …` and, below, `accept …`".into()
        );
    }
    let is_packets = |key: &str| body.get(key).is_none_or(|unit| unit == "packets");
    if !is_packets("rate_unit") || !is_packets("burst_unit") {
        return Err("a rate of bytes has no counterpart".into());
    }
    let number = |key: &str| body[key].as_u64().and_then(|number| u32::try_from(number).ok());
    let unit = body["per"].as_str().unwrap_or("second");
    let rate = number("rate").ok_or("its rate is not known")?;
    let (packets, per_milliseconds) = words::rate(&format!("{rate}/{unit}"))?;
    let burst = number("burst").unwrap_or(0).max(1);
    Ok(Limit { packets, per_milliseconds, burst, key })
}

/// How far the answer to the sender differs.
fn differs(body: &Value, meaning: &Meaning) -> Option<String> {
    let kind = body["type"].as_str().unwrap_or("icmp");
    let code = body["expr"].as_str().unwrap_or("port-unreachable");
    let protocol = meaning.matches.conditions.get(Field::Protocol);
    let is_tcp = protocol.is_none_or(|protocol| protocol.allows(6));
    match (kind, code) {
        ("tcp reset", _) => None,
        (_, "port-unreachable") if !is_tcp => None,
        (_, "port-unreachable") => Some("TCP is answered by a reset, not by an ICMP message".into()),
        (_, code) => Some(format!("the sender is not told `{code}`, but what `reject` tells")),
    }
}
