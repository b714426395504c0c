//! Rules, said a second time and naively, for tests and for `explain`: one after the other, on fields that a second parser reads. Nothing
//! here knows of keys, boxes, trees or maps.

use std::{collections::BTreeMap, net::IpAddr};

use abi::{Action as Verdict, Reason, Step};
use policy::{Cidr, Problems, Sets, Sources, Span, What, World};
use wire::model::{self, Dissected, Ip, Part};

use super::{
    Place,
    ast::{Action, Field, Limit, LimitKey, Match, Rule, Values},
    read,
};

/// What the section says of fragments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fragments {
    FirstOnly,
    Drop,
    Pass,
}

impl Fragments {
    pub const ALL: [Self; 3] = [Self::FirstOnly, Self::Drop, Self::Pass];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FirstOnly => "first-only",
            Self::Drop => "drop",
            Self::Pass => "pass",
        }
    }
}

/// A firewall with rules and a default, and no lists.
#[derive(Debug, Clone)]
pub struct Model {
    pub rules: Vec<Rule>,
    pub sets: Sets,
    pub fragments: Fragments,
    pub drops_by_default: bool,
    /// Whether packets answer what was sent: nothing here remembers it.
    pub established: bool,
    /// Packets and bytes by the rule's text; nothing that is zero.
    pub counts: BTreeMap<String, (u64, u64)>,
    /// By the rule's number and what of the address shares a bucket: when it was looked at, and the time that it has saved
    /// up, in nanoseconds.
    buckets: BTreeMap<(usize, Vec<u8>), (u64, u64)>,
}

/// What becomes of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    pub step: Step,
    /// The number of the rule that decides; also of a limit that is exceeded.
    pub decides: Option<usize>,
    /// Those before it that match and let the packet go on.
    pub before: Vec<usize>,
    /// Whether one of all these wants it to be told of.
    pub told: bool,
    /// What the kernel's packet is marked with: by the last rule that marks, of a packet that comes to the kernel.
    pub mark: Option<u32>,
}

/// Reads rules as they would stand in the section. An error is what the reader says.
pub fn rule(text: &str, world: &World<'_>) -> Result<Rule, String> {
    let mut sources = Sources::default();
    let source = sources.add("rules", format!("\"{text}\""));
    let at = Span { source, start: 0, end: text.len() + 2 };
    let mut problems = Problems::default();
    let rule = read(text, Place::of(at, text), world, &mut problems);
    rule.ok_or_else(|| problems.iter().map(|problem| problem.message.clone()).collect::<Vec<_>>().join("; "))
}

impl Model {
    /// # Panics
    /// When a rule is unsound.
    pub fn new(rules: &[String], world: &World<'_>, fragments: Fragments, drops_by_default: bool) -> Self {
        let read = |text: &String| rule(text, world).unwrap_or_else(|error| panic!("{text}: {error}"));
        Self::of(rules.iter().map(read).collect(), world.sets.clone(), fragments, drops_by_default)
    }

    /// Of rules that were read.
    pub fn of(rules: Vec<Rule>, sets: Sets, fragments: Fragments, drops_by_default: bool) -> Self {
        let (counts, buckets) = (BTreeMap::new(), BTreeMap::new());
        Self { rules, sets, fragments, drops_by_default, established: false, counts, buckets }
    }

    /// A frame that came in by an interface, at a time in nanoseconds.
    pub fn judge(&mut self, frame: &[u8], interface: &str, now: u64) -> Judgement {
        let nobody = |step| Judgement { step, decides: None, before: Vec::new(), told: false, mark: None };
        let drop = |reason| nobody(Step::Done(Verdict::Drop, reason));
        let Ok(dissected) = model::dissect(frame, frame.len()) else {
            return match announced(frame) {
                Some(0x0800 | 0x86dd) if !self.rules.is_empty() => drop(Reason::RuleMalformed),
                Some(0x0800 | 0x86dd) if self.drops_by_default => drop(Reason::FirewallDefault),
                _ => nobody(Step::Done(Verdict::Pass, Reason::Malformed)),
            };
        };
        let packet = Packet { frame, dissected, interface, established: self.established };
        if !self.rules.is_empty()
            && let Some(ip) = &packet.dissected.ip
        {
            match self.fragments {
                Fragments::Drop if ip.part != Part::All => return drop(Reason::Fragment),
                Fragments::Pass if ip.part == Part::Later => return nobody(Step::Next),
                _ if is_cut_off(ip) => return drop(Reason::RuleMalformed),
                _ => {}
            }
        }
        let mut judgement = nobody(Step::Next);
        for number in 0..self.rules.len() {
            if packet.matches(&self.rules[number], &self.sets)
                && let Some(step) = self.apply(number, &packet, now, &mut judgement)
            {
                judgement = Judgement { step, decides: Some(number), ..judgement };
                break;
            }
        }
        if judgement.decides.is_none()
            && self.drops_by_default
            && packet.dissected.ip.as_ref().is_some_and(|ip| !is_essential(ip))
        {
            judgement.step = Step::Done(Verdict::Drop, Reason::FirewallDefault);
        }
        if !matches!(judgement.step, Step::Next | Step::Done(Verdict::Pass, _)) {
            judgement.mark = None;
        }
        judgement
    }

