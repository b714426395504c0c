//! The firewall in the kernel against its model: the same frames through `BPF_PROG_TEST_RUN`, with lists as they were
//! loaded and with prefixes that come and go while the program is loaded. Verdict, reason, bytes and hits must agree.

mod kernel;

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
};

use abi::{Action, Reason, Step};
use firewall::{
    model::{self, Rule},
    shared::Value,
};
use proptest::{collection::vec, prelude::*, sample::Index};
use testkit::{
    prefixes::{self, Aimed, Lists, Prefix, datagram},
    random::kernel_frame,
};

use crate::kernel::filtering::Filtering;

/// What the model says, with slots for prefixes.
#[derive(Default)]
struct Expected {
    slots: BTreeMap<String, u32>,
    hits: BTreeMap<u32, (u64, u64)>,
}

impl Expected {
    fn judge(&mut self, frame: &[u8], rules: &[Rule]) -> (Action, Reason, Vec<u8>) {
        let (step, hit) = model::judge(frame, rules);
        if let Some(rule) = hit {
            let hit = self.hits.entry(self.slots[&rule.text]).or_default();
            *hit = (hit.0 + 1, hit.1 + frame.len() as u64);
        }
        match step {
            Step::Next => (Action::Pass, Reason::Unclaimed, frame.to_vec()),
            Step::Done(action, reason) => (action, reason, frame.to_vec()),
        }
    }
}

fn modelled(rules: &[(Prefix, bool)]) -> Vec<Rule> {
    let lists = Lists::new(rules);
    model::rules(&lists.drop, &lists.allow)
}

#[test]
fn lists_as_loaded_agree() {
    let traffic = (prefixes::rules(0..60), vec(prefixes::aimed(kernel_frame()), 100..200));
    let result = kernel::runner(15).run(&traffic, |(rules, frames)| {
        let lists = Lists::new(&rules);
        let modelled = modelled(&rules);
        let filtering = Filtering::new(&lists, 0);
        let slots = lists.drop.into_iter().chain(lists.allow).zip(0..).collect();
        let mut expected = Expected { slots, ..Expected::default() };
        for frame in frames.iter().map(|frame| frame.frame(&rules)) {
            prop_assert_eq!(filtering.judge(&frame), expected.judge(&frame, &modelled));
        }
        prop_assert_eq!(filtering.hits(), expected.hits);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

#[derive(Debug, Clone)]
enum Event {
    /// A prefix that is there already gets a new verdict.
    Add(Prefix, bool),
    Remove(Index),
    Frame(Aimed),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        2 => (prefixes::prefix(), any::<bool>()).prop_map(|(prefix, allow)| Event::Add(prefix, allow)),
        1 => any::<Index>().prop_map(Event::Remove),
        4 => prefixes::aimed(kernel_frame()).prop_map(Event::Frame),
    ]
}

#[test]
fn prefixes_that_come_and_go_agree() {
    let story = (prefixes::rules(0..20), vec(event(), 200..300));
    let result = kernel::runner(12).run(&story, |(mut rules, events)| {
        let lists = Lists::new(&rules);
        let mut filtering = Filtering::new(&lists, 400);
        let mut next_slot = rules.len() as u32;
        let slots = lists.drop.into_iter().chain(lists.allow).zip(0..).collect();
        let mut expected = Expected { slots, ..Expected::default() };
        for event in events {
            match event {
                Event::Add(prefix, allow) => {
                    let text = prefixes::text(prefix);
                    let value = if allow { Value::allow(next_slot) } else { Value::drop(next_slot) };
                    let before = filtering.insert(&text, value).map(|value| Value(value).slot());
                    prop_assert_eq!(before, expected.slots.insert(text, next_slot));
                    rules.retain(|(known, _)| *known != prefix);
                    rules.push((prefix, allow));
                    next_slot += 1;
                }
                Event::Remove(_) if rules.is_empty() => {}
                Event::Remove(at) => {
                    let (prefix, _) = rules.swap_remove(at.index(rules.len()));
                    let text = prefixes::text(prefix);
                    let before = filtering.remove(&text).map(|value| Value(value).slot());
                    prop_assert_eq!(before, expected.slots.remove(&text));
                }
                Event::Frame(frame) => {
                    let frame = frame.frame(&rules);
                    prop_assert_eq!(filtering.judge(&frame), expected.judge(&frame, &modelled(&rules)));
                }
            }
        }
        prop_assert_eq!(filtering.hits(), expected.hits);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// Packets of one source, judged while prefixes beside, around and inside change, all hit the prefix that covers it.
#[test]
fn changes_beside_a_prefix_are_not_seen_by_its_packets() {
    const FRAMES: u32 = 20_000;
    for (covered, source, others) in [
        ("192.0.2.0/24", "192.0.2.9", ["192.0.1.0/24", "192.0.0.0/20", "192.0.2.77/32"]),
        ("2001:db8::/48", "2001:db8::9", ["2001:db8:1::/48", "2001:db8::/40", "2001:db8:0:ffff::/64"]),
    ] {
        let mut filtering = Filtering::new(&Lists { drop: vec![covered.into()], allow: Vec::new() }, 400);
        let frame = datagram(source.parse().expect("an address"), 0, false);
        let pipeline = filtering.builder.load().expect("the firewall loads");
        let done = AtomicBool::new(false);
        let packets = std::thread::scope(|scope| {
            let runs = scope.spawn(|| {
                let mut packets = 0;
                while !done.load(Ordering::Acquire) {
                    pipeline.program().test_run(&frame, FRAMES).expect("test run");
                    packets += u64::from(FRAMES);
                }
                packets
            });
            // A panic here must still end the runs, or the scope would wait for ever.
            let changes = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                for _ in 0..300 {
                    for (prefix, slot) in others.iter().zip(1..) {
                        assert_eq!(filtering.insert(prefix, Value::allow(slot)), None);
                    }
                    for prefix in others {
                        assert!(filtering.remove(prefix).is_some());
                    }
                }
            }));
            done.store(true, Ordering::Release);
            let packets: u64 = runs.join().expect("the runs end");
            changes.map(|()| packets).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        assert!(packets > 0);
        assert_eq!(filtering.hits(), BTreeMap::from([(0, (packets, packets * frame.len() as u64))]));
        assert_eq!(filtering.judge(&frame).1, Reason::FirewallDrop);
    }
}
