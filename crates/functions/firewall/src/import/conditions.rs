//! Conditions that are put together one by one, as other firewalls have several on the same field: `dport >= 1024` and
//! `dport < 2000`, a chain's and its caller's.

use std::ops::RangeInclusive;

use policy::{Cidr, Item, SourceId, Sources, Span, What, Written};

use crate::rule::{
    ast::{Field, Flags, Match, Values},
    numbers::{Numbers, complement, merged},
    words,
};

/// Why conditions cannot be put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cannot {
    /// No packet meets all of them, so that there is nothing to say.
    Meet,
    Say(String),
}

impl From<Cannot> for String {
    fn from(cannot: Cannot) -> Self {
        match cannot {
            Cannot::Meet => "no packet meets all its conditions".into(),
            Cannot::Say(why) => why,
        }
    }
}

/// What packets a rule is about. Every field has one condition at most.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    pub list: Vec<Match>,
}

/// Rules of other firewalls stand in no file of ours.
pub fn nowhere() -> Span {
    let source: SourceId = Sources::default().add("import", String::new());
    Span { source, start: 0, end: 0 }
}

pub fn prefixes(list: impl IntoIterator<Item = Cidr>) -> Values {
    let item = |prefix: Cidr| Item { what: What::Prefix(prefix), text: prefix.to_string(), at: nowhere() };
    Values::Prefixes(list.into_iter().map(item).collect())
}

pub fn interfaces<'a>(list: impl IntoIterator<Item = &'a str>) -> Values {
    Values::Interfaces(list.into_iter().map(|name| Written { text: name.into(), at: nowhere() }).collect())
}

pub fn number(number: u32) -> Values {
    Values::Ranges(vec![number..=number])
}

impl Conditions {
    pub fn get(&self, field: Field) -> Option<&Match> {
        self.list.iter().find(|known| known.field == field)
    }

    /// Adds a condition that must hold, too. The error is why that cannot be said.
    pub fn and(&mut self, field: Field, negated: bool, values: Values) -> Result<(), Cannot> {
        let values = match values {
            Values::Ranges(ranges) => Values::Ranges(merged(ranges)),
            other => other,
        };
        let Some(known) = self.list.iter_mut().find(|known| known.field == field) else {
            self.list.push(Match { field, negated, values, at: nowhere() });
            return Ok(());
        };
        let (negated, values) = both(field, (known.negated, &known.values), (negated, &values))?;
        (known.negated, known.values) = (negated, values);
        Ok(())
    }

    /// Adds all conditions of another rule.
    pub fn and_all(&mut self, other: &Self) -> Result<(), Cannot> {
        other.list.iter().try_for_each(|found| self.and(found.field, found.negated, found.values.clone()))
    }
}

/// What meets both conditions.
fn both(field: Field, one: (bool, &Values), other: (bool, &Values)) -> Result<(bool, Values), Cannot> {
    let never = || Err(Cannot::Meet);
    if one == other {
        return Ok((one.0, one.1.clone()));
    }
    match (one.1, other.1) {
        (Values::Ranges(first), Values::Ranges(second)) => {
            let plain = |negated: bool, ranges: &[RangeInclusive<u32>]| {
                if negated { complement(ranges, Numbers::most(field)) } else { ranges.to_vec() }
            };
            let common = intersection(&plain(one.0, first), &plain(other.0, second));
            match &common[..] {
                [] => never(),
                // `port not {80, 443}` is what people wrote.
                _ if one.0 && other.0 => {
                    Ok((true, Values::Ranges(merged(first.iter().chain(second).cloned().collect()))))
                }
                _ => Ok((false, Values::Ranges(common))),
            }
        }
        (Values::Prefixes(first), Values::Prefixes(second)) => {
            let list = prefixes_of_both((one.0, first), (other.0, second))?;
            if list.is_empty() { never() } else { Ok((one.0 && other.0, Values::Prefixes(list))) }
        }
        (Values::Flags(first), Values::Flags(second)) if !one.0 && !other.0 => {
            let ([first], [second]) = (&first[..], &second[..]) else {
                return Err(Cannot::Say("it has several conditions on TCP's flags".into()));
            };
            if (first.value ^ second.value) & first.mask & second.mask != 0 {
                return never();
            }
            let flags = Flags { mask: first.mask | second.mask, value: first.value | second.value };
            Ok((false, Values::Flags(vec![flags])))
        }
        (Values::Interfaces(first), Values::Interfaces(second)) if !one.0 && !other.0 => {
            let common = first.iter().filter(|first| second.iter().any(|second| first.text == second.text));
            let common: Vec<Written> = common.cloned().collect();
            if common.is_empty() { never() } else { Ok((false, Values::Interfaces(common))) }
        }
        (Values::Present, Values::Present) => never(),
        _ => Err(Cannot::Say(format!("it has two conditions on `{}`", words::name(field)))),
    }
}

fn intersection(one: &[RangeInclusive<u32>], other: &[RangeInclusive<u32>]) -> Vec<RangeInclusive<u32>> {
    let pairs = one.iter().flat_map(|one| other.iter().map(move |other| (one, other)));
    let common = pairs.map(|(one, other)| *one.start().max(other.start())..=*one.end().min(other.end()));
    merged(common.filter(|range| !range.is_empty()).collect())
}

