//! Rules in the kernel against what they say: the examples of every condition and action, headers that hide others, and
//! random rules with frames that are aimed at them. Verdict, reason, the counters of all rules and what is to be told of
//! must agree.

mod kernel;

use std::{cell::RefCell, collections::BTreeMap};

use abi::{Action, Marked, Reason, Step, layout::bytes_of};
use firewall::{
    config::Firewall,
    rule::model::{self, Fragments, Model},
};
use policy::Slots;
use proptest::prelude::*;
use testkit::{
    frames,
    rule_cases::{Coming, cases, edges, stories},
    rules::{Arrival, INTERFACES, SETS, section, traffic},
    sections::Scene,
};

use crate::kernel::ruling::Ruling;

/// Rules that the kernel applies and the model, too.
struct Both {
    kernel: Ruling,
    model: Model,
}

impl Both {
    /// `None`: too many rules overlap.
    fn new(rules: &[String], fragments: Fragments, default: &str) -> Option<Self> {
        Self::with_slots(rules, fragments, default, 0)
    }

    fn with_slots(rules: &[String], fragments: Fragments, default: &str, slots: u32) -> Option<Self> {
        let scene = Scene::new(&INTERFACES, &SETS);
        let (valid, problems) = scene.read(&Firewall, &section(rules, fragments.name(), default));
        let Some(valid) = valid else {
            assert!(problems.iter().any(|text| text.contains("nothing tells them apart")), "{problems:?}");
            return None;
        };
        let tables = valid.tables(&scene.world(), &mut Slots::default());
        let model = Model::new(rules, &scene.world(), fragments, default == "drop");
        Some(Self { kernel: Ruling::with_slots(&tables, slots), model })
    }

    fn of(rules: &[&str], fragments: &str, default: &str) -> Self {
        let rules: Vec<String> = rules.iter().map(|rule| (*rule).to_owned()).collect();
        let policy = Fragments::ALL.into_iter().find(|policy| policy.name() == fragments).expect("a policy");
        Self::new(&rules, policy, default).expect("few rules")
    }

    /// What the model says; time stands still, since limits in these tests are by the hour.
    fn expected(&mut self, frame: &[u8], interface: &str) -> (Action, Reason, bool, Option<u32>) {
        let judgement = self.model.judge(frame, interface, 1_000_000_000);
        let (action, reason) = verdict(judgement.step);
        (action, reason, judgement.told, judgement.mark)
    }

    /// What both say.
    #[track_caller]
    fn judge(&mut self, what: &str, (frame, interface): &Coming) -> (Action, Reason, bool, Option<u32>) {
        let expected = self.expected(frame, interface);
        let found = self.kernel.judge(frame, interface);
        assert_eq!(found, expected, "{what}: {frame:02x?}: kernel and model");
        found
    }

    #[track_caller]
    fn counts(&self, what: &str, expected: &[(&str, u64)]) {
        let counts = self.kernel.counts();
        let packets = counts.iter().map(|(rule, (packets, _))| (rule.as_str(), *packets));
        assert_eq!(packets.collect::<BTreeMap<_, _>>(), expected.iter().copied().collect(), "{what}");
        assert_eq!(counts, self.model.counts, "{what}");
    }
}

fn verdict(step: Step) -> (Action, Reason) {
    match step {
        Step::Next => (Action::Pass, Reason::Unclaimed),
        Step::Done(action, reason) => (action, reason),
    }
}

#[test]
fn every_condition_hits_misses_is_guarded_and_counts() {
    for case in cases() {
        let mut both = Both::of(&[case.rule], "first-only", "accept");
        for hit in &case.hits {
            let found = both.judge(case.rule, hit);
            assert_eq!(
                found,
                (Action::Drop, Reason::RuleDrop, false, None),
                "{}: hit {:02x?}",
                case.rule,
                hit.0
            );
        }
        for other in case.misses.iter().chain(&case.guards) {
            let found = both.judge(case.rule, other);
            assert_eq!(
                found,
                (Action::Pass, Reason::Unclaimed, false, None),
                "{}: {:02x?}",
                case.rule,
                other.0
            );
        }
        let expected = [(case.rule, case.hits.len() as u64)];
        both.counts(case.rule, if case.hits.is_empty() { &[] } else { &expected });
    }
}

/// Arrays of more than 4 MiB are looked up, element by element.
#[test]
fn slots_that_are_not_one_value_mean_the_same() {
    const FAR: u32 = (4 << 20) / 8 + 1;
    let mut seen = [0; 2];
    // By the five-tuple, and by more than that.
    for more in [&[][..], &["drop ttl < 5", "drop tcp flags syn"]] {
        let own = ["drop from 10.0.0.0/24", "drop udp port {68, 546}", "drop {tcp, udp} sport 1000-1999"];
        // Enough of them that there are steps.
        let ports = (0..40).map(|port| format!("drop udp to 10.2.0.0/16 port {}", 1000 + port));
        let rules: Vec<String> = own.iter().chain(more).map(|rule| (*rule).to_owned()).chain(ports).collect();
        let mut both = Both::with_slots(&rules, Fragments::FirstOnly, "accept", FAR).expect("few rules");
        for case in cases() {
            for coming in case.hits.iter().chain(&case.misses) {
                let (action, ..) = both.judge(case.rule, coming);
                seen[usize::from(action == Action::Drop)] += 1;
            }
        }
    }
    assert!(seen.iter().all(|packets| *packets > 20), "{seen:?}");
}

