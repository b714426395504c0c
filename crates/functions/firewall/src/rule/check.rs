//! Whether a rule that can be read can apply to any packet, and means what its words say.

use policy::{Cidr, Problems, Sets, What, World, words::shown};
use wire::{icmp, protocol, transport};

use crate::rule::{
    ast::{Action, Field, LimitKey, Match, Rule, Values},
    numbers::Numbers,
    words,
};

/// Protocols that are named one by one in a message at most.
const NAMED: usize = 8;

/// Bits of the families of IP.
pub const V4: u8 = 1;
pub const V6: u8 = 2;

/// Says what is wrong with the meaning of a rule, and what of it is empty.
pub fn check(rule: &Rule, world: &World<'_>, problems: &mut Problems) {
    let before = problems.errors();
    once_each(rule, problems);
    if problems.errors() > before {
        return;
    }
    for condition in &rule.matches {
        something_is_left(condition, problems);
        carried(rule, condition, problems);
        not_empty(condition, world, problems);
    }
    one_type(rule, problems);
    headers_are_there(rule, problems);
    of_one_family(rule, world, problems);
    answerable(rule, world, problems);
}

impl Match {
    /// Whether a number is among those of the condition.
    pub fn allows(&self, number: u32) -> bool {
        let Values::Ranges(ranges) = &self.values else { return false };
        ranges.iter().any(|range| range.contains(&number)) != self.negated
    }
}

impl Rule {
    pub(crate) fn condition(&self, field: Field) -> Option<&Match> {
        self.matches.iter().find(|condition| condition.field == field)
    }
}

fn once_each(rule: &Rule, problems: &mut Problems) {
    for (index, condition) in rule.matches.iter().enumerate() {
        let Match { field, values, at, .. } = condition;
        let Some(first) = rule.matches[..index].iter().find(|earlier| earlier.field == *field) else {
            continue;
        };
        let name = words::name(*field);
        let (message, hint) = match (field, values) {
            (Field::Protocol, _) => (
                "a packet has one protocol, and this rule names it twice".to_owned(),
                "write alternatives as a list: `{tcp, udp}`".into(),
            ),
            (Field::Version, _) => (
                "a packet has one version of IP, and this rule names it twice".into(),
                "leave out both: without them, a rule is about both".into(),
            ),
            (_, Values::Present) | (Field::Fragment, _) => {
                (format!("`{name}` stands twice"), "leave one out".into())
            }
            _ => {
                let hint = match (first, condition) {
                    (first, second) if first.negated || second.negated => {
                        "give what is excepted a rule of its own, above this one".to_owned()
                    }
                    _ => format!("write alternatives as a list: `{name} {{…, …}}`"),
                };
                (format!("`{name}` stands twice"), hint)
            }
        };
        problems.error(*at, message, Some(hint)).also(first.at, "first here");
    }
}

/// `not` of everything.
fn something_is_left(condition: &Match, problems: &mut Problems) {
    let is_all = match &condition.values {
        Values::Ranges(ranges) => {
            let most = Numbers::most(condition.field);
            matches!(&ranges[..], [range] if *range.start() == 0 && *range.end() >= most)
        }
        Values::Flags(flags) => {
            (0..=u8::MAX).all(|bits| flags.iter().any(|flags| bits & flags.mask == flags.value))
        }
        Values::Prefixes(_) => families_covered(condition) == V4 | V6,
        _ => false,
    };
    if condition.negated && is_all {
        let hint = "a negated condition still needs a packet that has the field: leave the rule out";
        problems.error(condition.at, format!("`{condition}` leaves nothing"), Some(hint.into()));
    }
}

