//! Every operation of an apply fails once, and is once the last before the process is killed.

use std::collections::BTreeMap;

use policy::{Contents, Interface, Knob, PrefixTable, Sources, Tables, World};
use prefix::PrefixV4;

use super::*;
use crate::{
    desired::{self, Desired},
    kernel::fake::{Fake, Fate},
    plan::{self, MapSizes, Present},
};

const MAPS: [&str; 5] = ["EVENTS", "EVENT_CLOCK", "FIREWALL_LINES_V4", "FIREWALL_NODES_V4", "REASONS"];

/// A configuration of these interfaces that drops one prefix.
fn desired(interfaces: &[&str], dropped: u32, former: Option<&Record>) -> Desired {
    needing(interfaces, dropped, &[], former)
}

/// The same, with programs beside those of the interfaces.
fn needing(interfaces: &[&str], dropped: u32, directions: &[Direction], former: Option<&Record>) -> Desired {
    let mut sources = Sources::default();
    let source = sources.add("senko.toml", String::new());
    let at = policy::Span { source, start: 0, end: 0 };
    let interface = |name: &&str| Interface { name: (*name).into(), mode: "auto".into(), slot: 0, at };
    let mut interfaces: Vec<Interface> = interfaces.iter().map(interface).collect();
    let mut slots = former.map(Record::slots).unwrap_or_default();
    desired::interface_slots(&mut interfaces, &mut slots);
    let sets = BTreeMap::new();
    let world = World { interfaces: &interfaces, sets: &sets, addresses: &[] };
    let list = [(PrefixV4::new(dropped, 32).expect("a host"), 1)].into();
    let table = Contents::Prefixes(PrefixTable::V4 { lines: "FIREWALL_LINES_V4", list });
    let everywhere = Knob {
        stages: abi::Stage::Firewall.bit(),
        watches_egress: directions.contains(&Direction::Egress),
        marks: directions.contains(&Direction::Ingress),
        ..Knob::default()
    };
    let extra =
        Tables { everywhere, maps: BTreeMap::from([("FIREWALL_NODES_V4", table)]), ..Tables::default() };
    desired::compile(&[], &world, extra, slots)
}

fn record(desired: &Desired, generation: u64) -> Record {
    Record::of(desired, generation, 0.0, "apply")
}

/// Applies what is desired to what is live.
fn apply(kernel: &mut Fake, desired: &Desired, live: Option<&Record>) -> Result<Record, Error> {
    let sizes = MapSizes { names: MAPS.map(Into::into).to_vec() };
    let mut present = Present { exists: kernel.interfaces.keys().cloned().collect(), ..Present::default() };
    for program in &desired.programs {
        if link_of(kernel, &program.interface)?.is_some() {
            present.linked.push(program.interface.clone());
        }
    }
    for interface in present.exists.clone() {
        for direction in Direction::ALL {
            if classifier::path_of(kernel, direction, &interface)?.is_some() {
                present.classified.push((direction, interface.clone()));
            }
        }
    }
    let plan = plan::plan(live, desired, &sizes, &present);
    let executed = execute(kernel, &plan, desired, record(desired, plan.generation), live)?;
    Ok(executed.record)
}

/// Interfaces, and what they have beside their programs.
type State = (Vec<&'static str>, &'static [Direction]);

const NONE: &[Direction] = &[];
const WATCHES: &[Direction] = &[Direction::Egress];
const MARKS: &[Direction] = &[Direction::Ingress];
const BOTH: &[Direction] = &Direction::ALL;

/// The changes that are tried: from nothing, a rule, interfaces that come and go, with programs beside theirs and without.
fn changes() -> Vec<(&'static str, State, State)> {
    let both = || vec!["a", "b"];
    vec![
        ("first", (vec![], NONE), (both(), NONE)),
        ("first, watching", (vec![], NONE), (both(), WATCHES)),
        ("first, marking", (vec![], NONE), (both(), MARKS)),
        ("rule", (both(), NONE), (both(), NONE)),
        ("rule, watching", (both(), WATCHES), (both(), WATCHES)),
        ("rule, watching and marking", (both(), BOTH), (both(), BOTH)),
        ("watches", (both(), NONE), (both(), WATCHES)),
        ("watches no more", (both(), WATCHES), (both(), NONE)),
        ("marks as well", (both(), WATCHES), (both(), BOTH)),
        ("marks no more", (both(), BOTH), (both(), WATCHES)),
        ("marks instead", (both(), WATCHES), (both(), MARKS)),
        ("more", (vec!["a"], WATCHES), (both(), WATCHES)),
        ("fewer", (both(), BOTH), (vec!["b"], BOTH)),
        ("missing", (vec!["a"], NONE), (vec!["a", "gone"], BOTH)),
    ]
}

/// A kernel with the old configuration live.
fn before((old, directions): &State) -> (Fake, Option<Record>) {
    let mut kernel = Fake::with(&["a", "b"], &MAPS);
    let record = (!old.is_empty()).then(|| {
        apply(&mut kernel, &needing(old, 1, directions, None), None).expect("the first apply works")
    });
    kernel.operations = 0;
    (kernel, record)
}

