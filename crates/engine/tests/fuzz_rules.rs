//! `cargo xtask fuzz`: the rules in the kernel against the list, rule by rule, on as many pairs as are asked for.

mod kernel;

use abi::{Action, Reason, Step};
use firewall::{
    config::Firewall,
    rule::model::{self, Fragments, Model},
    ruled::BUCKET_SEED,
};
use policy::Slots;
use testkit::{
    fuzz::{Budget, Case, Found, run, without_chance},
    rules::{Arrival, INTERFACES, SETS, section},
    sections::Scene,
};

use crate::kernel::ruling::Ruling;

/// What `cargo xtask test` has time for: a list takes the verifier some tenths of a second.
const PAIRS: u64 = 3000;

fn compare(scene: &Scene, case: &Case, seed: u64) -> Found {
    // The kernel's clock runs by itself: nothing is to come back into a bucket while a list is tried.
    let by_the_hour = |text: &String| text.replace("90/m", "2/h").replace("200/s", "4/h burst 3");
    let rules: Vec<String> = case.rules.iter().map(by_the_hour).collect();
    let fragments = Fragments::ALL[case.fragments];
    let default = if case.default_drop { "drop" } else { "accept" };
    let (valid, problems) = scene.read(&Firewall, &section(&rules, fragments.name(), default));
    let valid = match valid {
        Some(valid) => valid,
        None if problems.iter().any(|text| text.contains("nothing tells them apart")) => {
            return Found::Refused;
        }
        None => return Found::Differs(format!("refused: {problems:?}")),
    };
    let mut tables = valid.tables(&scene.world(), &mut Slots::default());
    if let Some(bytes) = tables.everywhere.globals.get_mut(BUCKET_SEED) {
        *bytes = seed.to_ne_bytes().to_vec();
    }
    let kernel = Ruling::new(&tables);
    let mut model = Model::new(&rules, &scene.world(), fragments, case.default_drop);
    for Arrival { frame, interface, .. } in &case.arrivals {
        let expected = model.judge(frame, interface, 1_000_000_000);
        let (action, reason) = match expected.step {
            Step::Next => (Action::Pass, Reason::Unclaimed),
            Step::Done(action, reason) => (action, reason),
        };
        let found = kernel.judge(frame, interface);
        if found != (action, reason, expected.told, expected.mark) {
            return Found::Differs(format!("the kernel says {found:?}, the list {expected:?}"));
        }
    }
    if kernel.counts() != model.counts {
        return Found::Differs(format!("counted {:?}, by the list {:?}", kernel.counts(), model.counts));
    }
    Found::Agrees
}

#[test]
fn fuzz_rules_in_the_kernel() {
    let scene = Scene::new(&INTERFACES, &SETS);
    let sound = |rule: &str| model::rule(rule, &scene.world()).is_ok();
    let tally = run("kernel", Budget::from_environment(PAIRS), 400, sound, |case| {
        without_chance(|seed| compare(&scene, case, seed))
    });
    assert!(tally.lists < 10 || tally.refused * 3 < tally.lists, "{tally:?}: most lists are taken");
}
