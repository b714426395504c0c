//! From rules to the boxes of the classifier, one list for each kind of packet.

use std::collections::BTreeMap;

use classify::{BoxRule, Condition, Kind, Lists, Test, Verdict};
use policy::{Cidr, Set, Sets, What, World};
use prefix::{PrefixV4, PrefixV6};

use super::{
    alternatives::{Conjunction, Conjunctions, both, field, of_words, ranges},
    ast::{Action, Field, LimitKey, Match, Rule, Values},
};
use crate::{
    key::{ask, word},
    shared::{Limit, WHOLE, deed},
};

/// Sets that rules can name: as many as a value of the prefix tables has bits.
pub const MOST_SETS: usize = 30;

/// Boxes that one rule can come to.
pub const MOST_BOXES: usize = 4096;

/// Prefixes of one list that are boxes of their own; longer lists are a set without a name.
const FEW_PREFIXES: usize = 12;

/// Rules as the classifier takes them. Slots of counters are the rules' numbers.
#[derive(Debug, Clone, Default)]
pub struct Lowered {
    /// By [`Kind`].
    pub lists: [Lists; 3],
    /// Two for each rule that is one: of IPv4 and of IPv6.
    pub limits: Vec<Limit>,
    /// Of limits that have one of their own.
    pub buckets: u32,
    /// By the bit that they have in the tables of sets.
    pub sets: Vec<Source>,
    /// 1: sources are looked up in them; 2: destinations.
    pub looked_up: u8,
    /// Bits of [`ask`].
    pub asked: u32,
    /// Interfaces that packets are redirected to.
    pub ports: Vec<String>,
}

/// What has a bit in the tables of sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Named(String),
    /// The prefixes that stand in a rule.
    Listed(Vec<Cidr>),
}

impl Source {
    /// Its prefixes, in any order.
    pub fn prefixes<'a>(&'a self, sets: &'a Sets) -> Box<dyn Iterator<Item = Cidr> + 'a> {
        match self {
            Self::Named(name) => Box::new(sets.get(name).into_iter().flat_map(Set::iter)),
            Self::Listed(list) => Box::new(list.iter().copied()),
        }
    }
}

/// Why rules cannot be compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// The rule of this number comes to too many boxes.
    TooManyBoxes(usize),
    /// With the rule of this number there are more than [`MOST_SETS`].
    TooManySets(usize),
}

/// Lowers all rules.
pub fn lower(rules: &[Rule], world: &World<'_>) -> Result<Lowered, Unfit> {
    let mut lowering = Lowering { world, done: Lowered::default(), bits: BTreeMap::new() };
    for (number, rule) in rules.iter().enumerate() {
        lowering.rule(number, rule)?;
    }
    Ok(lowering.done)
}

struct Lowering<'a> {
    world: &'a World<'a>,
    done: Lowered,
    /// The bits of named sets.
    bits: BTreeMap<String, u32>,
}

