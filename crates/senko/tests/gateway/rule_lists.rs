//! Ten thousand rules, applied again and again under traffic: each packet is judged by all of one list, and the first one after
//! an apply by the new list.

use rulesets::{Family, FiveTuple, rules};

use crate::{atomic::SOURCES, fixture::Gateway, probe::Probe, stream::Stream, support::wait_until};

const RULES: usize = 10_000;

/// TCP and ICMP.
const OTHERS: [Option<u8>; 2] = [Some(6), Some(1)];

/// A section with [`RULES`] rules. The first and the last one are about the first two of [`SOURCES`]: `false`: the first
/// drops and the last does not; `true`: the other way round. Those between are not about UDP, which is what is sent.
fn section(flipped: bool) -> String {
    let [first, last, _] = SOURCES;
    let (first, last) = if flipped { ("203.0.113.2", last) } else { (first, "2001:db8:b::2") };
    let others = rules(Family::Acl, 2 * RULES, 1).into_iter().filter(|rule| OTHERS.contains(&rule.protocol));
    let others: Vec<String> = others.take(RULES - 2).map(|rule: FiveTuple| rule.text()).collect();
    assert_eq!(others.len(), RULES - 2);
    let all = [vec![format!("drop from {first}")], others, vec![format!("drop udp from {last}")]].concat();
    format!("[firewall]\nrules = {all:?}\n")
}

#[test]
fn fifty_lists_of_ten_thousand_rules_lose_and_mix_no_packet() {
    const APPLIES: usize = 50;
    let gateway = Gateway::new("lists");
    let sections = [section(false), section(true)];
    gateway.apply("native", &sections[0]);
    let stream = Stream::start(&gateway, SOURCES);
    for n in 1..=APPLIES {
        let before = stream.rounds();
        wait_until("packets flow", || stream.rounds() > before + 100);
        gateway.apply("native", &sections[n % 2]);
    }
    let account = stream.end();
    let judges: Vec<bool> = account.rounds.iter().flat_map(|[first, last, _]| [*first, !*last]).collect();
    let changes = judges.windows(2).filter(|pair| pair[0] != pair[1]).count();
    println!(
        "{APPLIES} lists of {RULES} rules, {} rounds at {:.0} packets/s",
        account.rounds.len(),
        account.packets_per_second()
    );
    assert_eq!(account.lost(), 0, "of {} packets that every list lets pass", account.rounds.len());
    assert_eq!(changes, APPLIES, "the judge changes once with every apply");
    assert!(!judges[0] && account.rounds.len() > 100 * APPLIES);
}

#[test]
fn the_first_packet_after_an_apply_is_judged_by_the_new_list() {
    let gateway = Gateway::new("first");
    let probe = Probe::of(&gateway);
    let [first, last, always] = SOURCES;
    for n in 0..6 {
        let flipped = n % 2 == 1;
        gateway.apply("native", &section(flipped));
        let expected = if flipped { [first, always] } else { [last, always] };
        assert_eq!(probe.passing(&SOURCES), expected, "apply {n}");
    }
}
