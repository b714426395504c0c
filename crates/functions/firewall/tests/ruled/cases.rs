//! One test per condition and action, and headers that hide others: what testkit says of them is so on the host, and the
//! model says it, too.

use std::collections::BTreeMap;

use abi::{Action, Reason, Step};
use firewall::rule::model::{Fragments, Model};
use testkit::{
    rule_cases::{Coming, cases, edges, stories},
    rules::{INTERFACES, SETS, section},
    sections::Scene,
};

use crate::stage::Stage;

const DROPPED: Step = Step::Done(Action::Drop, Reason::RuleDrop);

struct Both {
    stage: Stage,
    model: Model,
    now: u64,
}

impl Both {
    fn new(rules: &[&str], fragments: &str, default: &str) -> Self {
        let scene = Scene::new(&INTERFACES, &SETS);
        let rules: Vec<String> = rules.iter().map(|rule| (*rule).to_owned()).collect();
        let stage = Stage::new(&scene, &section(&rules, fragments, default));
        let policy = Fragments::ALL.into_iter().find(|policy| policy.name() == fragments).expect("a policy");
        let model = Model::new(&rules, &scene.world(), policy, default == "drop");
        Self { stage: stage.unwrap_or_else(|problems| panic!("{problems:?}")), model, now: 1_000_000_000 }
    }

    /// What both say.
    #[track_caller]
    fn judge(&mut self, what: &str, (frame, interface): &Coming) -> (Step, bool, Option<u32>) {
        self.now += 1000;
        let expected = self.model.judge(frame, interface, self.now);
        let found = self.stage.judge(frame, interface, self.now);
        assert_eq!(
            found,
            (expected.step, expected.told, expected.mark),
            "{what}: {frame:02x?}: stage and model"
        );
        found
    }

    #[track_caller]
    fn counts(&self, what: &str, expected: &[(&str, u64)]) {
        let packets: BTreeMap<String, u64> =
            self.stage.counts().into_iter().map(|(rule, (packets, _))| (rule, packets)).collect();
        let expected = expected.iter().map(|(rule, packets)| ((*rule).to_owned(), *packets)).collect();
        assert_eq!(packets, expected, "{what}");
        assert_eq!(self.stage.counts(), self.model.counts, "{what}");
    }
}

#[test]
fn every_condition_hits_misses_is_guarded_and_counts() {
    for case in cases() {
        let mut both = Both::new(&[case.rule], "first-only", "accept");
        for hit in &case.hits {
            assert_eq!(
                both.judge(case.rule, hit),
                (DROPPED, false, None),
                "{}: hit {:02x?}",
                case.rule,
                hit.0
            );
        }
        for other in case.misses.iter().chain(&case.guards) {
            assert_eq!(
                both.judge(case.rule, other),
                (Step::Next, false, None),
                "{}: {:02x?}",
                case.rule,
                other.0
            );
        }
        let expected = [(case.rule, case.hits.len() as u64)];
        both.counts(case.rule, if case.hits.is_empty() { &[] } else { &expected });
    }
}

#[test]
fn every_action_does_what_it_says() {
    for story in stories() {
        let what = story.rules.join("; ");
        let mut both = Both::new(story.rules, story.fragments, story.default);
        let (mut told, mut marks) = (0, Vec::new());
        for (frame, action, reason) in story.frames {
            let (step, is_told, mark) = both.judge(&what, &(frame.clone(), "eth0"));
            let found = match step {
                Step::Next => (Action::Pass, Reason::Unclaimed),
                Step::Done(action, reason) => (action, reason),
            };
            assert_eq!(found, (action, reason), "{what}: {frame:02x?}");
            told += usize::from(is_told);
            marks.extend(mark);
        }
        assert_eq!((told, &marks[..]), (story.told, story.marks), "{what}");
        both.counts(&what, story.counts);
    }
}

#[test]
fn headers_in_front_hide_nothing() {
    for edge in edges() {
        let mut both = Both::new(&["drop udp dport 53"], "first-only", "accept");
        let (step, ..) = both.judge(edge.name, &(edge.frame.clone(), "eth0"));
        let expected = match (edge.is_dropped, edge.is_malformed) {
            (false, _) => Step::Next,
            (true, false) => DROPPED,
            (true, true) => Step::Done(Action::Drop, Reason::RuleMalformed),
        };
        assert_eq!(step, expected, "{}", edge.name);
        let counted = [("drop udp dport 53", 1)];
        both.counts(edge.name, if step == DROPPED { &counted } else { &[] });
    }
}

/// Two packets at once on two CPUs, of which one looked at the time a jiffy before the other.
#[test]
fn a_burst_is_whole_by_clocks_that_differ() {
    let scene = Scene::new(&INTERFACES, &SETS);
    let rules = ["limit 1/h burst 2".to_owned()];
    let mut stage = Stage::new(&scene, &section(&rules, "first-only", "accept")).expect("a sound rule");
    let frame = &stories()[0].frames[0].0;
    let steps = [10_000_000, 1, 9_000_000].map(|now| stage.judge(frame, "eth0", 1_000_000_000 + now).0);
    assert_eq!(steps, [Step::Next, Step::Next, Step::Done(Action::Drop, Reason::RuleLimit)]);
}