impl Lowering<'_> {
    fn rule(&mut self, number: usize, rule: &Rule) -> Result<(), Unfit> {
        let slot = number as u32;
        // A rule's effect comes before its decision.
        let order = 2 * number as u32;
        let verdict = |order, action: u8, parameter| Verdict { order, slot, parameter, action };
        let mut each = None;
        let mut first = None;
        match &rule.action {
            Action::Accept => first = Some(verdict(order + 1, deed::ACCEPT, 0)),
            Action::Drop => first = Some(verdict(order + 1, deed::DROP, 0)),
            Action::Reject => first = Some(verdict(order + 1, deed::REJECT, 0)),
            Action::Redirect(interface) => {
                let ports = &mut self.done.ports;
                let port = ports.iter().position(|port| *port == interface.text).unwrap_or_else(|| {
                    ports.push(interface.text.clone());
                    ports.len() - 1
                });
                first = Some(verdict(order + 1, deed::REDIRECT, port as u32));
            }
            Action::Count(_) => each = Some(verdict(order, deed::COUNT, 0)),
            Action::Log => each = Some(verdict(order, deed::LOG, rule.log.unwrap_or(1))),
            Action::Mark(mark) => each = Some(verdict(order, deed::MARK, *mark)),
            Action::Limit(limit) => {
                each = Some(verdict(order, deed::LIMIT, self.done.limits.len() as u32));
                let rates = rates(limit, slot, self.done.buckets);
                self.done.buckets += u32::from(rates.iter().any(|rate| rate.word == WHOLE));
                self.done.limits.extend(rates);
            }
        }
        if each.is_none()
            && let Some(one_in) = rule.log
        {
            each = Some(verdict(order, deed::LOG_TOO, one_in));
        }
        for kind in Kind::ALL {
            let Some(conjunctions) = self.conjunctions(number, rule, kind)? else { continue };
            let list = &mut self.done.lists[kind as usize];
            for conditions in conjunctions {
                // A limit's numbers are that of IPv4 and, one more, that of IPv6.
                let is_second = u32::from(kind == Kind::V6 && matches!(rule.action, Action::Limit(_)));
                let boxed = |verdict: Verdict| BoxRule {
                    conditions: conditions.to_vec(),
                    verdict: Verdict { parameter: verdict.parameter + is_second, ..verdict },
                };
                list.first.extend(first.map(boxed));
                list.each.extend(each.map(boxed));
            }
        }
        Ok(())
    }

    /// The boxes of packets of one kind; `None`: it matches none.
    fn conjunctions(
        &mut self,
        number: usize,
        rule: &Rule,
        kind: Kind,
    ) -> Result<Option<Conjunctions>, Unfit> {
        let mut all: Conjunctions = vec![Conjunction::default()];
        for condition in &rule.matches {
            let Some(own) = self.condition(number, condition, kind)? else { return Ok(None) };
            all = both(&all, &own);
            if all.is_empty() {
                return Ok(None);
            }
            if all.len() > MOST_BOXES {
                return Err(Unfit::TooManyBoxes(number));
            }
        }
        if let Some(others) = spares_essential(rule, kind) {
            self.done.asked |= ask::ESSENTIAL;
            all = both(&all, &others);
        }
        Ok(Some(all))
    }

    fn condition(
        &mut self,
        number: usize,
        condition: &Match,
        kind: Kind,
    ) -> Result<Option<Conjunctions>, Unfit> {
        let is_ip = kind != Kind::Other;
        match condition.field {
            Field::Source | Field::Destination => {
                return if is_ip { self.addresses(number, condition, kind) } else { Ok(None) };
            }
            Field::Ethertype if is_ip => {
                let own = if kind == Kind::V4 { 0x0800 } else { 0x86dd };
                return Ok(holds(condition, own).then(|| vec![Conjunction::default()]));
            }
            Field::Version => {
                let own = if kind == Kind::V4 { 4 } else { 6 };
                return Ok((is_ip && holds(condition, own)).then(|| vec![Conjunction::default()]));
            }
            Field::Interface => {
                self.done.asked |= ask::INTERFACE;
                return Ok(Some(self.interfaces(condition)));
            }
            Field::Vlan | Field::SourceMac | Field::DestinationMac | Field::Ethertype => {
                self.done.asked |= ask::LINK
            }
            _ if !is_ip => return Ok(None),
            Field::Length | Field::Ttl | Field::Dscp | Field::Options => self.done.asked |= ask::NETWORK,
            Field::TcpFlags | Field::IcmpType | Field::IcmpCode | Field::Fragment => {
                self.done.asked |= ask::TRANSPORT;
            }
            Field::Established => self.done.asked |= ask::ESTABLISHED,
            _ => {}
        }
        Ok(Some(field(condition, kind)))
    }

    /// A number for each interface of the configuration, in the order in which they are written.
    fn interfaces(&self, condition: &Match) -> Conjunctions {
        let Values::Interfaces(names) = &condition.values else { return Vec::new() };
        let named = |name: &str| names.iter().any(|own| own.text == name);
        let numbered = (0_u32..).zip(self.world.interfaces);
        let chosen = numbered.filter(|(_, interface)| named(&interface.name) != condition.negated);
        chosen.flat_map(|(number, _)| ranges(word::INTERFACE, &[number..=number])).collect()
    }

    fn addresses(
        &mut self,
        number: usize,
        condition: &Match,
        kind: Kind,
    ) -> Result<Option<Conjunctions>, Unfit> {
        let (address, sets, looked_up) = match condition.field {
            Field::Source => (word::SOURCE, word::SOURCE_SETS, 1),
            _ => (word::DESTINATION, word::DESTINATION_SETS, 2),
        };
        let Values::Prefixes(items) = &condition.values else { return Ok(None) };
        let mut bits = 0;
        let mut listed = Vec::new();
        for item in items {
            match &item.what {
                What::Prefix(prefix) => listed.push(*prefix),
                What::Set(name) => bits |= self.bit(number, Source::Named(name.clone()))?,
            }
        }
        let own: Vec<Cidr> = listed
            .iter()
            .copied()
            .filter(|prefix| matches!(prefix, Cidr::V4(_)) == (kind == Kind::V4))
            .collect();
        let is_long = own.len() > FEW_PREFIXES || (condition.negated && kind == Kind::V6 && !own.is_empty());
        let own = if is_long {
            bits |= self.bit(number, Source::Listed(listed))?;
            Vec::new()
        } else {
            outermost(own)
        };
        if bits != 0 {
            self.done.looked_up |= looked_up;
        }
        if condition.negated {
            let outside =
                (bits != 0).then_some(Condition { word: sets, test: Test::Bits { mask: bits, value: 0 } });
            let base = vec![outside.into_iter().collect()];
            return Ok(Some(if own.is_empty() { base } else { both(&base, &outside_v4(address, &own)) }));
        }
        // No packet is in two of these: a rule that counts would count it twice.
        let mut all = Conjunctions::new();
        let mut earlier = 0;
        for bit in (0..32).map(|bit| 1 << bit).filter(|bit| bits & bit != 0) {
            earlier |= bit;
            all.push(vec![Condition { word: sets, test: Test::Bits { mask: earlier, value: bit } }]);
        }
        for prefix in own {
            let mut conditions = of_prefix(address, prefix);
            if bits != 0 {
                conditions.push(Condition { word: sets, test: Test::Bits { mask: bits, value: 0 } });
            }
            all.push(conditions);
        }
        Ok((!all.is_empty()).then_some(all))
    }

    fn bit(&mut self, number: usize, source: Source) -> Result<u32, Unfit> {
        let known = match &source {
            Source::Named(name) => self.bits.get(name).copied(),
            Source::Listed(_) => self.done.sets.iter().position(|own| *own == source).map(|at| 1 << at),
        };
        if let Some(bit) = known {
            return Ok(bit);
        }
        if self.done.sets.len() == MOST_SETS {
            return Err(Unfit::TooManySets(number));
        }
        let bit = 1 << self.done.sets.len();
        if let Source::Named(name) = &source {
            self.bits.insert(name.clone(), bit);
        }
        self.done.sets.push(source);
        Ok(bit)
    }
}