    /// What a rule that matches does; `None`: the packet goes on to the next.
    fn apply(
        &mut self,
        number: usize,
        packet: &Packet<'_>,
        now: u64,
        judgement: &mut Judgement,
    ) -> Option<Step> {
        let rule = self.rules[number].clone();
        let counted = self.counts.get(&rule.text).map_or(0, |count| count.0);
        let step = match &rule.action {
            Action::Accept => Some(Step::Next),
            Action::Drop => Some(Step::Done(Verdict::Drop, Reason::RuleDrop)),
            // Of more than its rate, which is not known here, the rest are dropped.
            Action::Reject => {
                let verdict = if packet.is_answered() { Verdict::Tx } else { Verdict::Drop };
                Some(Step::Done(verdict, Reason::RuleReject))
            }
            Action::Redirect(_) => Some(Step::Done(Verdict::Redirect, Reason::RuleRedirect)),
            Action::Limit(limit) => {
                // Its counter is of what it drops.
                if !self.exceeds(number, limit, packet, now) {
                    judgement.before.push(number);
                    return None;
                }
                Some(Step::Done(Verdict::Drop, Reason::RuleLimit))
            }
            Action::Count(_) | Action::Log => {
                judgement.before.push(number);
                None
            }
            Action::Mark(mark) => {
                judgement.mark = Some(*mark);
                judgement.before.push(number);
                None
            }
        };
        let one_in = rule
            .log
            .filter(|_| !matches!(rule.action, Action::Limit(_) | Action::Count(_) | Action::Mark(_)));
        judgement.told |= one_in.is_some_and(|one_in| counted.is_multiple_of(one_in.into()));
        let count = self.counts.entry(rule.text).or_default();
        *count = (count.0 + 1, count.1 + packet.frame.len() as u64);
        step
    }

    /// A bucket that is full of time at first. A packet costs the time that it stands for at the rate.
    fn exceeds(&mut self, number: usize, limit: &Limit, packet: &Packet<'_>, now: u64) -> bool {
        const MILLISECOND: u64 = 1_000_000;
        let cost = u64::from(limit.per_milliseconds) * MILLISECOND / u64::from(limit.packets);
        // A clock may be up to 10 ms behind another, so as much may come early, but no packet more for it; and as much may
        // come at once.
        let early = (10 * MILLISECOND).min(cost.saturating_sub(1));
        let room = cost + (cost * u64::from(limit.burst - 1) + early).max(10 * MILLISECOND);
        let bucket = (number, packet.bucket(limit.key));
        let (since, saved) = self.buckets.get(&bucket).copied().unwrap_or((now, room));
        let saved = room.min(saved + (now - since));
        let exceeds = saved < cost;
        self.buckets.insert(bucket, (now, if exceeds { saved } else { saved - cost }));
        exceeds
    }
}

/// Why a rule does not decide a frame; `None`: it does.
pub fn passes_by(rule: &Rule, sets: &Sets, frame: &[u8], interface: &str) -> Option<String> {
    let Ok(dissected) = model::dissect(frame, frame.len()) else {
        return Some("the packet is malformed, and no rule's".into());
    };
    let packet = Packet { frame, dissected, interface, established: false };
    for condition in &rule.matches {
        match packet.meets(condition, sets) {
            Some(true) => {}
            // What was sent is not in the packet; the program has looked.
            _ if condition.field == Field::Established => {
                return Some(format!("`{condition}` does not hold, by the flows that are remembered now"));
            }
            Some(false) => return Some(format!("`{condition}` does not hold")),
            None => return Some(format!("the packet has nothing that `{condition}` could be asked of")),
        }
    }
    if ends_packets(rule) && packet.is_spared_by(rule) {
        return Some("it spares what a host cannot do without, unless it names it".into());
    }
    match &rule.action {
        Action::Count(_) | Action::Log | Action::Mark(_) => Some("it holds, and the packet goes on".into()),
        Action::Limit(_) => Some("it holds, and the packet is within the limit".into()),
        Action::Accept | Action::Drop | Action::Reject | Action::Redirect(_) => None,
    }
}

struct Packet<'a> {
    frame: &'a [u8],
    dissected: Dissected<'a>,
    interface: &'a str,
    established: bool,
}