/// Interfaces that have a program before and after must have one all the time.
fn guard(kernel: &mut Fake, (old, _): &State, (new, _): &State) {
    let both = old.iter().filter(|name| new.contains(name));
    kernel.guarded = both.filter_map(|name| kernel.interfaces.get(*name).copied()).collect();
}

fn to((interfaces, directions): &State, live: Option<&Record>) -> Desired {
    needing(interfaces, 2, directions, live)
}

#[test]
fn a_failure_at_any_operation_changes_nothing() {
    for (name, old, new) in changes() {
        let (mut kernel, live) = before(&old);
        apply(&mut kernel, &to(&new, live.as_ref()), live.as_ref()).expect("it works undisturbed");
        let (operations, after) = (kernel.operations, kernel.visible());
        assert!(operations > 10, "{name}: {operations}");
        let mut undone = 0;
        for at in 1..=operations {
            let (mut kernel, live) = before(&old);
            let untouched = kernel.visible();
            guard(&mut kernel, &old, &new);
            kernel.fate = Fate::FailsAt(at);
            match apply(&mut kernel, &to(&new, live.as_ref()), live.as_ref()) {
                Err(error) => {
                    assert!(!matches!(error, Error::Undo { .. }), "{name}, {at}: {error}");
                    // The directory of links and the layout's mark are no state.
                    let now = kernel.visible();
                    if live.is_some() {
                        assert_eq!(now, untouched, "{name}, operation {at}");
                    } else {
                        assert!(kernel.generations().is_empty(), "{name}, operation {at}: {now:?}");
                    }
                    undone += 1;
                }
                // Only what follows the change itself may fail without undoing it.
                Ok(_) => {
                    kernel.restart();
                    recover(&mut kernel).expect("recovery works");
                    assert_eq!(kernel.visible(), after, "{name}, operation {at}");
                }
            }
        }
        assert!(undone + 6 >= operations, "{name}: {undone} of {operations}");
    }
}

#[test]
fn a_process_killed_at_any_operation_leaves_the_old_or_the_new() {
    for (name, old, new) in changes() {
        let (mut kernel, live) = before(&old);
        apply(&mut kernel, &to(&new, live.as_ref()), live.as_ref()).expect("it works undisturbed");
        let (operations, after) = (kernel.operations, kernel.visible());
        let mut seen = [0, 0];
        for killed in 0..=operations {
            let (mut kernel, live) = before(&old);
            let untouched = kernel.visible();
            guard(&mut kernel, &old, &new);
            kernel.fate = Fate::KilledAfter(killed);
            let _ = apply(&mut kernel, &to(&new, live.as_ref()), live.as_ref());
            kernel.restart();
            let met = kernel.visible().meets(&after, &kernel.guarded);
            recover(&mut kernel).expect("recovery works");
            let now = kernel.visible();
            assert!(
                now == after || !met,
                "{name}, killed after {killed}: frames met the new and go back to the old"
            );
            let is_old = if live.is_some() { now == untouched } else { kernel.generations().is_empty() };
            assert!(is_old || now == after, "{name}, killed after {killed}: {now:#?}\nold {untouched:#?}");
            seen[usize::from(!is_old)] += 1;
        }
        assert!(seen[0] > 5 && seen[1] > 0, "{name}: {seen:?}");
    }
}

#[test]
fn a_killed_recovery_is_recovered_from() {
    let (mut kernel, live) = before(&(vec!["a", "b"], BOTH));
    apply(&mut kernel, &needing(&["a", "b"], 2, BOTH, live.as_ref()), live.as_ref())
        .expect("it works undisturbed");
    let (operations, after) = (kernel.operations, kernel.visible());
    for killed in 0..operations {
        for again in 0..8 {
            let (mut kernel, live) = before(&(vec!["a", "b"], BOTH));
            let untouched = kernel.visible();
            kernel.fate = Fate::KilledAfter(killed);
            let _ = apply(&mut kernel, &needing(&["a", "b"], 2, BOTH, live.as_ref()), live.as_ref());
            kernel.restart();
            kernel.fate = Fate::KilledAfter(again);
            let _ = recover(&mut kernel);
            kernel.restart();
            recover(&mut kernel).expect("recovery works");
            let now = kernel.visible();
            assert!(now == untouched || now == after, "killed after {killed}, then {again}: {now:#?}");
        }
    }
}

#[test]
fn another_layout_is_refused() {
    let mut kernel = Fake::with(&["a"], &MAPS);
    kernel.point("layout", "senko-gateway-99").expect("it works");
    assert!(matches!(recover(&mut kernel), Err(Error::Layout { .. })));
}

#[test]
fn what_is_unchanged_is_shared() {
    let (mut kernel, live) = before(&(vec!["a"], NONE));
    let live = live.expect("it is live");
    let next = apply(&mut kernel, &desired(&["a", "b"], 1, Some(&live)), Some(&live)).expect("it works");
    assert_eq!(next.maps, live.maps);
    assert!(plan::is_live(&next, &desired(&["a", "b"], 1, Some(&next))));
    assert!(!plan::is_live(&next, &desired(&["a", "b"], 2, Some(&next))));
    assert!(!plan::is_live(&next, &desired(&["a"], 1, Some(&next))));
}