/// Whether a match of numbers holds for this one.
fn holds(condition: &Match, number: u32) -> bool {
    let Values::Ranges(ranges) = &condition.values else { return false };
    ranges.iter().any(|range| range.contains(&number)) != condition.negated
}

/// Whether one of the values is this number, and not a range that it lies in.
fn names(condition: &Match, number: u32) -> bool {
    let Values::Ranges(ranges) = &condition.values else { return false };
    !condition.negated && ranges.contains(&(number..=number))
}

/// The prefixes that lie in no other of the list.
fn outermost(mut prefixes: Vec<Cidr>) -> Vec<Cidr> {
    prefixes.sort_unstable();
    let mut kept: Vec<Cidr> = Vec::new();
    for prefix in prefixes {
        if !kept.iter().any(|outer| outer.contains(prefix)) {
            kept.push(prefix);
        }
    }
    kept
}

fn of_prefix(address: u8, prefix: Cidr) -> Conjunction {
    match prefix {
        Cidr::V4(prefix) => of_words(address, &[prefix.addr()], u32::from(prefix.len())),
        Cidr::V6(prefix) => {
            let words = [96, 64, 32, 0].map(|shift| (prefix.addr() >> shift) as u32);
            of_words(address, &words, u32::from(prefix.len()))
        }
    }
}