impl Packet<'_> {
    fn matches(&self, rule: &Rule, sets: &Sets) -> bool {
        let all = rule.matches.iter().all(|condition| self.meets(condition, sets).unwrap_or(false));
        all && !(ends_packets(rule) && self.is_spared_by(rule))
    }

    /// `None`: the packet has no such field.
    fn meets(&self, condition: &Match, sets: &Sets) -> Option<bool> {
        let is_one = match &condition.values {
            Values::Ranges(ranges) => {
                let number = self.number(condition.field)?;
                let mut named = ranges.iter().filter(|range| range.contains(&number));
                // The number of the other family's ICMP is no ICMP, but a number among others.
                named.any(|range| !self.is_foreign_icmp(condition.field) || range.start() != range.end())
            }
            Values::Present => self.number(condition.field)? == 1,
            Values::Flags(flags) => {
                let ip = self.dissected.ip.as_ref().filter(|ip| ip.protocol == 6)?;
                let set = ip.upper(20)?[13];
                flags.iter().any(|flags| set & flags.mask == flags.value)
            }
            Values::Macs(macs) => {
                let at = if condition.field == Field::SourceMac { 6 } else { 0 };
                macs.iter().any(|mac| self.frame[at..at + 6] == *mac)
            }
            Values::Interfaces(names) => names.iter().any(|name| name.text == self.interface),
            Values::Prefixes(items) => {
                let ip = self.dissected.ip.as_ref()?;
                let address = if condition.field == Field::Source { ip.source } else { ip.destination };
                items.iter().any(|item| match &item.what {
                    What::Prefix(prefix) => covers(*prefix, address),
                    What::Set(name) => sets[name].iter().any(|prefix| covers(prefix, address)),
                })
            }
        };
        Some(is_one != condition.negated)
    }

    fn number(&self, field: Field) -> Option<u32> {
        match field {
            Field::Vlan => return self.dissected.vlans.first().map(|id| u32::from(*id)),
            Field::Ethertype => return Some(self.dissected.ethertype.into()),
            _ => {}
        }
        let ip = self.dissected.ip.as_ref()?;
        let icmp =
            |at: usize| if ip.is_icmp() { ip.upper(4).map(|header| u32::from(header[at])) } else { None };
        match field {
            Field::Protocol => Some(ip.protocol.into()),
            Field::Version => Some(ip.version.into()),
            Field::SourcePort => ip.ports().map(|ports| ports.0.into()),
            Field::DestinationPort => ip.ports().map(|ports| ports.1.into()),
            Field::IcmpType => icmp(0),
            Field::IcmpCode => icmp(1),
            Field::Length => Some(ip.total_length as u32),
            Field::Ttl => Some(ip.packet[if ip.version == 4 { 8 } else { 7 }].into()),
            Field::Dscp => {
                let first = model::number(&ip.packet[..2]);
                Some(if ip.version == 4 { first % 256 / 4 } else { first / 16 % 256 / 4 })
            }
            Field::Fragment => Some(match ip.part {
                Part::All => 0,
                Part::First => 1,
                Part::Later => 2,
            }),
            Field::Options => Some(has_options(ip).into()),
            Field::Established => Some(self.established.into()),
            _ => None,
        }
    }

    fn is_foreign_icmp(&self, field: Field) -> bool {
        let ip = self.dissected.ip.as_ref();
        field == Field::Protocol && ip.is_some_and(|ip| matches!((ip.version, ip.protocol), (4, 58) | (6, 1)))
    }

    /// Whether the packet is one without which a host loses its address or its link, and which the rule does not name.
    fn is_spared_by(&self, rule: &Rule) -> bool {
        let names = |field, number: u32| {
            rule.matches.iter().any(|condition| {
                let Values::Ranges(ranges) = &condition.values else { return false };
                // DHCP is named by any range of ports that it is in, all else by its own number.
                let is_it = |range: &std::ops::RangeInclusive<u32>| match field {
                    Field::DestinationPort => range.contains(&number),
                    _ => (*range.start(), *range.end()) == (number, number),
                };
                condition.field == field && !condition.negated && ranges.iter().any(is_it)
            })
        };
        let Some(ip) = &self.dissected.ip else {
            return self.dissected.ethertype == 0x0806 && !names(Field::Ethertype, 0x0806);
        };
        let is_named = match (ip.protocol, ip.ports()) {
            (17, Some((_, port))) => names(Field::Protocol, 17) && names(Field::DestinationPort, port.into()),
            (protocol, _) => names(Field::Protocol, protocol.into()),
        };
        is_essential(ip) && !is_named
    }

    /// Whether the sender is told when the packet is rejected: from one host to one, in plain headers, and no answer itself.
    fn is_answered(&self) -> bool {
        let Some(ip) = &self.dissected.ip else { return false };
        let header = if ip.version == 4 { 20 } else { 40 };
        let is_plain = ip.packet.len() == header + ip.payload.len() && ip.part != Part::Later;
        let are_hosts = is_one_host(ip.source) && is_one_host(ip.destination);
        let is_to_many = self.frame[0] % 2 == 1 || self.frame[6] % 2 == 1;
        if !is_plain || !are_hosts || is_to_many {
            return false;
        }
        // What both the frame and the packet have, which may end before or be padded.
        let has = ip.payload.len().min(ip.total_length - header);
        match (ip.version, ip.protocol) {
            (_, 6) => ip.part == Part::All && has >= 20 && ip.payload[13] & 4 == 0,
            (4, 1) => has >= 8 && ![3, 4, 5, 11, 12].contains(&ip.payload[0]),
            (6, 58) => has >= 8 && ip.payload[0] >= 128 && ip.payload[0] != 137,
            _ => has >= 8,
        }
    }

    /// The bits of the address that share a bucket, as bytes; of what has no address, all zero.
    fn bucket(&self, key: LimitKey) -> Vec<u8> {
        let ip = self.dissected.ip.as_ref();
        let (address, lengths) = match key {
            LimitKey::Rule => (None, (0, 0)),
            LimitKey::Source { v4, v6 } => (ip.map(|ip| ip.source), (v4, v6)),
            LimitKey::Destination { v4, v6 } => (ip.map(|ip| ip.destination), (v4, v6)),
        };
        let mut bucket = address.unwrap_or_default().to_vec();
        let length = usize::from(if bucket.len() == 4 { lengths.0 } else { lengths.1 });
        bucket.resize(16, 0);
        for at in length..128 {
            bucket[at / 8] &= !(0x80 >> (at % 8));
        }
        bucket
    }
}

