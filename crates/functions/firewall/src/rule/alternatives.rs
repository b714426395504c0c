//! Conditions in disjunctive form: of several conjunctions one must hold.

use std::ops::RangeInclusive;

use classify::{Condition, Kind, Test};

use super::ast::{Field, Flags, Match, Values};
use crate::key::{NO_FLAGS, word};

/// Conditions on different words, all of which must hold.
pub type Conjunction = Vec<Condition>;
/// None: nothing matches.
pub type Conjunctions = Vec<Conjunction>;

/// What holds when both hold.
pub fn both(one: &Conjunctions, other: &Conjunctions) -> Conjunctions {
    one.iter().flat_map(|one| other.iter().filter_map(move |other| merged(one, other))).collect()
}

fn merged(one: &Conjunction, other: &Conjunction) -> Option<Conjunction> {
    let mut all = one.clone();
    for condition in other {
        match all.iter_mut().find(|own| own.word == condition.word) {
            Some(own) => own.test = intersection(own.test, condition.test)?,
            None => all.push(*condition),
        }
    }
    Some(all)
}

fn intersection(one: Test, other: Test) -> Option<Test> {
    match (one, other) {
        (Test::Range { low, high }, Test::Range { low: other_low, high: other_high }) => {
            let (low, high) = (low.max(other_low), high.min(other_high));
            (low <= high).then_some(Test::Range { low, high })
        }
        (Test::Bits { mask, value }, Test::Bits { mask: other_mask, value: other_value }) => {
            let common = mask & other_mask;
            let agree = value & common == other_value & common;
            agree.then_some(Test::Bits { mask: mask | other_mask, value: value | other_value })
        }
        // A word is either a number or bits.
        (Test::Range { .. }, Test::Bits { .. }) | (Test::Bits { .. }, Test::Range { .. }) => {
            unreachable!("one word, two meanings")
        }
    }
}

/// The word is in one of these ranges.
pub fn ranges(word: u8, ranges: &[RangeInclusive<u32>]) -> Conjunctions {
    let test = |range: &RangeInclusive<u32>| Test::Range { low: *range.start(), high: *range.end() };
    ranges.iter().map(|range| vec![Condition { word, test: test(range) }]).collect()
}

/// The leading `bits` of several words are those of `words`.
pub fn of_words(first: u8, words: &[u32], bits: u32) -> Conjunction {
    let mut conditions = Vec::new();
    let mut left = bits;
    for (word, value) in (first..).zip(words) {
        if left == 0 {
            break;
        }
        let host = u32::MAX.checked_shr(left.min(32)).unwrap_or(0);
        conditions.push(Condition { word, test: Test::Range { low: *value & !host, high: *value | host } });
        left = left.saturating_sub(32);
    }
    conditions
}

/// A match of a field that is one word, two of a MAC address, or flags.
pub fn field(condition: &Match, kind: Kind) -> Conjunctions {
    match (&condition.values, condition.field) {
        (Values::Ranges(list), field) => {
            let (word, most) = number(field);
            let mut list = list.clone();
            if field == Field::Protocol {
                list = without_foreign_icmp(list, kind);
            }
            if condition.negated {
                list = gaps(&list, most);
            }
            ranges(word, &list)
        }
        (Values::Flags(flags), _) if condition.negated => {
            flags.iter().map(not_flags).fold(vec![Conjunction::new()], |all, own| both(&all, &own))
        }
        (Values::Flags(flags), _) => {
            flags.iter().map(|flags| vec![bits(flags.mask.into(), flags.value.into())]).collect()
        }
        (Values::Macs(macs), field) => {
            let word = if field == Field::SourceMac { word::SOURCE_MAC } else { word::DESTINATION_MAC };
            if condition.negated {
                macs.iter()
                    .map(|mac| not_mac(word, *mac))
                    .fold(vec![Conjunction::new()], |all, own| both(&all, &own))
            } else {
                macs.iter().map(|mac| is_mac(word, *mac)).collect()
            }
        }
        (Values::Present, field) => {
            let (word, _) = number(field);
            let wanted = u32::from(!condition.negated);
            ranges(word, &[wanted..=wanted])
        }
        (Values::Prefixes(_) | Values::Interfaces(_), _) => {
            unreachable!("these are lowered with what they name")
        }
    }
}