/// Ports, flags, types and codes belong to some protocols only.
fn carried(rule: &Rule, condition: &Match, problems: &mut Problems) {
    const PORTS: &[u8] =
        &[transport::TCP, transport::UDP, transport::SCTP, transport::DCCP, transport::UDP_LITE];
    let (carriers, nouns) = match condition.field {
        Field::SourcePort | Field::DestinationPort => (PORTS, "ports"),
        Field::TcpFlags => (&[transport::TCP][..], "TCP flags"),
        Field::IcmpType => (&[icmp::PROTOCOL_V4, icmp::PROTOCOL_V6][..], "ICMP types"),
        Field::IcmpCode => (&[icmp::PROTOCOL_V4, icmp::PROTOCOL_V6][..], "ICMP codes"),
        _ => return,
    };
    let at = condition.at;
    let name = words::name(condition.field);
    let Some(protocols) = rule.condition(Field::Protocol) else {
        let hint = match condition.field {
            Field::TcpFlags => format!("write `tcp {condition}`"),
            Field::IcmpType | Field::IcmpCode => "write `icmp type …`, or `icmpv6 type …`".into(),
            _ => format!("write `tcp {condition}` or `{{tcp, udp}} {condition}`"),
        };
        problems.error(at, format!("`{name}` without a protocol: only some have {nouns}"), Some(hint));
        return;
    };
    if !carriers.iter().any(|carrier| protocols.allows((*carrier).into())) {
        let names: Vec<&str> = carriers.iter().filter_map(|carrier| protocol::ip_name(*carrier)).collect();
        let hint = format!("leave `{name}` out, or name a protocol that has them: {}", names.join(", "));
        let message = format!("`{protocols}` has no {nouns}");
        problems.error(at, message, Some(hint)).also(protocols.at, "the protocol");
        return;
    }
    let idle: Vec<u32> =
        (0..256).filter(|number| protocols.allows(*number) && !carriers.contains(&(*number as u8))).collect();
    if !protocols.negated && !idle.is_empty() && idle.len() <= NAMED {
        let names: Vec<String> = idle.iter().map(|number| protocol_name(*number)).collect();
        let has = if names.len() == 1 { "has" } else { "have" };
        let message = format!("{} {has} no {nouns}, so none of these packets match", names.join(", "));
        let hint = "leave it out, or give it a rule of its own";
        problems
            .warning(protocols.at, message, Some(hint.into()))
            .also(at, format!("{nouns} are compared here"));
    }
}

fn protocol_name(number: u32) -> String {
    let name = u8::try_from(number).ok().and_then(protocol::ip_name);
    name.map_or_else(|| format!("protocol {number}"), |name| format!("`{name}`"))
}

/// A list of sets that are all empty.
fn not_empty(condition: &Match, world: &World<'_>, problems: &mut Problems) {
    let Values::Prefixes(items) = &condition.values else { return };
    let is_empty = |what: &What| match what {
        What::Prefix(_) => false,
        What::Set(name) => world.sets.get(name).is_some_and(policy::Set::is_empty),
    };
    if !condition.negated && items.iter().all(|item| is_empty(&item.what)) {
        let message = match &items[..] {
            [set] => format!(
                "the set `{}` is empty, so this rule matches nothing",
                shown(set.text.trim_start_matches('@'))
            ),
            _ => "all of these sets are empty, so this rule matches nothing".into(),
        };
        let hint = "fill it, or leave the rule out until there is something in it";
        problems.warning(condition.at, message, Some(hint.into()));
    }
}

/// What a code says depends on the type.
fn one_type(rule: &Rule, problems: &mut Problems) {
    let Some(code) = rule.condition(Field::IcmpCode) else { return };
    let kind = rule.condition(Field::IcmpType);
    let is_one = kind.is_some_and(|kind| {
        let Values::Ranges(ranges) = &kind.values else { return false };
        !kind.negated && matches!(&ranges[..], [range] if range.start() == range.end())
    });
    if is_one {
        return;
    }
    let hint = format!("name one type: `type destination-unreachable {code}`");
    match kind {
        None => problems.error(code.at, "`code` without a type: each type has its own codes", Some(hint)),
        Some(kind) => {
            let message = "`code` with more than one type: each type has its own codes";
            let problem = problems.error(code.at, message, Some(hint));
            problem.also(kind.at, "the types");
            problem
        }
    };
}

/// Later fragments have no transport header.
fn headers_are_there(rule: &Rule, problems: &mut Problems) {
    let Some(fragment) = rule.condition(Field::Fragment) else { return };
    if fragment.allows(0) || fragment.allows(1) {
        return;
    }
    for condition in &rule.matches {
        let nouns = match condition.field {
            Field::SourcePort | Field::DestinationPort => "ports",
            Field::TcpFlags => "TCP flags",
            Field::IcmpType | Field::IcmpCode => "ICMP types",
            _ => continue,
        };
        let hint = format!(
            "a fragment's {nouns} are in the first one: write `fragment first`, or leave `{condition}` out"
        );
        problems
            .error(condition.at, format!("later fragments have no {nouns}"), Some(hint))
            .also(fragment.at, "only later fragments match here");
    }
}

