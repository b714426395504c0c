//! Lists like xdp-filter's: an address, a port or a MAC a line, and what of the packet it is compared with.
//!
//! ```text
//! policy allow
//! ip 192.0.2.7 src
//! port 53 udp dst
//! ether 02:00:00:00:00:01 src
//! ```

use crate::{
    import::{
        Imported,
        conditions::{Conditions, prefixes},
        draft::{Draft, Origin, Scope, prefix},
        iptables::words::{mac, ports},
    },
    rule::{
        ast::{Action, Field, Values},
        check::{V4, V6},
    },
};

/// Translates such a list. What is listed is dropped; with `policy deny`, it is what comes through.
pub fn xdp_filter(text: &str) -> Imported {
    let mut draft = Draft::default();
    let mut denies = false;
    let mut line = 1;
    for (raw, at) in text.lines().zip(1..) {
        let words = raw.split('#').next().unwrap_or_default();
        let words: Vec<&str> = words.split_whitespace().collect();
        let origin = Origin { line: at, text: raw.trim().into() };
        match words[..] {
            [] => {}
            ["policy", "allow" | "deny"] if !draft.imported.rules.is_empty() => {
                draft.refuse(&origin, "the policy stands above the list");
            }
            ["policy", policy @ ("allow" | "deny")] => {
                denies = policy == "deny";
                line = at;
                if denies {
                    draft.note(&origin, "ARP, neighbour discovery and DHCP come through, listed or not");
                }
            }
            _ => match entry(&words) {
                Ok(list) => {
                    let action = if denies { Action::Accept } else { Action::Drop };
                    for conditions in list {
                        draft.rule(&origin, Scope::Frames, false, action.clone(), conditions);
                    }
                }
                Err(why) => draft.refuse(&origin, why),
            },
        }
    }
    draft.policy(line, if denies { V4 | V6 } else { 0 }, V4 | V6);
    draft.imported
}

/// `src,dst` is one or the other: a rule each.
fn entry(words: &[&str]) -> Result<Vec<Conditions>, String> {
    let mut common = Conditions::default();
    let (fields, values, ends) = match *words {
        ["ip", address, ends] => ([Field::Source, Field::Destination], prefixes([prefix(address)?]), ends),
        ["ether", address, ends] => {
            ([Field::SourceMac, Field::DestinationMac], Values::Macs(vec![mac(address)?]), ends)
        }
        ["port", number, protocols, ends] => {
            let protocols = protocols.split(',').map(|name| match name {
                "tcp" => Ok(6..=6),
                "udp" => Ok(17..=17),
                _ => Err(format!("`{name}` is neither tcp nor udp")),
            });
            common.and(Field::Protocol, false, Values::Ranges(protocols.collect::<Result<_, String>>()?))?;
            ([Field::SourcePort, Field::DestinationPort], Values::Ranges(ports(number)?), ends)
        }
        _ => return Err("a line is `ip ADDRESS src`, `port NUMBER udp dst` or `ether MAC src`".into()),
    };
    let end = |end: &str| {
        let field = match end {
            "src" => fields[0],
            "dst" => fields[1],
            _ => return Err(format!("`{end}` is neither src nor dst")),
        };
        let mut conditions = common.clone();
        conditions.and(field, false, values.clone())?;
        Ok(conditions)
    };
    ends.split(',').map(end).collect()
}