/// The word of a field that is a number, and the largest that a packet can have.
fn number(field: Field) -> (u8, u32) {
    match field {
        Field::Protocol => (word::PROTOCOL, 255),
        Field::SourcePort => (word::SOURCE_PORT, 65_535),
        Field::DestinationPort => (word::DESTINATION_PORT, 65_535),
        Field::IcmpType => (word::ICMP_TYPE, 255),
        Field::IcmpCode => (word::ICMP_CODE, 255),
        // An IPv6 packet is 40 bytes longer than its length field can say.
        Field::Length => (word::LENGTH, 65_575),
        Field::Ttl => (word::TTL, 255),
        Field::Dscp => (word::DSCP, 63),
        Field::Fragment => (word::FRAGMENT, 2),
        Field::Vlan => (word::VLAN, 4095),
        Field::Ethertype => (word::ETHERTYPE, 65_535),
        Field::Options => (word::OPTIONS, 1),
        Field::Established => (word::ESTABLISHED, 1),
        Field::Source
        | Field::Destination
        | Field::Version
        | Field::TcpFlags
        | Field::SourceMac
        | Field::DestinationMac
        | Field::Interface => unreachable!("{field:?} is no number of the key"),
    }
}

/// What lies between sorted ranges, up to `most`.
fn gaps(ranges: &[RangeInclusive<u32>], most: u32) -> Vec<RangeInclusive<u32>> {
    let mut gaps = Vec::new();
    let mut next = 0;
    for range in ranges {
        if next < *range.start() {
            gaps.push(next..=range.start() - 1);
        }
        next = range.end() + 1;
    }
    if next <= most {
        gaps.push(next..=most);
    }
    gaps
}

/// 1 over IPv6 and 58 over IPv4 are not ICMP: nobody who writes `icmp` means them, and who writes `not icmp` does.
fn without_foreign_icmp(list: Vec<RangeInclusive<u32>>, kind: Kind) -> Vec<RangeInclusive<u32>> {
    let foreign = if kind == Kind::V4 { 58 } else { 1 };
    list.into_iter().filter(|range| *range != (foreign..=foreign)).collect()
}

fn bits(mask: u32, value: u32) -> Condition {
    // What has no flags has none of these.
    Condition { word: word::TCP_FLAGS, test: Test::Bits { mask: mask | NO_FLAGS, value } }
}

/// Of the flags' bits the first ones are as wanted and the next is not: one conjunction for each bit.
fn not_flags(flags: &Flags) -> Conjunctions {
    let mut as_wanted = 0;
    let mut all = Conjunctions::new();
    for bit in (0..8).map(|bit| 1 << bit).filter(|bit| flags.mask & bit != 0) {
        let value = (flags.value & as_wanted) | (!flags.value & bit);
        all.push(vec![bits(u32::from(as_wanted | bit), value.into())]);
        as_wanted |= bit;
    }
    all
}

/// Four bytes, two bytes.
fn halves(mac: [u8; 6]) -> (u32, u32) {
    let [a, b, c, d, e, f] = mac;
    (u32::from_be_bytes([a, b, c, d]), u32::from(u16::from_be_bytes([e, f])))
}

fn is_mac(word: u8, mac: [u8; 6]) -> Conjunction {
    let (high, low) = halves(mac);
    [(word, high), (word + 1, low)]
        .map(|(word, value)| Condition { word, test: Test::Range { low: value, high: value } })
        .to_vec()
}

fn not_mac(word: u8, mac: [u8; 6]) -> Conjunctions {
    let (high, low) = halves(mac);
    let other = |word, value: u32, most| {
        let below = value.checked_sub(1).map(|end| 0..=end);
        let above = (value < most).then(|| value + 1..=most);
        ranges(word, &below.into_iter().chain(above).collect::<Vec<_>>())
    };
    let mut all = other(word, high, u32::MAX);
    all.extend(both(&ranges(word, &[high..=high]), &other(word + 1, low, 0xffff)));
    all
}
