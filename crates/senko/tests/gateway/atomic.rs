//! A change of rules and sets under traffic: every packet is judged by all of the old generation or all of the new one.

use crate::{fixture::Gateway, stream::Stream, support::wait_until};

/// Judged by a rule, by a set, and by neither.
pub const SOURCES: [&str; 3] = ["203.0.113.1", "2001:db8:b::1", "192.0.2.1"];

/// `false`: the rule drops and the set does not; `true`: the other way round.
pub fn rules(flipped: bool) -> String {
    let [rule, by_set, _] = SOURCES;
    let (drop, set) = if flipped { ("203.0.113.2", by_set) } else { (rule, "2001:db8:b::2") };
    format!("[sets]\nb = [\"{set}\"]\n\n[firewall]\ndrop = [\"198.51.100.1\", \"{drop}\", \"@b\"]\n")
}

#[test]
fn no_packet_is_lost_and_none_is_judged_by_a_mix() {
    for (mode, applies) in [("native", 50), ("generic", 10)] {
        let applies = testkit::guest::cases(applies) as usize;
        let gateway = Gateway::new("atomic");
        gateway.apply(mode, &rules(false));
        let stream = Stream::start(&gateway, SOURCES);
        for n in 1..=applies {
            // Some packets meet every generation.
            let before = stream.rounds();
            wait_until("packets flow", || stream.rounds() > before + 100);
            gateway.apply(mode, &rules(n % 2 == 1));
        }
        let account = stream.end();
        // In the order of sending, which generation judged a packet: one of the two drops it, the other does not.
        let judges: Vec<bool> = account.rounds.iter().flat_map(|[rule, set, _]| [*rule, !*set]).collect();
        let changes = judges.windows(2).filter(|pair| pair[0] != pair[1]).count();
        println!("{mode}: {} rounds at {:.0} packets/s", account.rounds.len(), account.packets_per_second());
        assert_eq!(account.lost(), 0, "{mode}: of {} packets that both let pass", account.rounds.len());
        assert_eq!(changes, applies, "{mode}: the judge changes once with every apply");
        assert!(!judges[0] && account.rounds.len() > 100 * applies, "{mode}");
    }
}
