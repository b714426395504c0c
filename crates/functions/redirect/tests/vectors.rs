//! The golden vectors on the host: the logic, and the model beside it.

mod stage;

use abi::{Action, Reason, Step};
use redirect::model;
use testkit::{
    vectors::{NoResult, load},
    world::World,
};

fn outcome((step, bytes): (Step, Vec<u8>)) -> (Action, Reason, Vec<u8>) {
    match step {
        Step::Next => (Action::Pass, Reason::Unclaimed, bytes),
        Step::Done(action, reason) => (action, reason, bytes),
    }
}

#[test]
fn every_vector_ends_as_it_says() {
    for vectors in load::<World, NoResult>("redirect") {
        let mut world = vectors.config.numbered();
        for packet in vectors.packets {
            let place = format!("{}: {}", vectors.file, packet.name);
            let expected = (packet.verdict, packet.reason, packet.output);
            assert_eq!(outcome(stage::judge(&packet.input, &mut world)), expected, "{place}");
            let modelled = model::reflect(&packet.input, &mut world);
            assert_eq!(outcome(modelled), expected, "{place}, by the model");
        }
    }
}
