//! The logic over the prefix tables against the model: verdict, reason, bytes, hits by prefix.

mod stage;

use std::{cell::RefCell, collections::BTreeMap};

use abi::{Action, Reason, Step};
use firewall::{list::Verdict, model};
use proptest::{collection::vec, prelude::*, test_runner::TestRunner};
use testkit::{
    prefixes::{self, Lists, datagram},
    random,
};

use crate::stage::Stage;

#[test]
fn agrees_with_the_model() {
    let config = ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() };
    // By what the longest prefix says, and whether a shorter one says the opposite.
    let seen: RefCell<BTreeMap<&str, u32>> = RefCell::default();
    let traffic = (prefixes::rules(0..40), vec(prefixes::aimed(random::frame()), 50..200));
    let result = TestRunner::new(config).run(&traffic, |(rules, frames)| {
        let lists = Lists::new(&rules);
        let modelled = model::rules(&lists.drop, &lists.allow);
        let mut stage = Stage::new(&lists);
        let mut hits: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for frame in frames.iter().map(|frame| frame.frame(&rules)) {
            let (step, hit) = model::judge(&frame, &modelled);
            if let Some(rule) = hit {
                let hit = hits.entry(rule.text.clone()).or_default();
                *hit = (hit.0 + 1, hit.1 + frame.len() as u64);
            }
            let kind = match (step, hit.map(|rule| rule.verdict)) {
                (Step::Done(_, Reason::Malformed), _) => "malformed",
                (_, Some(Verdict::Drop)) => "dropped",
                (_, Some(Verdict::Allow)) => "allowed",
                _ => "unclaimed",
            };
            *seen.borrow_mut().entry(kind).or_default() += 1;
            prop_assert_eq!(stage.judge(&frame), (step, frame));
        }
        prop_assert_eq!(stage.hits(), hits);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    // Every outcome must be met often, or the test says little.
    let seen = seen.into_inner();
    assert!(seen.len() == 4 && seen.values().all(|count| *count > 500), "{seen:?}");
}

const DROPPED: Step = Step::Done(Action::Drop, Reason::FirewallDrop);

/// The verdicts for addresses, under these lists.
fn verdicts<const N: usize>(drop: &[&str], allow: &[&str], sources: [&str; N]) -> [Step; N] {
    let own = |texts: &[&str]| texts.iter().map(|text| (*text).into()).collect();
    let mut stage = Stage::new(&Lists { drop: own(drop), allow: own(allow) });
    sources.map(|source| stage.judge(&datagram(source.parse().expect("an address"), 0, false)).0)
}

#[test]
fn the_longest_prefix_decides_whatever_the_order() {
    let sources = ["10.1.2.3", "10.1.2.4", "10.1.9.9", "10.9.9.9", "11.0.0.0"];
    let steps = verdicts(&["10.0.0.0/8", "10.1.2.0/24"], &["10.1.0.0/16", "10.1.2.3/32"], sources);
    assert_eq!(steps, [Step::Next, DROPPED, Step::Next, DROPPED, Step::Next]);
    let sources = ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "2001:db9::1"];
    let steps = verdicts(&["2001:db8::/32", "2001:db8::1"], &["2001:db8::/64"], sources);
    assert_eq!(steps, [DROPPED, Step::Next, DROPPED, Step::Next]);
}

/// `0.0.0.0/0` is all of IPv4 and nothing of IPv6, and the reverse.
#[test]
fn a_family_is_dropped_alone() {
    assert_eq!(verdicts(&["0.0.0.0/0"], &[], ["255.255.255.255", "::"]), [DROPPED, Step::Next]);
    assert_eq!(verdicts(&["::/0"], &[], ["0.0.0.0", "ffff::1"]), [Step::Next, DROPPED]);
    assert_eq!(verdicts(&["::/0"], &["::/1"], ["7fff::", "8000::"]), [Step::Next, DROPPED]);
}