fn prefixes_of_both(
    (not_first, first): (bool, &[Item]),
    (not_second, second): (bool, &[Item]),
) -> Result<Vec<Item>, Cannot> {
    let within = |inner: &Item, outer: &Item| match (&inner.what, &outer.what) {
        (What::Prefix(inner), What::Prefix(outer)) => outer.contains(*inner),
        _ => false,
    };
    match (not_first, not_second) {
        (true, true) => {
            let more = second.iter().filter(|more| !first.iter().any(|known| known.what == more.what));
            Ok(first.iter().chain(more).cloned().collect())
        }
        // Two prefixes have nothing in common, or one of them is it.
        (false, false) => {
            let inner = first.iter().filter(|inner| second.iter().any(|outer| within(inner, outer)));
            let rest = second.iter().filter(|inner| {
                first.iter().any(|outer| within(inner, outer))
                    && !first.iter().any(|same| same.what == inner.what)
            });
            Ok(inner.chain(rest).cloned().collect())
        }
        _ => {
            let (some, but) = if not_first { (second, first) } else { (first, second) };
            if but.iter().any(|but| some.iter().any(|outer| within(but, outer) && but.what != outer.what)) {
                return Err(Cannot::Say("it wants a prefix without a part of it".into()));
            }
            Ok(some.iter().filter(|inner| !but.iter().any(|but| within(inner, but))).cloned().collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::ast::Rule;

    fn conditions(texts: &[&str]) -> Result<String, String> {
        use crate::rule::{Place, ast::Action, read};
        let world = policy::World { interfaces: &[], sets: &policy::Sets::new(), addresses: &[] };
        let mut all = Conditions::default();
        for text in texts {
            let place = Place { at: nowhere(), inner: None };
            let rule = read(&format!("drop {text}"), place, &world, &mut policy::Problems::default());
            all.and_all(&Conditions { list: rule.expect("a rule").matches })?;
        }
        let rule =
            Rule { action: Action::Drop, log: None, matches: all.list, text: String::new(), at: nowhere() };
        Ok(rule.to_string().replacen("drop ", "", 1))
    }

    #[test]
    fn two_conditions_on_a_field_become_one() {
        for (texts, expected) in [
            (&["tcp port >= 1024", "tcp port < 2000"][..], Ok("tcp port 1024-1999")),
            (&["tcp port 22", "tcp port {22, 80}"], Ok("tcp port 22")),
            (&["tcp port not 22", "tcp port not 80"], Ok("tcp port not {22, 80}")),
            (&["tcp port 20-30", "tcp port not 22"], Ok("tcp port {20-21, 23-30}")),
            (&["tcp port 22", "tcp port 80"], Err("no packet meets all its conditions")),
            (&["tcp port not 22", "tcp port 22"], Err("no packet meets all its conditions")),
            (&["{tcp, udp} port 53", "udp"], Ok("udp port 53")),
            (&["from 10.0.0.0/8", "from 10.1.0.0/16"], Ok("from 10.1.0.0/16")),
            (
                &["from {10.1.0.0/16, 192.0.2.1}", "from {10.0.0.0/8, 192.0.2.0/24}"],
                Ok("from {10.1.0.0/16, 192.0.2.1}"),
            ),
            (
                &["from {10.0.0.0/8, 192.0.2.1}", "from {10.1.0.0/16, 192.0.2.0/24}"],
                Ok("from {192.0.2.1, 10.1.0.0/16}"),
            ),
            (&["from 10.0.0.0/8", "from 10.0.0.0/8"], Ok("from 10.0.0.0/8")),
            (&["from 10.0.0.0/8", "from 192.0.2.1"], Err("no packet meets all its conditions")),
            (&["from not 10.0.0.0/8", "from not 192.0.2.1"], Ok("from not {10.0.0.0/8, 192.0.2.1}")),
            (&["from {10.1.0.0/16, 192.0.2.1}", "from not 10.0.0.0/8"], Ok("from 192.0.2.1")),
            (&["from 10.0.0.0/8", "from not 10.1.0.0/16"], Err("it wants a prefix without a part of it")),
            (&["from not 10.0.0.0/8", "from 10.0.0.0/8"], Err("no packet meets all its conditions")),
            (&["tcp flags syn/syn", "tcp flags none/ack"], Ok("tcp flags syn/syn,ack")),
            (&["tcp flags syn/syn", "tcp flags none/syn,ack"], Err("no packet meets all its conditions")),
            (
                &["tcp flags {syn, fin}", "tcp flags none/ack"],
                Err("it has several conditions on TCP's flags"),
            ),
            (&["tcp flags not syn/syn", "tcp flags none/ack"], Err("it has two conditions on `flags`")),
            (&["established", "established"], Ok("established")),
            (&["established", "not established"], Err("no packet meets all its conditions")),
            (&["fragment", "not fragment later"], Ok("fragment first")),
        ] {
            assert_eq!(conditions(texts), expected.map(str::to_owned).map_err(str::to_owned), "{texts:?}");
        }
    }
}
