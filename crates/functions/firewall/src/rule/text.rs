//! The canonical text of a rule: reading it gives the same rule. Importers write rules with it.

use std::{
    fmt::{self, Display, Formatter},
    ops::RangeInclusive,
};

use policy::{Cidr, What};
use wire::protocol;

use crate::rule::{
    ast::{Action, Field, Limit, LimitKey, Match, Rule, Values},
    head::{V6_HOST, default_burst},
    names::{self, Icmp},
    numbers::Numbers,
    values::flag_names,
    words,
};

impl Display for Rule {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let log = self.log.map(|many| if many == 1 { "log".into() } else { format!("log 1/{many}") });
        let action = Some(self.action.to_string()).filter(|_| self.action != Action::Log);
        let words: Vec<String> = log.into_iter().chain(action).chain(self.conditions()).collect();
        f.write_str(&words.join(" "))
    }
}

impl Rule {
    fn conditions(&self) -> impl Iterator<Item = String> {
        let icmp = self.matches.iter().find_map(Icmp::named_by);
        self.matches.iter().map(move |condition| text(condition, icmp))
    }
}

impl Display for Action {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accept => f.write_str("accept"),
            Self::Drop => f.write_str("drop"),
            Self::Reject => f.write_str("reject"),
            Self::Log => f.write_str("log"),
            Self::Count(name) => write!(f, "count {name}"),
            Self::Mark(mark) => write!(f, "mark {mark:#x}"),
            Self::Redirect(interface) => write!(f, "redirect {}", interface.text),
            Self::Limit(limit) => limit.fmt(f),
        }
    }
}

impl Display for Limit {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let unit = match self.per_milliseconds {
            1000 => "s",
            60_000 => "m",
            _ => "h",
        };
        write!(f, "limit {}/{unit}", self.packets)?;
        if self.burst != default_burst(self.packets, self.per_milliseconds) {
            write!(f, " burst {}", self.burst)?;
        }
        let (whose, v4, v6) = match self.key {
            LimitKey::Rule => return Ok(()),
            LimitKey::Source { v4, v6 } => ("source", v4, v6),
            LimitKey::Destination { v4, v6 } => ("destination", v4, v6),
        };
        write!(f, " per {whose}")?;
        match (v4, v6) {
            (32, V6_HOST) => Ok(()),
            (v4, V6_HOST) => write!(f, "/{v4}"),
            (v4, v6) => write!(f, "/{v4}/{v6}"),
        }
    }
}

impl Display for Match {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&text(self, None))
    }
}

/// A condition. Types of ICMP have names where the rule is about one of the two.
fn text(condition: &Match, icmp: Option<Icmp>) -> String {
    let Match { field, negated, values, .. } = condition;
    let not = if *negated { "not " } else { "" };
    let name = words::name(*field);
    match (field, values) {
        (Field::Options | Field::Established, _) | (_, Values::Present) => format!("{not}{name}"),
        (Field::Version, Values::Ranges(ranges)) => {
            let is_v6 = ranges.iter().any(|range| range.contains(&6));
            format!("{not}{}", if is_v6 { "ipv6" } else { "ip" })
        }
        (Field::Fragment, Values::Ranges(ranges)) => match ranges[..] {
            [ref range] if *range == (1..=1) => format!("{not}fragment first"),
            [ref range] if *range == (2..=2) => format!("{not}fragment later"),
            _ => format!("{not}fragment"),
        },
        (Field::Protocol, Values::Ranges(ranges)) => match bare(ranges) {
            Some(names) => format!("{not}{}", list(names)),
            None => format!("protocol {not}{}", list(ranges.iter().map(|range| number(*field, range, icmp)))),
        },
        (_, Values::Ranges(ranges)) => {
            format!("{name} {not}{}", list(ranges.iter().map(|range| number(*field, range, icmp))))
        }
        (_, Values::Prefixes(items)) => {
            format!("{name} {not}{}", list(items.iter().map(|item| what(&item.what))))
        }
        (_, Values::Flags(flags)) => {
            // In braces the comma is between values.
            let between = if flags.len() == 1 { "," } else { "+" };
            let text = flags.iter().map(|flags| {
                let value = flag_names(flags.value, between);
                let is_whole = match flags.mask {
                    names::PLAIN_FLAGS => true,
                    0xff => flags.value & !names::PLAIN_FLAGS != 0,
                    _ => false,
                };
                if is_whole { value } else { format!("{value}/{}", flag_names(flags.mask, between)) }
            });
            format!("{name} {not}{}", list(text))
        }
        (_, Values::Macs(macs)) => {
            let text = macs.iter().map(|mac| mac.map(|byte| format!("{byte:02x}")).join(":"));
            format!("{name} {not}{}", list(text))
        }
        (_, Values::Interfaces(interfaces)) => {
            format!("{name} {not}{}", list(interfaces.iter().map(|interface| interface.text.clone())))
        }
    }
}

/// Protocols that can stand without their word.
fn bare(ranges: &[RangeInclusive<u32>]) -> Option<impl Iterator<Item = String>> {
    let mut names = Vec::new();
    for range in ranges {
        // A range says other things than the words for its numbers.
        let number = (range.start() == range.end()).then_some(*range.start())?;
        let name = protocol::ip_name(u8::try_from(number).ok()?)?;
        names.push(words::PROTOCOLS.contains(&name).then(|| name.to_owned())?);
    }
    Some(names.into_iter())
}

/// One value, or several in braces.
fn list(values: impl Iterator<Item = String>) -> String {
    let values: Vec<String> = values.collect();
    match &values[..] {
        [one] => one.clone(),
        _ => format!("{{{}}}", values.join(", ")),
    }
}

fn number(field: Field, range: &RangeInclusive<u32>, icmp: Option<Icmp>) -> String {
    let (first, last) = (*range.start(), *range.end());
    if first == last {
        let name = match field {
            Field::Protocol => u8::try_from(first).ok().and_then(protocol::ip_name),
            Field::Ethertype => u16::try_from(first).ok().and_then(protocol::ethertype_name),
            Field::IcmpType => icmp.and_then(|icmp| icmp.type_name(first)),
            Field::Dscp => names::name(names::DSCP_CLASSES, first),
            _ => None,
        };
        return match name {
            Some(name) => name.into(),
            None if field == Field::Ethertype => format!("{first:#06x}"),
            None => first.to_string(),
        };
    }
    let compares = matches!(field, Field::Length | Field::Ttl);
    let most = Numbers::most(field);
    match (first, last) {
        (0, last) if compares && last < most => format!("< {}", last + 1),
        (first @ 1.., last) if compares && last == most => format!("> {}", first - 1),
        _ if field == Field::Ethertype => format!("{first:#06x}-{last:#06x}"),
        _ => format!("{first}-{last}"),
    }
}

/// A host is written without its length.
fn what(what: &What) -> String {
    match what {
        What::Set(name) => format!("@{name}"),
        What::Prefix(prefix) => {
            let text = prefix.to_string();
            let host = if matches!(prefix, Cidr::V4(_)) { "/32" } else { "/128" };
            text.strip_suffix(host).map_or(text.clone(), str::to_owned)
        }
    }
}
