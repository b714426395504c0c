//! What is told of a frame, against the model, on random frames.

use events::{
    model,
    subject::{Subject, describe},
};
use proptest::{prelude::*, test_runner::TestRunner};
use testkit::random;
use wire::Frame;

#[test]
fn agrees_with_the_model() {
    let config = ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() };
    let (mut ip, mut ports, mut none) = (0, 0, 0);
    let seen = std::cell::RefCell::new((&mut ip, &mut ports, &mut none));
    let result = TestRunner::new(config).run(&random::frame(), |bytes| {
        let mut copy = bytes.clone();
        let subject = describe(&Frame::new(&mut copy), bytes.len() as u64);
        prop_assert_eq!(subject, model::describe(&bytes));
        let mut seen = seen.borrow_mut();
        *seen.0 += u32::from(subject.ip_version != 0);
        *seen.1 += u32::from(subject.destination_port != 0);
        *seen.2 += u32::from(subject == Subject::NOTHING);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    assert!(ip > 5000 && ports > 2000 && none > 100, "{ip} of IP, {ports} with ports, {none} with nothing");
}
