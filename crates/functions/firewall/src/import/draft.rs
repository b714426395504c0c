//! The result while it is made. A translated rule is read before it is one.

use std::collections::BTreeSet;

use policy::{Cidr, Interface, Problems, Sets, Severity, Span, World};

use crate::{
    import::{
        Imported, Policy, Remark, Translated,
        conditions::{Cannot, Conditions, nowhere, number},
    },
    rule::{
        Place,
        ast::{Action, Field, Match, Rule, Values},
        check::{V4, V6, families},
        read,
    },
};

/// Frames that a chain sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Ipv4,
    Ipv6,
    /// Both, and nothing else.
    Ip,
    /// Whatever comes in.
    Frames,
}

impl Scope {
    /// Bits of families.
    pub const fn families(self) -> u8 {
        match self {
            Self::Ipv4 => V4,
            Self::Ipv6 => V6,
            Self::Ip | Self::Frames => V4 | V6,
        }
    }
}

/// Where something stands in what is translated.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    pub line: usize,
    pub text: String,
}

#[derive(Debug, Default)]
pub struct Draft {
    pub imported: Imported,
    refused: BTreeSet<Origin>,
    noted: BTreeSet<(Origin, String)>,
    /// It was said that fragments are not put together.
    told_of_fragments: bool,
}

impl Draft {
    /// Each line is listed once, with the first reason.
    pub fn refuse(&mut self, origin: &Origin, why: impl Into<String>) {
        let Origin { line, text } = origin.clone();
        if self.refused.insert(origin.clone()) {
            self.imported.not_translated.push(Remark { line, text, why: why.into() });
        }
    }

    pub fn note(&mut self, origin: &Origin, why: impl Into<String>) {
        let Origin { line, text } = origin.clone();
        let why = why.into();
        if self.noted.insert((origin.clone(), why.clone())) {
            self.imported.notes.push(Remark { line, text, why });
        }
    }

    /// Adds a rule, when it can be said and read.
    pub fn rule(
        &mut self,
        origin: &Origin,
        scope: Scope,
        log: bool,
        action: Action,
        mut conditions: Conditions,
    ) {
        if let Err(why) = keep_to(scope, &mut conditions) {
            return self.refuse(origin, why);
        }
        conditions.list.sort_by_key(|found| rank(found.field));
        let log = (log || action == Action::Log).then_some(1);
        let mut rule = Rule { action, log, matches: conditions.list, text: String::new(), at: nowhere() };
        rule.text = rule.to_string();
        match refusal(&rule) {
            Some(why) => self.refuse(origin, format!("`{}` is refused: {why}", rule.text)),
            None => {
                self.imported.interfaces.extend(names(&rule).map(str::to_owned));
                if rule.condition(Field::Established).is_some()
                    && !std::mem::replace(&mut self.told_of_fragments, true)
                {
                    let why = "conntrack puts fragments together before all rules, and here later fragments have no ports: \
                               a rule with ports does not accept the rest of a datagram";
                    self.note(origin, why);
                }
                self.imported.rules.push(Translated { line: origin.line, rule: rule.text });
            }
        }
    }

    /// What becomes of the rest, by family: bits of those that are dropped, and of those that were judged at all.
    pub fn policy(&mut self, line: usize, dropped: u8, judged: u8) {
        let dropped = dropped & judged;
        if judged == 0 {
            return;
        }
        if dropped == 0 {
            self.imported.default = Some(Policy::Accept);
            return;
        }
        self.imported.default = Some(Policy::Drop);
        // Our default is one for both.
        let spared = match (V4 | V6) & !dropped {
            0 => return,
            V4 => 4,
            _ => 6,
        };
        let mut others = Conditions::default();
        if others.and(Field::Version, false, number(spared)).is_ok() {
            let origin = Origin { line, text: String::new() };
            self.rule(&origin, Scope::Frames, false, Action::Accept, others);
        }
    }
}

