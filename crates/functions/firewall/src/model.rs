//! The firewall, said a second time and naively, for tests: every prefix is tried, bit by bit, and the longest that covers
//! the source decides.

use std::net::IpAddr;

use abi::{Action, Reason, Step};
use wire::model;

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
    let drop = drop.iter().map(|text| Rule::new(text, Verdict::Drop));
    drop.chain(allow.iter().map(|text| Rule::new(text, Verdict::Allow))).collect()
}

/// What becomes of a frame in a pipeline with no other stage, and the rule that counts it.
pub fn judge<'a>(frame: &[u8], rules: &'a [Rule]) -> (Step, Option<&'a Rule>) {
    let (source, otherwise) = match model::dissect(frame, frame.len()) {
        Ok(dissected) => (dissected.ip.map(|ip| ip.source), Step::Next),
        Err(_) => (source_anyway(frame), Step::Done(Action::Pass, Reason::Malformed)),
    };
    let covering = rules.iter().filter(|rule| source.is_some_and(|source| rule.covers(source)));
    let hit = covering.max_by_key(|rule| rule.length);
    let step = match hit {
        Some(rule) if rule.verdict == Verdict::Drop => Step::Done(Action::Drop, Reason::FirewallDrop),
        _ => otherwise,
    };
    (step, hit)
}

/// The source of a fixed IP header behind at most two tags, of a frame that is malformed somewhere else.
fn source_anyway(frame: &[u8]) -> Option<&[u8]> {
    let mut rest = frame.get(12..)?;
    for _ in 0..2 {
        if matches!(rest.get(..2)?, [0x81 | 0x91, 0x00] | [0x88, 0xa8]) {
            rest = rest.get(4..)?;
        }
    }
    match (rest.get(..2)?, rest.get(2..)?) {
        ([0x08, 0x00], packet) if packet.len() >= 20 && packet[0] / 16 == 4 => Some(&packet[12..16]),
        ([0x86, 0xdd], packet) if packet.len() >= 40 && packet[0] / 16 == 6 => Some(&packet[8..24]),
        _ => None,
    }
}
