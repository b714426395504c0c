//! The golden vectors on the host: the logic, and the model beside it.

mod stage;

use abi::{Action, Reason, Step};
use firewall::model;
use testkit::{
    prefixes::Lists,
    vectors::{FirewallResult, load},
};

use crate::stage::Stage;

fn outcome(step: Step) -> (Action, Reason) {
    match step {
        Step::Next => (Action::Pass, Reason::Unclaimed),
        Step::Done(action, reason) => (action, reason),
    }
}

#[test]
fn every_vector_is_judged_as_it_says() {
    for vectors in load::<Lists, FirewallResult>("firewall") {
        let rules = model::rules(&vectors.config.drop, &vectors.config.allow);
        for packet in vectors.packets {
            let place = format!("{}: {}", vectors.file, packet.name);
            let expected = (packet.verdict, packet.reason);
            let mut stage = Stage::new(&vectors.config);
            let (step, bytes) = stage.judge(&packet.input);
            assert_eq!((outcome(step), bytes), (expected, packet.output), "{place}");
            let hits: Vec<_> = stage.hits().into_iter().collect();
            let counted = packet.result.hit.clone().map(|hit| (hit, (1, packet.input.len() as u64)));
            assert_eq!(hits, Vec::from_iter(counted), "{place}");
            let (step, hit) = model::judge(&packet.input, &rules);
            let modelled = (outcome(step), hit.map(|rule| rule.text.clone()));
            assert_eq!(modelled, (expected, packet.result.hit), "{place}, by the model");
        }
    }
}