/// Adds what the chain sees, where the conditions do not imply it.
fn keep_to(scope: Scope, conditions: &mut Conditions) -> Result<(), Cannot> {
    let sets = Sets::new();
    let of = |field: &dyn Fn(Field) -> bool| {
        let found = conditions.list.iter().filter(|found| field(found.field));
        found.filter_map(|found| families(found, &sets)).reduce(|common, families| common & families)
    };
    let all = of(&|_| true);
    // An ethertype alone may be another than IP's.
    let is_ip = of(&|field| field != Field::Ethertype).is_some();
    match scope {
        Scope::Ipv4 if all != Some(V4) || !is_ip => conditions.and(Field::Version, false, number(4)),
        Scope::Ipv6 if all != Some(V6) || !is_ip => conditions.and(Field::Version, false, number(6)),
        Scope::Ip if !is_ip => {
            let types = Values::Ranges(vec![0x0800..=0x0800, 0x86dd..=0x86dd]);
            conditions.and(Field::Ethertype, false, types)
        }
        _ => Ok(()),
    }
}

/// In which order conditions are read best: `drop ip tcp from … port 22`.
const fn rank(field: Field) -> u8 {
    match field {
        Field::Established => 0,
        Field::Ethertype => 1,
        Field::Version => 2,
        Field::Protocol => 3,
        Field::Source => 4,
        Field::Destination => 5,
        Field::SourcePort => 6,
        Field::DestinationPort => 7,
        _ => 8,
    }
}

fn names(rule: &Rule) -> impl Iterator<Item = &str> {
    let redirected = match &rule.action {
        Action::Redirect(interface) => Some(interface.text.as_str()),
        _ => None,
    };
    let named = rule.matches.iter().flat_map(|found| match &found.values {
        Values::Interfaces(list) => &list[..],
        _ => &[],
    });
    redirected.into_iter().chain(named.map(|interface| interface.text.as_str()))
}

/// Why our own reader refuses a rule.
fn refusal(rule: &Rule) -> Option<String> {
    let at = nowhere();
    let interface = |name: &str| Interface { name: name.into(), mode: "auto".into(), slot: 0, at };
    let interfaces: Vec<Interface> = names(rule).map(interface).collect();
    let world = World { interfaces: &interfaces, sets: &Sets::new(), addresses: &[] };
    let place = Place { at: Span { end: rule.text.len(), ..at }, inner: Some(0) };
    let mut problems = Problems::default();
    let again = read(&rule.text, place, &world, &mut problems);
    match again {
        Some(again) if means_the_same(&again, rule) => None,
        Some(_) => Some("it would be read as another rule".into()),
        None => {
            let error = problems.iter().find(|problem| problem.severity == Severity::Error);
            Some(error.map_or_else(|| "it cannot be read".into(), |problem| problem.message.clone()))
        }
    }
}

/// Wherever they stand.
fn means_the_same(one: &Rule, other: &Rule) -> bool {
    let same = |(one, other): (&Match, &Match)| {
        let values = match (&one.values, &other.values) {
            (Values::Prefixes(one), Values::Prefixes(other)) => {
                one.iter().map(|item| &item.what).eq(other.iter().map(|item| &item.what))
            }
            (Values::Interfaces(one), Values::Interfaces(other)) => {
                one.iter().map(|name| &name.text).eq(other.iter().map(|name| &name.text))
            }
            (one, other) => one == other,
        };
        (one.field, one.negated) == (other.field, other.negated) && values
    };
    // A place is all that differs where an interface is named.
    let action = one.action == other.action
        || matches!((&one.action, &other.action), (Action::Redirect(one), Action::Redirect(other)) if one.text == other.text);
    let matches =
        one.matches.len() == other.matches.len() && one.matches.iter().zip(&other.matches).all(same);
    action && one.log == other.log && matches
}

/// A host, or a prefix with a length or a netmask.
pub fn prefix(text: &str) -> Result<Cidr, String> {
    let mask = text.split_once('/').filter(|(_, mask)| mask.contains(['.', ':']));
    let Some((address, mask)) = mask else {
        return text.parse::<Cidr>().map_err(|error| error.to_string());
    };
    let mask: std::net::IpAddr = mask.parse().map_err(|_| format!("`{text}` is no prefix"))?;
    let (bits, width) = match mask {
        std::net::IpAddr::V4(mask) => (u128::from(mask.to_bits()) << 96, 32),
        std::net::IpAddr::V6(mask) => (mask.to_bits(), 128),
    };
    let length = bits.leading_ones();
    if bits.count_ones() != length || length > width {
        return Err(format!("the mask of `{text}` has gaps"));
    }
    format!("{address}/{length}").parse::<Cidr>().map_err(|error| error.to_string())
}
