//! Random lists of rules against random packets, for as many pairs of a list and a packet as somebody has time for:
//! `cargo xtask fuzz`. What is compared is the caller's; here are the cases, the progress, and the way from a case that
//! disagrees to the few rules and packets that do.

use std::{
    net::Ipv4Addr,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use proptest::{
    prelude::*,
    sample::select,
    strategy::ValueTree as _,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use rulesets::{Family, FiveTuple};

use crate::{
    frames,
    rules::{Arrival, INTERFACES, traffic},
};

/// How much to try. What `cargo xtask fuzz` says comes through the environment.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    pub pairs: u64,
    /// List number n is drawn from `seed` + n, so a list is found again without those before it.
    pub seed: u64,
    pub time: Duration,
}

impl Budget {
    /// Of this test's own, unless the environment says `SENKO_FUZZ_PAIRS`, `SENKO_FUZZ_SEED` and `SENKO_FUZZ_SECONDS`.
    ///
    /// # Panics
    /// When one of them is no number.
    pub fn from_environment(pairs: u64) -> Self {
        let number = |name: &str| {
            std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|e| panic!("{name}={text}: {e}")))
        };
        Self {
            pairs: number("SENKO_FUZZ_PAIRS").unwrap_or(pairs),
            seed: number("SENKO_FUZZ_SEED").unwrap_or(1),
            time: Duration::from_secs(number("SENKO_FUZZ_SECONDS").unwrap_or(600)),
        }
    }
}

/// A list of rules, and packets that come one after the other: limits and counters remember the earlier ones.
#[derive(Debug, Clone)]
pub struct Case {
    pub rules: Vec<String>,
    pub arrivals: Vec<Arrival>,
    /// Which of the three things the section says of fragments.
    pub fragments: usize,
    pub default_drop: bool,
}

/// What was found about a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The list cannot be compiled, and says so: more rules in one place than a packet is compared with.
    Refused,
    Agrees,
    /// What differs.
    Differs(String),
}

/// What all cases came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub pairs: u64,
    pub lists: u64,
    pub rules: u64,
    pub refused: u64,
}

const PROGRESS: Duration = Duration::from_secs(5);

/// Tries cases with `frames` packets each until there were enough pairs. `sound` is whether a rule can be in a list.
///
/// # Panics
/// When a case differs, with the least part of it that does; when there was not time enough.
pub fn run(
    name: &str,
    budget: Budget,
    frames: usize,
    sound: impl Fn(&str) -> bool,
    mut compare: impl FnMut(&Case) -> Found,
) -> Tally {
    let strategy = cases(frames);
    let (begun, mut shown) = (Instant::now(), Instant::now());
    let mut tally = Tally::default();
    for seed in (0..).map(|number| budget.seed.wrapping_add(number)) {
        if tally.pairs >= budget.pairs {
            break;
        }
        let Budget { pairs, time, .. } = budget;
        assert!(begun.elapsed() < time, "{name}: {} of {pairs} pairs in {time:?}: give it more", tally.pairs);
        let mut case = draw(&strategy, seed);
        case.rules.retain(|rule| sound(rule));
        if case.rules.is_empty() {
            continue;
        }
        tally.lists += 1;
        match guarded(&mut compare, &case) {
            Found::Refused => tally.refused += 1,
            Found::Agrees => {
                tally.pairs += case.arrivals.len() as u64;
                tally.rules += case.rules.len() as u64;
            }
            Found::Differs(first) => {
                let (case, what) = shrunk(case, first, &mut compare);
                panic!(
                    "{name}: seed {seed}: {what}\nrules, of {:?}:\n  {}\npackets:\n  {:?}\nagain: cargo xtask fuzz --seed {seed} --pairs 1",
                    (case.fragments, case.default_drop),
                    case.rules.join("\n  "),
                    case.arrivals,
                );
            }
        }
        if shown.elapsed() > PROGRESS {
            shown = Instant::now();
            let rate = tally.pairs as f64 / begun.elapsed().as_secs_f64();
            eprintln!("{name}: {} of {} pairs, {rate:.0} a second", tally.pairs, budget.pairs);
        }
    }
    println!(
        "{name}: seed {}: {} pairs of {} lists with {} rules agree, {} lists refused, {:.0} s",
        budget.seed,
        tally.pairs,
        tally.lists - tally.refused,
        tally.rules,
        tally.refused,
        begun.elapsed().as_secs_f64()
    );
    tally
}

/// Compares under several seeds of the limits' hash. Two addresses may share a bucket by chance, one in a million, and one
/// finds it empty then that should not; under another seed they do not. What differs under all is no chance.
pub fn without_chance(mut compare: impl FnMut(u64) -> Found) -> Found {
    let mut found = Found::Agrees;
    for seed in [0, 0x9e37_79b9_7f4a_7c15, 0x5851_f42d_4c95_7f2d] {
        found = compare(seed);
        if !matches!(found, Found::Differs(_)) {
            break;
        }
    }
    found
}

/// The case that a seed stands for.
fn draw(strategy: &BoxedStrategy<Case>, seed: u64) -> Case {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    strategy.new_tree(&mut runner).expect("nothing is filtered out").current()
}

/// A panic is a difference, too.
fn guarded(compare: &mut impl FnMut(&Case) -> Found, case: &Case) -> Found {
    if case.rules.is_empty() {
        return Found::Agrees;
    }
    catch_unwind(AssertUnwindSafe(|| compare(case))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Found::Differs(format!("panicked: {}", text.unwrap_or_default()))
    })
}

