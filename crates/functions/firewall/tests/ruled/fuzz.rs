//! `cargo xtask fuzz`: the compiled rules against the list, rule by rule, on as many pairs as are asked for.

use firewall::rule::model::{self, Fragments, Model};
use testkit::{
    fuzz::{Budget, Case, Found, run, without_chance},
    rules::{Arrival, INTERFACES, SETS, section},
    sections::Scene,
};

use crate::stage::Stage;

/// What `cargo xtask test` has time for.
const PAIRS: u64 = 10_000;

fn compare(scene: &Scene, case: &Case, seed: u64) -> Found {
    let fragments = Fragments::ALL[case.fragments];
    let default = if case.default_drop { "drop" } else { "accept" };
    let section = section(&case.rules, fragments.name(), default);
    let mut stage = match Stage::new(scene, &section) {
        Ok(stage) => stage.seeded(seed),
        Err(problems) if problems.iter().any(|text| text.contains("nothing tells them apart")) => {
            return Found::Refused;
        }
        Err(problems) => return Found::Differs(format!("refused: {problems:?}")),
    };
    let mut model = Model::new(&case.rules, &scene.world(), fragments, case.default_drop);
    let mut now = 1_000_000_000;
    for Arrival { frame, interface, pause } in &case.arrivals {
        now += pause;
        let expected = model.judge(frame, interface, now);
        let found = stage.judge(frame, interface, now);
        if found != (expected.step, expected.told, expected.mark) {
            return Found::Differs(format!("compiled rules say {found:?}, the list {expected:?}"));
        }
    }
    if stage.counts() != model.counts {
        return Found::Differs(format!("counted {:?}, by the list {:?}", stage.counts(), model.counts));
    }
    Found::Agrees
}

#[test]
fn fuzz_compiled_rules() {
    let scene = Scene::new(&INTERFACES, &SETS);
    let sound = |rule: &str| model::rule(rule, &scene.world()).is_ok();
    let tally = run("compiled rules", Budget::from_environment(PAIRS), 1000, sound, |case| {
        without_chance(|seed| compare(&scene, case, seed))
    });
    // One list may be one that cannot be compiled.
    assert!(tally.lists < 10 || tally.refused * 3 < tally.lists, "{tally:?}: most lists are taken");
}
