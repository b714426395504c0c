//! `kill -9` after every operation: the old state or the new, never a window without the program, no pins of nobody.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use agent::gateway::{look_at_edits, look_at_set};
use lab::{raw_send, udp_sink};

use crate::{
    atomic::{SOURCES, rules},
    fixture::Gateway,
    probe::{Probe, udp},
    support::{Background, Ended, Tool, programs, wait_until},
};

const KILL_AFTER: &str = "SENKO_TEST_KILL_AFTER";
/// A change takes fewer operations than that.
const MANY: u32 = 200;
/// Dropped by every configuration here.
const ALWAYS: &str = "198.51.100.1";

/// A command that kills itself before its operation number `n`.
fn killed(gateway: &Gateway, args: &[&str], n: u32) -> Ended {
    let ended = Tool::spawn(gateway.command(args).env(KILL_AFTER, n.to_string())).end();
    assert!(matches!(ended.code, None | Some(0)), "{args:?} {n}: {ended:?}");
    ended
}

fn names(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).expect("it is there");
    entries.map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned()).collect()
}

/// Nothing is pinned or recorded that the live generation, or a way back, does not need.
#[track_caller]
fn assert_tidy(gateway: &Gateway) {
    let record = gateway.record();
    let live = format!("generation-{}", record.generation);
    let pins = ["current", "layout", "links", &live].map(String::from);
    assert_eq!(names(&gateway.place.pins), BTreeSet::from(pins));
    assert_eq!(names(&gateway.place.pins.join("links")).len(), 1);
    let mut files = names(&gateway.place.run);
    files.retain(|name| name.starts_with("generation-") || name.ends_with(".new"));
    let numbers = [Some(record.generation), record.former].into_iter().flatten();
    let wanted: BTreeSet<String> = numbers.map(|number| format!("generation-{number}.json")).collect();
    assert_eq!(files, wanted);
}

