//! Several labs live side by side, and a name is given once.

mod fixture;

use lab::{Lab, LabError, PingReport, Topology, ping};

#[test]
fn labs_made_at_the_same_time_do_not_collide() {
    let labs: Vec<_> = std::thread::scope(|scope| {
        let make = || fixture::up("several", Topology::Router, 2);
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(make)).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    for lab in &labs {
        let report = ping(lab.host("h1"), lab.host("h2").ipv4().into(), 2).unwrap();
        assert_eq!(report, PingReport { sent: 2, received: 2 }, "{}", lab.name());
    }
    let mut names: Vec<_> = labs.iter().flat_map(Lab::hosts).map(|h| h.ns_name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 4 * 3);
}

#[test]
fn a_name_that_is_taken_is_refused_and_the_first_lab_lives_on() {
    let first = fixture::up("taken", Topology::Pair, 2);
    let error = Lab::builder(first.name()).build().unwrap_err();
    assert!(matches!(error, LabError::NameTaken { .. }));
    assert!(error.to_string().contains(&format!("senko lab down {}", first.name())), "{error}");
    assert_eq!(ping(first.host("h1"), first.host("h2").ipv4().into(), 1).unwrap().received, 1);
}

#[test]
fn a_namespace_made_by_somebody_else_is_not_touched() {
    let name = fixture::unique("foreign");
    let namespace = format!("senko-{name}-h2");
    fixture::succeed(std::process::Command::new("ip").args(["netns", "add", &namespace]));
    let error = Lab::builder(&name).build().unwrap_err();
    let untouched = fixture::namespace_is_there(&namespace) && !fixture::state_file_is_there(&name);
    fixture::succeed(std::process::Command::new("ip").args(["netns", "delete", &namespace]));
    assert!(matches!(error, LabError::NamespaceTaken { .. }), "{error}");
    assert!(untouched);
}

#[test]
fn an_opened_lab_is_the_same_and_stays_when_dropped() {
    let first = fixture::up("open", Topology::Bridge, 2);
    let second = Lab::open(first.name()).unwrap();
    assert_eq!(second.host("r").interfaces(), first.host("r").interfaces());
    drop(second);
    assert!(fixture::namespace_is_there(first.host("h1").ns_name()));
}
