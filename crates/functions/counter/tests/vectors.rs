//! The golden vectors on the host: the logic, and the model beside it.

mod counters;

use counter::model;
use testkit::vectors::{CounterConfig, CounterResult, load};

use crate::counters::Counters;

#[test]
fn every_vector_is_counted_as_it_says() {
    for vectors in load::<CounterConfig, CounterResult>("counter") {
        for packet in &vectors.packets {
            let place = format!("{}: {}", vectors.file, packet.name);
            let mut counters = Counters::new(vectors.config.icmp_types);
            counters.count(&packet.input);
            let rows: Vec<String> = counters.snapshot().into_keys().map(model::label).collect();
            assert_eq!(rows, packet.result.rows, "{place}");
            let subjects = model::subjects(&packet.input, vectors.config.icmp_types);
            let rows: Vec<String> = subjects.into_iter().map(model::label).collect();
            assert_eq!(rows, packet.result.rows, "{place}, by the model");
        }
    }
}