#[test]
fn an_apply_that_is_killed_anywhere_leaves_the_old_or_the_new() {
    let gateway = Gateway::new("killed");
    let probe = Probe::of(&gateway);
    let [rule, set, _] = SOURCES;
    let expected = |flipped: bool| vec![if flipped { rule } else { set }];
    gateway.apply("native", &rules(false));

    let mut sink = udp_sink(gateway.host(), 0).expect("a port is free");
    let bad = udp(ALWAYS, gateway.peer(), gateway.host(), sink.port(), b"bad");
    let (sender, sent) = (gateway.peer().clone(), Arc::new(AtomicU64::new(0)));
    let steady = Background::repeat({
        let sent = Arc::clone(&sent);
        move || {
            raw_send(&sender, "to-h2", &[&bad; 20]).expect("it is sent");
            sent.fetch_add(20, Ordering::Relaxed);
            // A pace that leaves time to those who work.
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    });
    wait_until("packets flow", || sent.load(Ordering::Relaxed) > 0);

    let (mut live, mut was_new) = (false, false);
    let mut operations = 0;
    loop {
        let wanted = !live;
        gateway.write("native", &rules(wanted));
        let ended = killed(&gateway, &["apply"], operations);
        assert_eq!(programs(gateway.host(), "to-h1").len(), 1, "{operations}: the program is there");
        let passing = probe.passing(&[rule, set]);
        let is_new = passing == expected(wanted);
        assert!(
            is_new || passing == expected(live),
            "{operations}: neither the old nor the new: {passing:?}"
        );
        assert!(is_new || !was_new, "{operations}: later is not earlier");
        was_new = is_new;
        if ended.code == Some(0) {
            assert!(is_new, "{operations}");
            break;
        }
        let plain = gateway.senko(&["apply"]).ok();
        assert_eq!(probe.passing(&[rule, set]), expected(wanted), "{operations}: {plain:?}");
        gateway.ids();
        assert_tidy(&gateway);
        live = wanted;
        operations += 1;
        assert!(operations < MANY, "it does not end");
    }
    assert!(operations > 20, "only {operations} operations");
    drop(steady);
    let sent = sent.load(Ordering::Relaxed);
    println!("{operations} operations, {sent} packets to be dropped");
    assert_eq!(sink.count(), 0, "of {sent} packets that every generation drops none got past");
}

/// From nothing to a first generation, and from there to nothing.
#[test]
fn a_first_apply_and_an_end_that_are_killed_can_be_repeated() {
    let gateway = Gateway::new("first");
    let probe = Probe::of(&gateway);
    let [rule, set, _] = SOURCES;
    gateway.write("native", &rules(false));
    let mut ends = [None, None];
    for n in 0..MANY {
        if ends[0].is_none() {
            let ended = killed(&gateway, &["apply"], n);
            ends[0] = ended.code.map(|_| n);
            let passing = probe.passing(&[rule, set]);
            assert!(passing == [rule, set] || passing == [set], "{n}: {passing:?}");
        }
        gateway.senko(&["apply"]).ok();
        assert_eq!(probe.passing(&[rule, set]), [set], "{n}");
        assert_tidy(&gateway);
        if ends[1].is_none() {
            let ended = killed(&gateway, &["stop", "--detach"], n);
            ends[1] = ended.code.map(|_| n);
        }
        if gateway.place.pins.exists() {
            gateway.senko(&["stop", "--detach"]).ok();
        }
        assert_eq!(probe.passing(&[rule, set]), [rule, set], "{n}");
        gateway.assert_gone();
        if ends.iter().all(Option::is_some) {
            println!("operations of a first apply and of an end: {ends:?}");
            return;
        }
    }
    panic!("it does not end");
}

/// What set or blocks have, as text.
fn present(gateway: &Gateway, what: &str) -> String {
    if what == "set" {
        let set = look_at_set(&gateway.place, "b").expect("it is there");
        return set.iter().map(|prefix| format!("{prefix}\n")).collect();
    }
    let edits = look_at_edits(&gateway.place).expect("it can be read");
    edits.rows().into_iter().map(|row| row.prefix + "\n").collect()
}

/// A block and an element of a set: the table answers as the list says, whatever happened between.
#[test]
fn live_edits_that_are_killed_anywhere_are_made_or_not() {
    let gateway = Gateway::new("edit");
    let probe = Probe::of(&gateway);
    let [rule, ..] = SOURCES;
    gateway.apply("native", &rules(false));
    for (does, undoes) in [
        (&["set", "add", "b", "192.0.2.0/30", "192.0.2.1"][..], &["set", "remove", "b"][..]),
        (&["block", "192.0.2.1"], &["unblock"]),
    ] {
        // A first block takes a new generation, whose operations are killed elsewhere one by one.
        let numbers = (0..10).chain((10..MANY).step_by(3));
        for n in numbers {
            let ended = killed(&gateway, does, n);
            // The next writer, whoever it is, completes what was begun.
            gateway.senko(&["apply"]).ok();
            let listed = present(&gateway, does[0]);
            let prefixes: Vec<&str> =
                ["192.0.2.0/30", "192.0.2.1"].into_iter().filter(|prefix| listed.contains(prefix)).collect();
            let passing = probe.passing(&[rule, "192.0.2.1", "192.0.2.5"]);
            assert_eq!(passing.contains(&"192.0.2.1"), prefixes.is_empty(), "{n}: {passing:?} with {listed}");
            assert!(passing.contains(&"192.0.2.5") && !passing.contains(&rule), "{n}: {passing:?}");
            assert_tidy(&gateway);
            if !prefixes.is_empty() {
                // Killed as well: what was begun is completed.
                killed(&gateway, &[undoes, &prefixes].concat(), n);
                gateway.senko(&["apply"]).ok();
                let listed = present(&gateway, does[0]);
                let left: Vec<&&str> = prefixes.iter().filter(|prefix| listed.contains(**prefix)).collect();
                let passing = probe.passing(&["192.0.2.1"]);
                assert_eq!(passing.is_empty(), !left.is_empty(), "{n}: {passing:?} with {listed}");
                if !left.is_empty() {
                    gateway.senko(&[undoes, &prefixes].concat()).ok();
                }
                assert_eq!(probe.passing(&["192.0.2.1"]), ["192.0.2.1"], "{n}");
            }
            if ended.code == Some(0) {
                assert!(n > 2, "{does:?}: only {n} operations");
                break;
            }
            assert!(n + 1 < MANY, "it does not end");
        }
    }
}
