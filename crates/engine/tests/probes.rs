//! The probes against the running kernel. Needs root.

use engine::probe::{
    Answer, Helper, MapProbe, Operation, ProgramProbe, helper, map_kind, operation, program_kind,
};

/// Answers that are known beforehand, so that a probe which always says the same is caught.
#[test]
fn known_answers() {
    // bpf_sk_assign is for tc only; no kernel has a helper 9999.
    for (id, expected) in [(1, Answer::Yes), (5, Answer::Yes), (124, Answer::No), (9999, Answer::No)] {
        assert_eq!(helper(Helper { id, name: "any" }), expected, "helper {id}");
    }
    assert_eq!(program_kind(ProgramProbe::Xdp), Answer::Yes);
    assert_eq!(operation(Operation::TestRun), Answer::Yes);
    for probe in MapProbe::ALL {
        assert_eq!(map_kind(probe), Answer::Yes, "map {}", probe.name());
    }
}

/// As root, "unknown" would mean that a missing permission was misread.
#[test]
fn root_always_finds_out() {
    let programs = ProgramProbe::ALL.map(program_kind);
    let operations = Operation::ALL.map(operation);
    assert!(!programs.contains(&Answer::Unknown), "{programs:?}");
    assert!(!operations.contains(&Answer::Unknown), "{operations:?}");
}