#[test]
fn every_action_does_what_it_says() {
    for story in stories() {
        let what = story.rules.join("; ");
        let mut both = Both::of(story.rules, story.fragments, story.default);
        let (mut told, mut marks) = (0, Vec::new());
        for (frame, action, reason) in story.frames {
            let found = both.judge(&what, &(frame.clone(), "eth0"));
            assert_eq!((found.0, found.1), (action, reason), "{what}: {frame:02x?}");
            told += usize::from(found.2);
            marks.extend(found.3);
        }
        assert_eq!((told, &marks[..]), (story.told, story.marks), "{what}");
        both.counts(&what, story.counts);
    }
}

#[test]
fn headers_in_front_hide_nothing() {
    let mut both = Both::of(&["drop udp dport 53"], "first-only", "accept");
    let mut dropped = 0;
    for edge in edges() {
        let (action, reason, ..) = both.judge(edge.name, &(edge.frame.clone(), "eth0"));
        let expected = match (edge.is_dropped, edge.is_malformed) {
            (false, _) => (Action::Pass, Reason::Unclaimed),
            (true, false) => (Action::Drop, Reason::RuleDrop),
            (true, true) => (Action::Drop, Reason::RuleMalformed),
        };
        assert_eq!((action, reason), expected, "{}", edge.name);
        dropped += u64::from(reason == Reason::RuleDrop);
        both.counts(edge.name, &[("drop udp dport 53", dropped)]);
    }
}

#[test]
fn random_rules_agree() {
    let reasons = RefCell::new(BTreeMap::<Reason, u32>::new());
    let lists = RefCell::new(0);
    let scene = Scene::new(&INTERFACES, &SETS);
    let result =
        kernel::runner(40).run(&traffic(1..16, 1..200), |(rules, frames, fragments, default_drop)| {
            let sound = |text: &String| model::rule(text, &scene.world()).is_ok();
            // Nothing comes back into a bucket while the test runs.
            let by_the_hour = |text: &String| text.replace("90/m", "2/h").replace("200/s", "4/h burst 3");
            let rules: Vec<String> = rules.iter().map(by_the_hour).filter(sound).collect();
            let default = if default_drop { "drop" } else { "accept" };
            if rules.is_empty() {
                return Ok(());
            }
            let Some(mut both) = Both::new(&rules, Fragments::ALL[fragments], default) else { return Ok(()) };
            *lists.borrow_mut() += 1;
            for Arrival { frame, interface, .. } in &frames {
                let expected = both.expected(frame, interface);
                prop_assert_eq!(both.kernel.judge(frame, interface), expected, "{:?} {:02x?}", &rules, frame);
                *reasons.borrow_mut().entry(expected.1).or_default() += 1;
            }
            prop_assert_eq!(both.kernel.counts(), both.model.counts, "{:?}", &rules);
            Ok(())
        });
    if let Err(error) = result {
        panic!("{error}");
    }
    let reasons = reasons.into_inner();
    println!("{} lists: {reasons:?}", lists.borrow());
    for reason in [
        Reason::Unclaimed,
        Reason::RuleDrop,
        Reason::RuleLimit,
        Reason::RuleReject,
        Reason::RuleRedirect,
        Reason::RuleMalformed,
        Reason::Fragment,
        Reason::FirewallDefault,
    ] {
        assert!(reasons.contains_key(&reason), "{reason:?}: {reasons:?}");
    }
    assert!(lists.into_inner() > 15);
}

/// A driver that takes no metadata refuses as one does whose frame has no room before it.
#[test]
fn a_mark_without_room_is_counted_and_the_packet_passes() {
    let both = Both::of(&["mark 7 tcp port 80", "drop tcp port 81"], "first-only", "accept");
    let syn = |port: u16| {
        let tcp = frames::tcp(4000, port, 2, b"");
        let ip = frames::Ipv4 {
            source: [10, 0, 0, 1].into(),
            destination: [10, 0, 0, 2].into(),
            protocol: 6,
            ttl: 64,
            fragment: 0,
            options: Vec::new(),
        };
        frames::ethernet(&[], 0x0800, &frames::ipv4(&ip, &tcp))
    };
    // `XDP_PACKET_HEADROOM` less `struct xdp_frame`, or what kernels before 6.16 take at most.
    let most =
        [216, 32].into_iter().find(|most| both.kernel.judge_behind(&vec![0; *most], &syn(9)).is_some());
    let full = vec![0; most.expect("one is taken")];
    let found = both.kernel.judge_behind(&full, &syn(80)).expect("test run");
    assert_eq!(found, (Action::Pass, Reason::RuleUnmarked, full.clone()));
    for (port, action, reason) in [(81, Action::Drop, Reason::RuleDrop), (9, Action::Pass, Reason::Unclaimed)]
    {
        let found = both.kernel.judge_behind(&full, &syn(port)).expect("test run");
        assert_eq!(found, (action, reason, full.clone()));
    }
    // With room, before what stands there already.
    let found = both.kernel.judge_behind(&[9; 8], &syn(80)).expect("test run");
    let marked = Marked { key: abi::mark::KEY as u32, mark: 7 };
    assert_eq!(found, (Action::Pass, Reason::Unclaimed, [bytes_of(&marked), &[9; 8]].concat()));
}
