//! Rejected frames in the kernel: what is sent back is what the host makes of them, and a flood gets few answers.

use std::{collections::BTreeMap, thread, time::Duration};

use abi::{Action, Stage};
use engine::{Globals, Program, data_path};
use firewall::{config::Firewall, reject::answered};
use policy::Contents;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use testkit::{frames, sections::Scene};

/// A program that rejects all IP packets but the essential ones.
fn program() -> Program {
    let scene = Scene::new(&["eth0"], &[]);
    let (valid, problems) = scene.read(&Firewall, "rules = [\"reject ip\", \"reject ipv6\"]");
    let valid = valid.unwrap_or_else(|| panic!("{problems:?}"));
    let tables = valid.tables(&scene.world(), &mut policy::Slots::default());
    let mut sizes: BTreeMap<String, u32> = [("FIREWALL_HITS".to_owned(), 8)].into();
    for (name, contents) in &tables.maps {
        if let Contents::Array { element, bytes } = contents {
            sizes.insert((*name).into(), (bytes.len() / element) as u32);
        }
    }
    let maps = data_path::create_maps(&sizes, &BTreeMap::new()).expect("maps");
    for (name, contents) in &tables.maps {
        let Contents::Array { bytes, .. } = contents else { continue };
        maps[*name].write_elements(bytes).expect("room");
    }
    let mut globals = Globals::default();
    for (name, bytes) in &tables.everywhere.globals {
        globals.set_bytes(name, bytes.clone());
    }
    globals.set("STAGES", Stage::Firewall.bit());
    let program = data_path::load_program(globals, false, &maps).unwrap_or_else(|error| panic!("{error:?}"));
    eprintln!("reject: {:?} instructions", program.verified_instructions());
    program
}

fn datagram() -> Vec<u8> {
    let ip = frames::Ipv4 {
        source: [192, 0, 2, 1].into(),
        destination: [198, 51, 100, 7].into(),
        protocol: frames::UDP,
        ttl: 64,
        fragment: 0,
        options: Vec::new(),
    };
    frames::ethernet(&[], frames::IPV4, &frames::ipv4(&ip, &frames::udp(5, 6, &[7; 100])))
}

#[test]
fn the_kernel_sends_what_the_host_makes() {
    let program = program();
    let answers = std::cell::Cell::new(0);
    let cases = testkit::guest::cases(3000);
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 0, ..Config::default() };
    TestRunner::new(config)
        .run(&testkit::random::kernel_frame(), |frame| {
            let run = program.test_run(&frame, 1).expect("test run");
            if run.action == Action::Tx as u32 {
                answers.set(answers.get() + 1);
                prop_assert_eq!(Some(run.frame), answered(&frame));
                // Not more than the rate allows.
                thread::sleep(Duration::from_millis(1));
            } else if run.action == Action::Drop as u32 && answered(&frame).is_some() {
                // Essential packets pass and malformed ones fall; what is left is the rate's, and it is not exceeded here.
                let frame = Some(wire_is_cut_off(&frame));
                prop_assert_eq!(frame, Some(true), "no answer");
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(answers.get() * 30 > cases, "{} answers: the frames are too strange", answers.get());
}

/// What the rules' parser drops before any rule: a transport header that is not whole.
fn wire_is_cut_off(bytes: &[u8]) -> bool {
    let mut bytes = bytes.to_vec();
    let frame = wire::Frame::new(&mut bytes);
    wire::parse::parse(&frame, frame.len())
        .is_ok_and(|headers| wire::transport::transport(&frame, &headers).is_err())
}

#[test]
fn a_flood_gets_few_answers() {
    let (program, frame) = (program(), datagram());
    let begun = std::time::Instant::now();
    let answers = (0..5000)
        .filter(|_| program.test_run(&frame, 1).expect("test run").action == Action::Tx as u32)
        .count();
    // A processor answers a hundred at once and then one a millisecond; this may have run on all of them.
    let most = (100 + begun.elapsed().as_millis() as usize + 10) * engine::possible_cpus();
    assert!((100..=most).contains(&answers), "{answers} of 5000, at most {most}");
    assert!(answers < 5000, "in {:?}", begun.elapsed());
}
