//! The golden vectors on the host: the logic, and the model beside it.

mod stage;

use std::collections::BTreeMap;

use abi::{Action, Reason, Step};
use firewall::model::{self, Rule};
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
        let orders = stage::orders(&vectors.config);
        for packet in vectors.packets {
            let place = format!("{}: {}", vectors.file, packet.name);
            let expected = (packet.verdict, packet.reason);
            let mut stage = Stage::new(&vectors.config);
            let (step, bytes) = stage.judge(&packet.input);
            assert_eq!((outcome(step), bytes), (expected, packet.output), "{place}");
            let counted = |prefix: &Option<String>| {
                BTreeMap::from_iter(prefix.clone().map(|prefix| (prefix, (1, packet.input.len() as u64))))
            };
            assert_eq!(stage.hits(), counted(&packet.result.hit), "{place}");
            assert_eq!(stage.block_hits(), counted(&packet.result.block), "{place}");
            let judgement = model::judge(&packet.input, &orders);
            let text = |rule: Option<&Rule>| rule.map(|rule| rule.text.clone());
            let modelled = (outcome(judgement.step), text(judgement.hit), text(judgement.block));
            assert_eq!(modelled, (expected, packet.result.hit, packet.result.block), "{place}, by the model");
        }
    }
}
