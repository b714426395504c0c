//! Random rules and frames that are aimed at them: the compiled rules say what the list says.

use std::{cell::RefCell, collections::BTreeMap};

use abi::{Reason, Step};
use firewall::rule::{
    ast::Rule,
    model::{self, Fragments, Model},
};
use proptest::{
    prelude::*,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};
use testkit::{
    rules::{Arrival, INTERFACES, SETS, section, traffic},
    sections::Scene,
};

use crate::stage::Stage;

const SEED: [u8; 32] = *b"senko: rules mean what they say.";

/// How often a rule with this action or condition decided or went before, and did not match.
type Seen = RefCell<BTreeMap<String, (u32, u32)>>;

fn see(seen: &Seen, rule: &Rule, has_matched: bool) {
    let action = format!("{:?}", rule.action);
    let action = action.split(['(', ' ']).next().unwrap_or_default().to_owned();
    let conditions = rule
        .matches
        .iter()
        .map(|condition| format!("{}{:?}", if condition.negated { "not " } else { "" }, condition.field));
    let mut seen = seen.borrow_mut();
    for name in conditions.chain([action]) {
        let count = seen.entry(name).or_default();
        *(if has_matched { &mut count.0 } else { &mut count.1 }) += 1;
    }
}

#[test]
fn compiled_rules_mean_what_the_list_means() {
    let scene = Scene::new(&INTERFACES, &SETS);
    // As many as somebody has time for are others each time.
    let wanted: Option<u32> =
        std::env::var("SENKO_RULE_CASES").ok().map(|cases| cases.parse().expect("a number"));
    let cases = wanted.unwrap_or(70);
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 500,
        ..ProptestConfig::default()
    };
    let mut runner = match wanted {
        Some(_) => TestRunner::new(config),
        None => TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &SEED)),
    };
    let (seen, reasons) = (Seen::default(), RefCell::new(BTreeMap::<Option<Reason>, u32>::new()));
    let (refused, overlapping) = (RefCell::new((0, 0)), RefCell::new(0));
    let result = runner.run(&traffic(1..16, 1..120), |(mut rules, frames, fragments, default_drop)| {
        let all = rules.len();
        rules.retain(|text| model::rule(text, &scene.world()).is_ok());
        let mut count = refused.borrow_mut();
        *count = (count.0 + all - rules.len(), count.1 + all);
        drop(count);
        if rules.is_empty() {
            return Ok(());
        }
        let fragments = Fragments::ALL[fragments];
        let default = if default_drop { "drop" } else { "accept" };
        let section = section(&rules, fragments.name(), default);
        let mut model = Model::new(&rules, &scene.world(), fragments, default_drop);
        let mut stage = match Stage::new(&scene, &section) {
            Ok(stage) => stage,
            Err(problems) => {
                // More rules in one place than a packet is compared with.
                prop_assert!(
                    problems.iter().any(|text| text.contains("nothing tells them apart")),
                    "{:?}",
                    problems
                );
                *overlapping.borrow_mut() += 1;
                return Ok(());
            }
        };
        let mut now = 1_000_000_000;
        for arrival in &frames {
            let Arrival { frame, interface, pause } = arrival;
            now += pause;
            let expected = model.judge(frame, interface, now);
            prop_assert_eq!(
                stage.judge(frame, interface, now),
                (expected.step, expected.told, expected.mark),
                "{:?}\n{}\n{:?}",
                expected,
                section,
                arrival
            );
            let reason = if let Step::Done(_, reason) = expected.step { Some(reason) } else { None };
            *reasons.borrow_mut().entry(reason).or_default() += 1;
            for (number, rule) in model.rules.iter().enumerate() {
                let is_decisive = expected.decides == Some(number);
                if is_decisive || expected.before.contains(&number) {
                    see(&seen, rule, true);
                } else if expected.decides.is_none_or(|decides| number < decides) {
                    see(&seen, rule, false);
                }
            }
        }
        prop_assert_eq!(stage.counts(), model.counts, "{}", section);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    let (refused, all) = refused.into_inner();
    println!(
        "{refused} of {all} rules, {} of {cases} lists refused; {:?}",
        overlapping.borrow(),
        reasons.borrow()
    );
    assert!(refused * 3 < all, "{refused} of {all} rules were refused");
    assert!(overlapping.into_inner() * 3 < cases, "most lists are taken");
    let seen = seen.into_inner();
    println!("{seen:?}");
    // The examples have them all.
    let scarce: Vec<_> = seen.iter().filter(|(_, count)| count.0 < 2 || count.1 < 2).collect();
    assert!(scarce.len() <= 5, "{scarce:?}");
    assert!(seen.len() >= 36, "{} actions, conditions and negations", seen.len());
    let reasons = reasons.into_inner();
    for reason in [
        None,
        Some(Reason::RuleDrop),
        Some(Reason::RuleLimit),
        Some(Reason::RuleRedirect),
        Some(Reason::RuleMalformed),
        Some(Reason::Fragment),
        Some(Reason::FirewallDefault),
        Some(Reason::Malformed),
    ] {
        assert!(reasons.contains_key(&reason), "{reason:?}: {reasons:?}");
    }
}
