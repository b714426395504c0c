//! The firewall, said a second time and naively, for tests: every prefix is tried, bit by bit, and the longest that covers
//! the source decides; blocks before lists, lists before the default.

use std::net::IpAddr;

use abi::{Action, Reason, Step};
use wire::model::{self, Ip, Part};

use crate::list::Verdict;

/// A prefix and what it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// As it was written.
    pub text: String,
    /// 4 or 16 bytes, in network order.
    address: Vec<u8>,
    length: usize,
    pub verdict: Verdict,
}

impl Rule {
    /// # Panics
    /// When the text is not `address/length`.
    pub fn new(text: &str, verdict: Verdict) -> Self {
        let (address, length) = text.split_once('/').expect("address/length");
        let address = match address.parse().expect("an address") {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        Self { text: text.into(), address, length: length.parse().expect("a length"), verdict }
    }

    fn covers(&self, source: &[u8]) -> bool {
        let bit = |bytes: &[u8], at: usize| bytes[at / 8] & (0x80 >> (at % 8)) != 0;
        source.len() == self.address.len()
            && (0..self.length).all(|at| bit(source, at) == bit(&self.address, at))
    }
}

/// The rules of two lists of the command line.
pub fn rules(drop: &[String], allow: &[String]) -> Vec<Rule> {
    let allow = allow.iter().map(|text| Rule::new(text, Verdict::Allow));
    blocks(drop).into_iter().chain(allow).collect()
}

/// Prefixes that are dropped.
pub fn blocks(prefixes: &[String]) -> Vec<Rule> {
    prefixes.iter().map(|text| Rule::new(text, Verdict::Drop)).collect()
}

/// What a firewall is told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Orders {
    pub rules: Vec<Rule>,
    pub blocks: Vec<Rule>,
    pub drops_by_default: bool,
}

/// What becomes of a frame, and who counts it.
#[derive(Debug, PartialEq, Eq)]
pub struct Judgement<'a> {
    pub step: Step,
    pub hit: Option<&'a Rule>,
    pub block: Option<&'a Rule>,
}

/// What becomes of a frame in a pipeline with no other stage.
pub fn judge<'a>(frame: &[u8], orders: &'a Orders) -> Judgement<'a> {
    let dissected = model::dissect(frame, frame.len());
    let source = match &dissected {
        Ok(dissected) => dissected.ip.as_ref().map(|ip| ip.source),
        Err(_) => source_anyway(frame),
    };
    let longest = |rules: &'a [Rule]| {
        let covering = rules.iter().filter(|rule| source.is_some_and(|source| rule.covers(source)));
        covering.max_by_key(|rule| rule.length)
    };
    if let Some(block) = longest(&orders.blocks) {
        let step = Step::Done(Action::Drop, Reason::Blocked);
        return Judgement { step, hit: None, block: Some(block) };
    }
    let hit = longest(&orders.rules);
    let announces_ip = match &dissected {
        Ok(dissected) => dissected.ip.as_ref().is_some_and(|ip| !keeps_the_host_reachable(ip)),
        Err(_) => behind_tags(frame).is_some_and(|rest| matches!(rest, [0x08, 0x00, ..] | [0x86, 0xdd, ..])),
    };
    let step = match hit {
        Some(rule) if rule.verdict == Verdict::Drop => Step::Done(Action::Drop, Reason::FirewallDrop),
        None if orders.drops_by_default && announces_ip => Step::Done(Action::Drop, Reason::FirewallDefault),
        _ if dissected.is_err() => Step::Done(Action::Pass, Reason::Malformed),
        _ => Step::Next,
    };
    Judgement { step, hit, block: None }
}

/// Whether the default spares a packet: it is to DHCP's ports, or neighbour discovery.
fn keeps_the_host_reachable(ip: &Ip<'_>) -> bool {
    if ip.part != Part::All || ip.payload.len() < 8 {
        return false;
    }
    let to = model::number(&ip.payload[2..4]);
    match (ip.version, ip.protocol) {
        (4, 17) => [67, 68].contains(&to),
        (6, 17) => [546, 547].contains(&to),
        (6, 58) => [130, 131, 132, 133, 134, 135, 136, 137, 143].contains(&ip.payload[0]),
        _ => false,
    }
}

/// The ethertype behind at most two tags, and what follows.
fn behind_tags(frame: &[u8]) -> Option<&[u8]> {
    let mut rest = frame.get(12..)?;
    for _ in 0..2 {
        if matches!(rest.get(..2)?, [0x81 | 0x91, 0x00] | [0x88, 0xa8]) {
            rest = rest.get(4..)?;
        }
    }
    rest.get(..2)?;
    Some(rest)
}

/// The source of a fixed IP header, of a frame that is malformed somewhere else.
fn source_anyway(frame: &[u8]) -> Option<&[u8]> {
    let rest = behind_tags(frame)?;
    match (rest.get(..2)?, rest.get(2..)?) {
        ([0x08, 0x00], packet) if packet.len() >= 20 && packet[0] / 16 == 4 => Some(&packet[12..16]),
        ([0x86, 0xdd], packet) if packet.len() >= 40 && packet[0] / 16 == 6 => Some(&packet[8..24]),
        _ => None,
    }
}
