//! `cargo run -p testkit --release --example rulesets`: statistics of generated rule sets.
//! With `FAMILY COUNT SEED` (`acl 1000 7`): the rules, one a line.

use std::time::Instant;

use rulesets::{Family, first_match, rules, statistics, trace};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [family, count, seed] = &arguments[..] {
        let family = match family.as_str() {
            "acl" => Family::Acl,
            "fw" => Family::Firewall,
            "ipc" => Family::IpChain,
            other => panic!("{other}: acl, fw or ipc"),
        };
        for rule in rules(family, count.parse().expect("a count"), seed.parse().expect("a seed")) {
            println!("{}", rule.text());
        }
        return;
    }
    for family in Family::ALL {
        for count in [1000, 10_000, 100_000] {
            let start = Instant::now();
            let rules = rules(family, count, 1);
            println!("{family:?} {count}: {:?}", start.elapsed());
            println!("  {:?}", statistics(&rules));
            if count <= 10_000 {
                let mut hit = vec![false; count];
                let packets = trace(&rules, 10 * count, 1);
                let mut own = 0;
                for (i, packet) in packets.iter().enumerate() {
                    let first = first_match(&rules, packet).expect("a packet from a rule's box");
                    hit[first] = true;
                    own += usize::from(first == i % count);
                }
                let hit = hit.iter().filter(|&&hit| hit).count();
                println!("  10 packets per rule: {hit} rules hit, {own} packets meet their own rule first");
            }
        }
    }
}
