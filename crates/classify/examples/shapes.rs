//! What rule sets like real ones come to: time, memory, and what a packet meets.

use std::time::Instant;

use classify::{BoxRule, Condition, Forest, Key, Kind, Lists, NOTHING, Test, Verdict};
use rulesets::{Family, FiveTuple, first_match as model, rules, shuffled, trace};

fn boxed(rule: &FiveTuple, order: u32) -> BoxRule {
    let mut conditions = Vec::new();
    let mut range = |word, low: u32, high: u32, full: u32| {
        if (low, high) != (0, full) {
            conditions.push(Condition { word, test: Test::Range { low, high } });
        }
    };
    let mut prefix = |word, (address, length): (u32, u8)| {
        let host = u32::MAX.checked_shr(length.into()).unwrap_or(0);
        range(word, address, address | host, u32::MAX);
    };
    prefix(0, rule.source);
    prefix(4, rule.destination);
    range(8, rule.source_port.0.into(), rule.source_port.1.into(), 65535);
    range(9, rule.destination_port.0.into(), rule.destination_port.1.into(), 65535);
    if let Some(protocol) = rule.protocol {
        range(10, protocol.into(), protocol.into(), 255);
    }
    BoxRule { conditions, verdict: Verdict { order, slot: order, parameter: 0, action: rule.drop.into() } }
}

fn best_order(forest: &Forest, key: &Key) -> u32 {
    forest.arrays.best(Kind::V4, forest.shape.trees, key).order()
}

fn main() {
    for family in
        Family::ALL.into_iter().filter(|f| std::env::args().nth(1).is_none_or(|a| format!("{f:?}") == a))
    {
        for count in [10, 100, 1000, 10_000, 100_000] {
            let list = rules(family, count, 1);
            let first: Vec<BoxRule> = list.iter().zip(0..).map(|(rule, order)| boxed(rule, order)).collect();
            let begun = Instant::now();
            let lists = [Lists { first, each: Vec::new() }, Lists::default(), Lists::default()];
            let forest = match Forest::build(&lists, 1 << 28) {
                Ok(forest) => forest,
                Err(error) => {
                    println!("{family:?} {count}: {error:?}");
                    continue;
                }
            };
            let took = begun.elapsed();
            let packets = shuffled(trace(&list, 200_000, 3));
            let begun = Instant::now();
            let mut sum = 0_u64;
            for packet in &packets {
                let mut key = [0; 32];
                [key[0], key[4], key[8], key[9], key[10]] = *packet;
                sum += u64::from(best_order(&forest, &key));
            }
            let each = begun.elapsed().as_nanos() as f64 / packets.len() as f64;
            for packet in packets.iter().take(2_000_000 / count) {
                let mut key = [0; 32];
                [key[0], key[4], key[8], key[9], key[10]] = *packet;
                let order = model(&list, packet).map_or(NOTHING, |order| order as u32);
                assert_eq!(best_order(&forest, &key), order);
            }
            println!(
                "{family:?} {count}: {:?} {took:.0?}, {each:.0} ns a packet on the host ({sum})",
                forest.shape
            );
        }
    }
}
