//! The egress program and the rules' question in the kernel, beside the host's: frames that are sent are remembered in both, and
//! both say the same of frames that come in.

use std::{collections::BTreeMap, thread, time::Duration};

use abi::{Direction, Stage};
use classify::{Key, WORDS};
use engine::{Globals, Map, data_path};
use firewall::{
    config::Firewall,
    flow::{Flow, of_message, of_reply, of_sent},
    flow_table::{SEEDS, SLOTS, Words, hash, is_alive, remember, time},
    key,
    shared::Hit,
};
use nix::time::{ClockId, clock_gettime};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use testkit::sections::Scene;
use wire::{Frame, parse::parse, transport};

const BUCKETS: u32 = 64;

/// As long as any kernel's, and room for a processor that was busy.
const A_JIFFY: Duration = Duration::from_millis(20);

fn now() -> u64 {
    unit(Duration::ZERO)
}

/// The table's time so long ago.
fn unit(ago: Duration) -> u64 {
    let since = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).expect("a clock");
    time((since - ago).as_nanos() as u64)
}

fn flow_sent(bytes: &[u8]) -> Option<(Flow, firewall::flow::Sent)> {
    let mut bytes = bytes.to_vec();
    let frame = Frame::new(&mut bytes);
    let headers = parse(&frame, frame.len()).ok()?;
    of_sent(&frame, &headers)
}

fn flow_answered(bytes: &[u8]) -> Option<Flow> {
    let mut bytes = bytes.to_vec();
    let frame = Frame::new(&mut bytes);
    let headers = parse(&frame, frame.len()).ok()?;
    let mut own: Key = [0; WORDS];
    key::fill(&mut own, &frame, &headers, 0).ok()?;
    if transport::is_icmp(&headers) { of_message(&frame, &headers) } else { of_reply(&headers, &own) }
}

/// The same frame on its way back: ends exchanged where they are in plain places.
fn turned(frame: &[u8]) -> Vec<u8> {
    let mut back = frame.to_vec();
    let (addresses, size, ports) = match frame.get(12..14) {
        Some([0x08, 0x00]) => (26, 4, 34),
        Some([0x86, 0xdd]) => (22, 16, 54),
        _ => return back,
    };
    if back.len() < ports + 8 {
        return back;
    }
    for (at, size) in [(addresses, size), (ports, 2)] {
        let (one, other) = back[at..at + 2 * size].split_at_mut(size);
        one.swap_with_slice(other);
    }
    back
}

#[test]
fn the_kernel_remembers_and_knows_what_the_host_does() {
    let scene = Scene::new(&["eth0"], &[]);
    let text = "rules = [\"count answers established\"]\n";
    let (valid, problems) = scene.read(&Firewall, text);
    let tables =
        valid.unwrap_or_else(|| panic!("{problems:?}")).tables(&scene.world(), &mut policy::Slots::default());
    assert!(tables.everywhere.watches_egress);
    let sizes: BTreeMap<String, u32> =
        [("FLOWS", BUCKETS), ("RULE_SLOTS", 64), ("RULE_CELLS", 64), ("FIREWALL_HITS", 4)]
            .map(|(name, entries)| (name.to_owned(), entries))
            .into();
    let maps = data_path::create_maps(&sizes, &BTreeMap::new()).expect("maps");
    for name in ["RULE_SLOTS", "RULE_CELLS"] {
        let policy::Contents::Array { bytes, .. } = &tables.maps[name] else { panic!("{name} is an array") };
        maps[name].write_elements(bytes).expect("room");
    }
    let seeds: [u64; SEEDS] =
        std::array::from_fn(|at| (at as u64 + 3).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17));
    maps["FLOW_SEEDS"].set(&0_u32, &seeds).expect("room");
    let mut globals = Globals::default();
    for (name, bytes) in &tables.everywhere.globals {
        globals.set_bytes(name, bytes.clone());
    }
    globals.set("FLOW_MASK", BUCKETS - 1).set("STAGES", Stage::Firewall.bit());
    let egress = data_path::load_classifier(Direction::Egress, globals.clone(), &maps)
        .unwrap_or_else(|error| panic!("{error:?}"));
    let program = data_path::load_program(globals, false, &maps).unwrap_or_else(|error| panic!("{error:?}"));
    eprintln!("egress: {:?} instructions", egress.verified_instructions());
    eprintln!("rules with established: {:?} instructions", program.verified_instructions());

    let table = |map: &Map| map.look(|buckets: &[Words]| buckets.to_vec()).expect("mapped");
    let mut model = vec![[0; SLOTS]; BUCKETS as usize];
    let (mut known, mut remembered) = (0, 0);
    let cases = testkit::guest::cases(2000);
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: None,
        // What a frame meets depends on those before it.
        max_shrink_iters: 0,
        ..Config::default()
    });
    let frames = (testkit::random::kernel_frame(), testkit::random::kernel_frame(), any::<bool>());
    let state = std::cell::RefCell::new((&mut model, &mut known, &mut remembered));
    runner
        .run(&frames, |(out, other, is_answer)| {
            let mut state = state.borrow_mut();
            let (model, known, remembered) = &mut *state;
            // A unit that begins in between would make the two differ, or one that has begun in this jiffy, for all of which the
            // kernel's program goes by the time of its first packet.
            loop {
                let (begun, before) = (now(), model.to_vec());
                if unit(A_JIFFY) != begun {
                    thread::sleep(A_JIFFY);
                    continue;
                }
                // The kernel makes no packet of what is too short to be one.
                let Ok(run) = egress.test_run(&out, 1) else { return Ok(()) };
                assert_eq!((run.action as i32, &run.frame), (-1, &out), "it looks and changes nothing");
                if let Some((flow, sent)) = flow_sent(&out) {
                    let hash = hash(&flow, &seeds);
                    remember(&mut model[hash as usize & (BUCKETS as usize - 1)], hash, sent, begun);
                    **remembered += 1;
                }
                if begun == now() {
                    break;
                }
                **model = before;
            }
            prop_assert_eq!(table(&maps["FLOWS"]), model.to_vec());
            let back = if is_answer { turned(&out) } else { other };
            let expected = flow_answered(&back).is_some_and(|flow| {
                let hash = hash(&flow, &seeds);
                is_alive(&model[hash as usize & (BUCKETS as usize - 1)], hash, now())
            });
            program.test_run(&back, 1).expect("test run");
            let hits: Vec<Hit> = maps["FIREWALL_HITS"].get_per_cpu(&0_u32).expect("a counter");
            let counted: u64 = hits.iter().map(|hit| hit.packets).sum();
            **known += u64::from(expected);
            prop_assert_eq!(counted, **known);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(
        known * 40 > u64::from(cases) && remembered * 7 > cases,
        "{known} known of {remembered}: the frames are too strange"
    );
}