/// Leaves out packets and rules as long as what is left still differs.
fn shrunk(mut case: Case, mut what: String, compare: &mut impl FnMut(&Case) -> Found) -> (Case, String) {
    let end = Instant::now() + Duration::from_secs(60);
    let mut size = case.arrivals.len().max(case.rules.len());
    while size > 0 && Instant::now() < end {
        let before = (case.arrivals.len(), case.rules.len());
        for of_rules in [false, true] {
            let mut at = 0;
            while at < if of_rules { case.rules.len() } else { case.arrivals.len() } {
                let mut less = case.clone();
                let cut = |length: usize| at..(at + size).min(length);
                if of_rules {
                    less.rules.drain(cut(case.rules.len()));
                } else {
                    less.arrivals.drain(cut(case.arrivals.len()));
                }
                match guarded(compare, &less) {
                    Found::Differs(why) => (case, what) = (less, why),
                    Found::Agrees | Found::Refused => at += size,
                }
            }
        }
        if before == (case.arrivals.len(), case.rules.len()) {
            size /= 2;
        }
    }
    (case, what)
}

/// Short lists that say all that rules can say, longer ones, and such as routers and firewalls have, whose trees are deep.
fn cases(frames: usize) -> BoxedStrategy<Case> {
    let said = |rules: std::ops::Range<usize>| {
        let strategy = traffic(rules, frames..frames + 1);
        strategy.prop_map(|(rules, arrivals, fragments, default_drop)| Case {
            rules,
            arrivals,
            fragments,
            default_drop,
        })
    };
    let like = (select(Family::ALL.to_vec()), 50..250_usize, any::<u64>(), any::<bool>());
    let like = like.prop_map(move |(family, count, seed, default_drop)| {
        let list = rulesets::rules(family, count, seed);
        let packets = rulesets::trace(&list, frames, seed);
        Case {
            rules: list.iter().map(FiveTuple::text).collect(),
            arrivals: packets.iter().map(arrival).collect(),
            fragments: 0,
            default_drop,
        }
    });
    prop_oneof![16 => said(1..16), 2 => said(16..48), 1 => like].boxed()
}

/// A packet of five numbers as a frame.
fn arrival(&[source, destination, source_port, destination_port, protocol]: &[u32; 5]) -> Arrival {
    let (from, to) = (source_port as u16, destination_port as u16);
    let payload = match protocol as u8 {
        frames::TCP => frames::tcp(from, to, 0x10, &[]),
        frames::UDP => frames::udp(from, to, &[]),
        frames::ICMP => frames::icmp(8, 0, [0; 4], &[]),
        _ => vec![0; 40],
    };
    let ip = frames::Ipv4 {
        source: Ipv4Addr::from_bits(source),
        destination: Ipv4Addr::from_bits(destination),
        protocol: protocol as u8,
        ttl: 64,
        fragment: 0,
        options: Vec::new(),
    };
    let frame = frames::ethernet(&[], frames::IPV4, &frames::ipv4(&ip, &payload));
    Arrival { frame, interface: INTERFACES[0], pause: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEW: Budget = Budget { pairs: 2000, seed: 7, time: Duration::from_secs(60) };

    #[test]
    fn a_list_is_found_again_by_its_seed() {
        let strategy = cases(20);
        let (one, again, other) = (draw(&strategy, 9), draw(&strategy, 9), draw(&strategy, 10));
        assert_eq!((&one.rules, one.arrivals.len()), (&again.rules, 20));
        assert_ne!(one.rules, other.rules);
    }

    #[test]
    fn what_differs_is_shown_without_the_rest() {
        let is_wrong = |rule: &String| rule.contains("accept") && rule.contains("tcp");
        let has_tag = |arrival: &Arrival| arrival.frame[12..14] == [0x81, 0];
        let failed = catch_unwind(|| {
            run(
                "planted",
                FEW,
                50,
                |_| true,
                |case| {
                    let differs = case.rules.iter().any(is_wrong) && case.arrivals.iter().any(has_tag);
                    if differs { Found::Differs("planted".into()) } else { Found::Agrees }
                },
            )
        });
        let text = *failed.expect_err("some list has it").downcast::<String>().expect("text");
        let rules: Vec<&str> = text.lines().skip_while(|line| !line.starts_with("rules")).skip(1).collect();
        let rules: Vec<&&str> = rules.iter().take_while(|line| !line.starts_with("packets")).collect();
        assert_eq!(rules.len(), 1, "{text}");
        assert_eq!(text.matches(" on eth").count() - text.matches("on {").count(), 1, "{text}");
        assert!(text.contains("again: cargo xtask fuzz --seed "), "{text}");
    }

    #[test]
    fn chance_is_what_another_seed_does_not_have() {
        let differs = || Found::Differs("here".into());
        assert_eq!(without_chance(|seed| if seed == 0 { differs() } else { Found::Agrees }), Found::Agrees);
        assert_eq!(without_chance(|_| differs()), differs());
    }

    #[test]
    fn a_panic_is_a_difference() {
        let failed = catch_unwind(|| run("planted", FEW, 50, |_| true, |_| panic!("at the packet")));
        let text = *failed.expect_err("it panics").downcast::<String>().expect("text");
        assert!(text.contains("panicked: at the packet"), "{text}");
    }

    #[test]
    fn refused_lists_are_no_pairs() {
        let mut odd = false;
        let tally = run(
            "half",
            FEW,
            50,
            |_| true,
            |_| {
                odd = !odd;
                if odd { Found::Refused } else { Found::Agrees }
            },
        );
        assert_eq!((tally.pairs, tally.lists, tally.refused), (2000, 80, 40));
    }
}
