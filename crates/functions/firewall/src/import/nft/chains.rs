//! From chains to a list.

use std::collections::BTreeSet;

use crate::import::{
    draft::{Draft, Scope},
    nft::{Chain, Key, Tables, rules::One},
};

/// Translates all chains that see what comes in.
pub fn translate(tables: &Tables, draft: &mut Draft) {
    let mut base: Vec<(&Chain, Scope)> =
        tables.chains.iter().filter_map(|chain| Some((chain, chain.scope()?))).collect();
    base.retain(|(chain, _)| chain.base.as_ref().is_some_and(|base| base.kind == "filter"));
    let rank = |chain: &Chain| {
        let base = chain.base.as_ref();
        let hook = base.map_or(0, |base| match base.hook.as_str() {
            "ingress" => 0,
            "prerouting" => 1,
            _ => 2,
        });
        (hook, base.map_or(0, |base| base.priority))
    };
    base.sort_by_key(|(chain, _)| rank(chain));
    let (mut dropped, mut judged, mut line) = (0, 0, 1);
    for (index, (chain, scope)) in base.iter().enumerate() {
        judged |= scope.families();
        // Those that judge some of the same packets.
        let later: Vec<(&Key, Scope)> = base[index + 1..]
            .iter()
            .filter(|(next, of_next)| of_next.families() & scope.families() != 0 && is_active(tables, next))
            .map(|(next, of_next)| (&next.key, *of_next))
            .collect();
        let drops = chain.base.as_ref().is_some_and(|base| base.drops);
        match (later.first(), drops) {
            (None, true) => {
                dropped |= scope.families();
                line = chain.origin.line;
            }
            (Some(((_, table, name), _)), true) => {
                let why = format!(
                    "the policy of the last chain is the default, and behind this one comes {name} of `{table}`"
                );
                draft.refuse(&chain.origin, why);
            }
            _ => {}
        }
        if is_active(tables, chain) {
            remarks(chain, draft);
        }
        for rule in tables.rules.get(&chain.key).map_or(&[][..], Vec::as_slice) {
            let mut one = One { tables, chain, scope: *scope, drops, later: &later, draft };
            one.rule(rule);
        }
    }
    others(tables, &base, draft);
    draft.policy(line, dropped, judged);
}

/// Whether a chain makes a difference.
fn is_active(tables: &Tables, chain: &Chain) -> bool {
    tables.rules.contains_key(&chain.key) || chain.base.as_ref().is_some_and(|base| base.drops)
}

fn remarks(chain: &Chain, draft: &mut Draft) {
    let Some(base) = &chain.base else { return };
    match base.hook.as_str() {
        "input" => {
            let why =
                "its rules are about packets to this host, and here also about those that pass through it";
            draft.note(&chain.origin, why);
        }
        "ingress" if base.devices.is_empty() => {
            let why = "this nft does not print its device: here, its rules are about all interfaces";
            draft.note(&chain.origin, why);
        }
        _ => {}
    }
    if base.hook == "ingress" && base.drops {
        draft.note(&chain.origin, "ARP, neighbour discovery and DHCP come through, listed or not");
    }
}

/// Lists all rules of other chains.
fn others(tables: &Tables, base: &[(&Chain, Scope)], draft: &mut Draft) {
    let translated: BTreeSet<&Key> = base.iter().map(|(chain, _)| &chain.key).collect();
    for chain in tables.chains.iter().filter(|chain| !translated.contains(&chain.key)) {
        let why = match &chain.base {
            None => format!("calls of `{}` are not followed", chain.key.2),
            Some(base) if base.kind == "nat" => "addresses are not translated here".into(),
            Some(_) if matches!(chain.key.0.as_str(), "arp" | "bridge") => {
                format!("the family {} has no counterpart", chain.key.0)
            }
            Some(base) if base.hook == "forward" => {
                "packets that pass through are judged by the same rules as those to this host".into()
            }
            Some(base) if matches!(base.hook.as_str(), "output" | "postrouting" | "egress") => {
                "only what comes in is judged".into()
            }
            Some(base) => format!("the hook {} of type {} has no counterpart", base.hook, base.kind),
        };
        if chain.base.as_ref().is_some_and(|base| base.drops) {
            draft.refuse(&chain.origin, why.clone());
        }
        for rule in tables.rules.get(&chain.key).map_or(&[][..], Vec::as_slice) {
            draft.refuse(&rule.origin, why.clone());
        }
    }
    let known: BTreeSet<&Key> = tables.chains.iter().map(|chain| &chain.key).collect();
    for rule in tables.rules.iter().filter(|(key, _)| !known.contains(key)).flat_map(|(_, rules)| rules) {
        draft.refuse(&rule.origin, "its chain is not in the text");
    }
}