/// The gaps between IPv4 prefixes, none of which lies in another.
fn outside_v4(address: u8, prefixes: &[Cidr]) -> Conjunctions {
    let mut taken: Vec<(u32, u32)> = prefixes
        .iter()
        .filter_map(|prefix| match prefix {
            Cidr::V4(prefix) => {
                let host = u32::MAX.checked_shr(u32::from(prefix.len())).unwrap_or(0);
                Some((prefix.addr(), prefix.addr() | host))
            }
            Cidr::V6(_) => None,
        })
        .collect();
    taken.sort_unstable();
    let mut gaps = Vec::new();
    let mut next = Some(0_u32);
    for (low, high) in taken {
        if let Some(from) = next
            && from < low
        {
            gaps.push(from..=low - 1);
        }
        next = high.checked_add(1);
    }
    gaps.extend(next.map(|from| from..=u32::MAX));
    ranges(address, &gaps)
}

/// A rule that would end packets leaves those alone without which a host loses its address or its link, unless it names them,
/// by the ethertype of ARP, by ICMPv6 or by a port of UDP: what the others are. `None`: it spares nothing. A range of protocols
/// or ethertypes names none of them.
fn spares_essential(rule: &Rule, kind: Kind) -> Option<Conjunctions> {
    if matches!(rule.action, Action::Accept | Action::Count(_) | Action::Log | Action::Mark(_)) {
        return None;
    }
    let mut others = ranges(word::ESSENTIAL, &[0..=0]);
    let of = |field| rule.matches.iter().find(|condition| condition.field == field);
    if kind == Kind::Other {
        let names_arp = of(Field::Ethertype).is_some_and(|condition| names(condition, 0x0806));
        return (!names_arp).then_some(others);
    }
    let protocol = of(Field::Protocol);
    let is_named = |number| protocol.is_some_and(|condition| names(condition, number));
    let can_be = |number| protocol.is_none_or(|condition| holds(condition, number));
    let names_ports = of(Field::DestinationPort).is_some_and(|condition| !condition.negated);
    let udp = can_be(17) && !(is_named(17) && names_ports);
    let icmpv6 = kind == Kind::V6 && can_be(58) && !is_named(58);
    if udp && kind == Kind::V6 && is_named(58) {
        let own = [(word::ESSENTIAL, 1), (word::PROTOCOL, 58)];
        others.push(own.map(|(word, low)| Condition { word, test: Test::Range { low, high: low } }).to_vec());
    }
    (udp || icmpv6).then_some(others)
}

/// The limit as packets of IPv4 and of IPv6 meet it; `bucket`: its own, where it wants one.
fn rates(limit: &super::ast::Limit, number: u32, bucket: u32) -> [Limit; 2] {
    let interval = u64::from(limit.per_milliseconds) * 1_000_000 / u64::from(limit.packets.max(1));
    // Each CPU's clock stands still for a jiffy, of which the longest are 10 ms: whoever keeps to the rate must not fail by
    // that, nor the last packet of a burst by another CPU's clock being behind. Less than an interval lets no packet more
    // through.
    let behind = JIFFY.min(interval.saturating_sub(1));
    let tolerance = (interval * u64::from(limit.burst.max(1) - 1) + behind).max(JIFFY);
    let (v4, v6, word) = match limit.key {
        LimitKey::Rule => (0, 0, word::SOURCE),
        LimitKey::Source { v4, v6 } => (v4, v6, word::SOURCE),
        LimitKey::Destination { v4, v6 } => (v4, v6, word::DESTINATION),
    };
    let v4 = PrefixV4::truncated(u32::MAX, v4).map_or(0, |prefix| prefix.addr());
    let v6 = PrefixV6::truncated(u128::MAX, v6).map_or(0, |prefix| prefix.addr());
    let masks = [[v4, 0, 0, 0], [96, 64, 32, 0].map(|shift| (v6 >> shift) as u32)];
    masks.map(|mask| {
        let (word, number) = if mask == [0; 4] { (WHOLE, bucket) } else { (word.into(), number) };
        Limit { interval, tolerance, mask, word, number }
    })
}

const JIFFY: u64 = 10_000_000;