fn ends_packets(rule: &Rule) -> bool {
    matches!(rule.action, Action::Drop | Action::Reject | Action::Limit(_) | Action::Redirect(_))
}

/// Neighbour discovery, what is said of its multicast groups, and DHCP by its destination port; whole packets.
fn is_essential(ip: &Ip<'_>) -> bool {
    if ip.part != Part::All || ip.payload.len() < 8 {
        return false;
    }
    match (ip.version, ip.protocol, ip.ports()) {
        (4, 17, Some((_, port))) => port == 67 || port == 68,
        (6, 17, Some((_, port))) => port == 546 || port == 547,
        (6, 58, _) => matches!(ip.payload[0], 130..=137 | 143),
        _ => false,
    }
}

fn is_one_host(address: &[u8]) -> bool {
    if address.len() == 4 {
        return !matches!(address[0], 0 | 127 | 224..=255);
    }
    let is_nobody_or_self = address[..15].iter().all(|byte| *byte == 0) && address[15] < 2;
    address[0] != 0xff && !is_nobody_or_self
}

/// Whether the packet ends before its transport header does.
fn is_cut_off(ip: &Ip<'_>) -> bool {
    let needed = match ip.protocol {
        6 => 20,
        17 | 33 | 132 | 136 => 8,
        _ if ip.is_icmp() => 4,
        _ => 0,
    };
    ip.part != Part::Later && ip.payload.len() < needed
}

/// IPv4 options, or IPv6 extension headers other than a fragment header.
fn has_options(ip: &Ip<'_>) -> bool {
    if ip.version == 4 {
        return ip.has_options;
    }
    let in_front = ip.packet.len() - ip.payload.len() - 40;
    match ip.packet[6] {
        44 => in_front > 8,
        _ => ip.has_options,
    }
}

fn covers(prefix: Cidr, address: &[u8]) -> bool {
    let (first, length) = match prefix {
        Cidr::V4(prefix) => (IpAddr::V4(prefix.addr().into()), prefix.len()),
        Cidr::V6(prefix) => (IpAddr::V6(prefix.addr().into()), prefix.len()),
    };
    let first = match first {
        IpAddr::V4(first) => first.octets().to_vec(),
        IpAddr::V6(first) => first.octets().to_vec(),
    };
    let bit = |bytes: &[u8], at: usize| bytes[at / 8] & (0x80 >> (at % 8)) != 0;
    first.len() == address.len() && (0..usize::from(length)).all(|at| bit(&first, at) == bit(address, at))
}

/// The ethertype behind at most two tags, of a frame that may be cut off.
fn announced(frame: &[u8]) -> Option<u16> {
    let mut rest = frame.get(12..)?;
    for _ in 0..2 {
        if matches!(rest.get(..2)?, [0x81 | 0x91, 0x00] | [0x88, 0xa8]) {
            rest = rest.get(4..)?;
        }
    }
    Some(model::number(rest.get(..2)?) as u16)
}
