//! A lab leaves nothing behind: not when dropped, not when making it fails half-way.

mod fixture;

use std::os::unix::process::ExitStatusExt;

use fixture::{namespace_is_there, senko_lab, state_file_is_there, wait_until};
use lab::Topology;

#[test]
fn dropping_a_lab_removes_namespaces_and_state() {
    for (topology, hosts) in [(Topology::Pair, 2), (Topology::Router, 3), (Topology::Bridge, 3)] {
        let lab = fixture::up("gone", topology, hosts);
        let name = lab.name().to_owned();
        let namespaces: Vec<_> = lab.hosts().iter().map(|h| h.ns_name().to_owned()).collect();
        assert!(state_file_is_there(&name));
        assert!(namespaces.iter().all(|n| namespace_is_there(n)));
        drop(lab);
        assert!(!state_file_is_there(&name));
        assert!(!namespaces.iter().any(|n| namespace_is_there(n)));
    }
}

#[test]
fn programs_inside_end_with_the_lab() {
    let lab = fixture::up("gone", Topology::Pair, 2);
    let mut child = lab.host("h1").command("sleep").arg("600").spawn().unwrap();
    assert!(child.try_wait().unwrap().is_none());
    lab.remove().unwrap();
    assert!(!child.wait().unwrap().success());
}

/// Its pid is the program's own, and it dies with the thread that started it.
#[test]
fn a_program_ends_with_the_thread_that_started_it() {
    let lab = fixture::up("gone", Topology::Pair, 2);
    let h1 = lab.host("h1");
    let start = || h1.command("sleep").arg("600").spawn().unwrap();
    let mut child = std::thread::scope(|scope| scope.spawn(start).join().unwrap());
    wait_until("the child has ended", || child.try_wait().unwrap().is_some());

    let mut child = h1.command("sleep").arg("600").spawn().unwrap();
    let name = std::fs::read_to_string(format!("/proc/{}/comm", child.id())).unwrap();
    assert_eq!(name.trim(), "sleep");
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
}

#[test]
fn a_lab_that_cannot_be_finished_is_undone() {
    fixture::with_private_run(|| {
        let mut limited = std::process::Command::new("sh");
        let program = senko_lab(&[]).get_program().to_owned();
        // A namespace and a socket per host: forty descriptors end half-way.
        limited.args(["-c", "ulimit -n 40; exec \"$0\" lab up half --hosts 60"]).arg(program);
        let output = limited.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", fixture::stderr(&output));
        assert!(fixture::stderr(&output).contains("Too many open files"), "{}", fixture::stderr(&output));
        let files = |path| std::fs::read_dir(path).unwrap().count();
        assert_eq!((files("/run/netns"), files("/run/senko/lab")), (0, 0));
    });
}