/// Families whose addresses a condition names all of.
fn families_covered(condition: &Match) -> u8 {
    let Values::Prefixes(items) = &condition.values else { return 0 };
    items.iter().fold(0, |families, item| match &item.what {
        What::Prefix(Cidr::V4(prefix)) if prefix.len() == 0 => families | V4,
        What::Prefix(Cidr::V6(prefix)) if prefix.len() == 0 => families | V6,
        _ => families,
    })
}

/// Families of IP whose packets can meet a condition; `None`: packets that are not IP can, too.
pub fn families(condition: &Match, sets: &Sets) -> Option<u8> {
    let of = |v4: bool, v6: bool| (u8::from(v4) * V4) | (u8::from(v6) * V6);
    Some(match (&condition.field, &condition.values) {
        (Field::Vlan | Field::SourceMac | Field::DestinationMac | Field::Interface, _) => return None,
        (Field::Version, _) => of(condition.allows(4), condition.allows(6)),
        (Field::Ethertype, _) => of(condition.allows(0x0800), condition.allows(0x86dd)),
        (Field::Protocol, Values::Ranges(ranges)) if !condition.negated => match &ranges[..] {
            [range] if *range == (1..=1) => V4,
            [range] if *range == (58..=58) => V6,
            _ => V4 | V6,
        },
        (Field::Source | Field::Destination, _) if condition.negated => {
            (V4 | V6) & !families_covered(condition)
        }
        (Field::Source | Field::Destination, Values::Prefixes(items)) => {
            let families = items.iter().fold(0, |families, item| {
                families
                    | match &item.what {
                        What::Prefix(Cidr::V4(_)) => V4,
                        What::Prefix(Cidr::V6(_)) => V6,
                        What::Set(name) => {
                            sets.get(name).map_or(V4 | V6, |set| of(!set.v4.is_empty(), !set.v6.is_empty()))
                        }
                    }
            });
            // Of empty sets it is said that they are empty.
            if families == 0 { V4 | V6 } else { families }
        }
        _ => V4 | V6,
    })
}

/// Two conditions that no packet meets, since one is of IPv4 and the other of IPv6, or of no IP at all.
fn of_one_family(rule: &Rule, world: &World<'_>, problems: &mut Problems) {
    let families: Vec<(&Match, u8)> = rule
        .matches
        .iter()
        .filter_map(|condition| Some((condition, families(condition, world.sets)?)))
        .collect();
    for (index, (second, of_second)) in families.iter().enumerate() {
        let other = families[..index].iter().find(|(_, of_first)| of_first & of_second == 0);
        let Some((first, of_first)) = other else { continue };
        let say = |condition: &Match, families: u8| {
            let family = match families {
                V4 => "of IPv4",
                V6 => "of IPv6",
                0 => "not IP",
                _ => "of IP",
            };
            format!("`{}` is {family}", shown(&condition.to_string()))
        };
        let message =
            format!("no packet is both: {}, and {}", say(first, *of_first), say(second, *of_second));
        let hint = match (first, second) {
            (icmp, _) | (_, icmp) if icmp.field == Field::Protocol && icmp.allows(1) => {
                "over IPv6 it is `icmpv6`"
            }
            (icmp, _) | (_, icmp) if icmp.field == Field::Protocol && icmp.allows(58) => {
                "over IPv4 it is `icmp`"
            }
            _ => "leave one out, or write a rule for each",
        };
        problems.error(second.at, message, Some(hint.into())).also(first.at, "the other");
        // One contradiction brings about others.
        return;
    }
}

/// Actions that need an IP packet, on packets that are none.
fn answerable(rule: &Rule, world: &World<'_>, problems: &mut Problems) {
    let not_ip = rule.matches.iter().find(|condition| families(condition, world.sets) == Some(0));
    let Some(not_ip) = not_ip.filter(|condition| condition.field == Field::Ethertype) else { return };
    let (message, hint) = match &rule.action {
        Action::Reject => ("these packets cannot be rejected: they are not IP", "write `drop`"),
        Action::Limit(limit) if limit.key != LimitKey::Rule => (
            "these packets have no addresses of IP to be told apart by",
            "leave `per …` out: one limit for all of them",
        ),
        _ => return,
    };
    problems.error(not_ip.at, message, Some(hint.into()));
}
