//! Packets for a set of rules, and what the rules say of them.

use super::{FiveTuple, ICMP, TCP, UDP, dice::Dice, host_bits};

/// Apart from those of the families.
const STREAM: u64 = 100;

/// The index of the first rule that matches: the model, one rule after the other.
pub fn first_match(rules: &[FiveTuple], packet: &[u32; 5]) -> Option<usize> {
    rules.iter().position(|rule| rule.matches(packet))
}

/// In another order, always the same: that of the rules would let neighbours share what the caches hold.
pub fn shuffled(mut packets: Vec<[u32; 5]>) -> Vec<[u32; 5]> {
    let mut dice = Dice::new(0, STREAM + 1);
    for at in (1..packets.len()).rev() {
        packets.swap(at, dice.below(at + 1));
    }
    packets
}

/// Packets (source, destination, source port, destination port, protocol), each from the box of a rule. All rules have
/// their turn before one has its second.
///
/// As in ClassBench (ToN 2007, section V), points are corners of the box, where errors of one live; here only every
/// second time, since prefixes that share a corner would hide one another. The other points are anywhere in the box.
/// Only TCP and UDP have ports; those of other protocols are 0, whatever the rule.
pub fn trace(rules: &[FiveTuple], count: usize, seed: u64) -> Vec<[u32; 5]> {
    let mut dice = Dice::new(seed, STREAM);
    let turns = rules.iter().cycle().take(count).enumerate();
    turns.map(|(i, rule)| point(&mut dice, rule, (i / rules.len()) % 2 == 1)).collect()
}

fn point(dice: &mut Dice, rule: &FiveTuple, corner: bool) -> [u32; 5] {
    let mut within = |first: u32, last: u32| {
        if corner {
            [first, last][dice.below(2)]
        } else {
            first + dice.below((last - first) as usize + 1) as u32
        }
    };
    let source = within(rule.source.0, rule.source.0 | host_bits(rule.source.1));
    let destination = within(rule.destination.0, rule.destination.0 | host_bits(rule.destination.1));
    let source_port = within(rule.source_port.0.into(), rule.source_port.1.into());
    let destination_port = within(rule.destination_port.0.into(), rule.destination_port.1.into());
    let protocol = rule.protocol.unwrap_or_else(|| match dice.below(8) {
        0..3 => TCP,
        3..5 => UDP,
        5..7 => ICMP,
        _ => dice.word() as u8,
    });
    if matches!(protocol, TCP | UDP) {
        [source, destination, source_port, destination_port, protocol.into()]
    } else {
        [source, destination, 0, 0, protocol.into()]
    }
}
