//! Sampled drops in the kernel: what a record says, how many there are of a flood, and that no drop is forgotten.

mod kernel;

use std::{cell::RefCell, collections::BTreeSet, time::Instant};

use abi::{Action, Event, Reason, Stage, event::SNAPLEN, interface};
use engine::{Pipeline, PipelineBuilder, Records as _, RingReader};
use events::{
    model,
    rows::event,
    shared::{Clock, INTERVAL},
};
use proptest::prelude::*;
use testkit::{frames, prefixes::datagram, random::kernel_frame};

const FRESH: Clock = Clock { jiffies: 0, time: 0, drops: 0 };

struct Sampled {
    pipeline: Pipeline,
    reader: RingReader,
    slot: u32,
}

impl Sampled {
    /// Drops all IP, as the interface with this slot.
    fn dropping(stages: &[Stage], slot: u32) -> Self {
        let pipeline = PipelineBuilder::new(stages)
            .interface(slot)
            .global("FIREWALL_DEFAULT_DROP", 1_u8)
            .map_entries("EVENT_CLOCK", interface::MAX)
            .load()
            .expect("the program loads");
        let reader = RingReader::new(pipeline.map("EVENTS").expect("a map").clone()).expect("a ring");
        Self { pipeline, reader, slot }
    }

    fn events(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        self.reader.drain(&mut |record| events.push(event(record).expect("a whole record")));
        events
    }

    /// As if nothing had been dropped for long.
    fn rest(&self) {
        self.pipeline.map("EVENT_CLOCK").expect("a map").set_per_cpu(&self.slot, &FRESH).expect("room");
    }

    /// Drops that no record stands for yet.
    fn pending(&self) -> u64 {
        let clocks = self.pipeline.map("EVENT_CLOCK").expect("a map").get_per_cpu::<_, Clock>(&self.slot);
        clocks.expect("a slot").iter().map(|clock| clock.drops).sum()
    }
}

#[test]
fn a_record_says_what_was_dropped() {
    let all = [Stage::Counter, Stage::Capture, Stage::Firewall, Stage::Redirect, Stage::Events];
    for stages in [&[Stage::Firewall, Stage::Events][..], &all] {
        let sampled = RefCell::new(Sampled::dropping(stages, 3));
        let seen = RefCell::new(BTreeSet::new());
        let result = kernel::runner(1500).run(&kernel_frame(), |frame| {
            let mut sampled = sampled.borrow_mut();
            sampled.rest();
            let (action, after) = kernel::run(&sampled.pipeline, &frame);
            prop_assert_eq!(&after, &frame);
            let events = sampled.events();
            if action != Action::Drop {
                prop_assert_eq!(events, []);
                return Ok(());
            }
            prop_assert_eq!(events.len(), 1);
            let said = model::describe(&frame);
            seen.borrow_mut().insert((said.ip_version, said.protocol));
            let beginning = &frame[..frame.len().min(SNAPLEN)];
            prop_assert_eq!(events[0].bytes(), beginning);
            let expected = Event {
                drops: 1,
                ifindex: 1,
                interface: 3,
                length: frame.len() as u32,
                captured: beginning.len() as u16,
                reason: Reason::FirewallDefault as u8,
                action: Action::Drop as u8,
                ..events[0]
            };
            prop_assert_eq!(events[0], expected);
            prop_assert!(events[0].time > 0);
            Ok(())
        });
        if let Err(error) = result {
            panic!("{stages:?}: {error}");
        }
        let all = [(4, 1), (4, 6), (4, 17), (6, 6), (6, 17), (6, 58), (0, 0)];
        let seen = seen.into_inner();
        assert!(all.iter().all(|kind| seen.contains(kind)), "only {seen:?}");
    }
}

#[test]
fn a_flood_is_sampled_and_no_drop_is_forgotten() {
    const ROUNDS: u32 = 20;
    const DROPS: u32 = 200_000;
    let mut sampled = Sampled::dropping(&[Stage::Firewall, Stage::Events], 0);
    let frame = datagram("192.0.2.1".parse().expect("an address"), 0, false);
    let begun = Instant::now();
    for _ in 0..ROUNDS {
        let run = sampled.pipeline.program().test_run(&frame, DROPS).expect("test run");
        assert_eq!(run.action, Action::Drop as u32);
    }
    let elapsed = begun.elapsed().as_nanos() as u64;
    let events = sampled.events();
    let most = (elapsed / INTERVAL + 1) * engine::possible_cpus() as u64;
    assert!((2..=most).contains(&(events.len() as u64)), "{} events in {elapsed} ns", events.len());
    let told: u64 = events.iter().map(|event| event.drops).sum();
    assert_eq!(told + sampled.pending(), u64::from(ROUNDS * DROPS));
}

/// Drops that found the ring full are told of by the next record.
#[test]
fn a_full_ring_loses_no_count() {
    let mut sampled = Sampled::dropping(&[Stage::Firewall, Stage::Events], 0);
    let frame = datagram("2001:db8::1".parse().expect("an address"), 0, false);
    let ring = sampled.pipeline.map("EVENTS").expect("a map").spec().max_entries;
    let fits = ring / (8 + size_of::<Event>() as u32);
    let mut lost = 0;
    for _ in 0..fits + 9 {
        sampled.rest();
        kernel::run(&sampled.pipeline, &frame);
        lost += sampled.pending();
    }
    let told = sampled.events();
    assert!(told.len() as u32 <= fits && told.iter().all(|event| event.drops == 1));
    assert_eq!(told.len() as u64 + lost, u64::from(fits + 9));
    // Room again: the last of them and one more, a jiffy later.
    let pending = sampled.pending();
    assert_eq!(pending, 1);
    std::thread::sleep(std::time::Duration::from_millis(12));
    kernel::run(&sampled.pipeline, &frame);
    let told = sampled.events();
    assert_eq!(told.iter().map(|event| event.drops).sum::<u64>() + sampled.pending(), 2);
}

#[test]
fn what_passes_is_not_told_of() {
    let mut sampled = Sampled::dropping(&[Stage::Firewall, Stage::Events], 0);
    let arp = frames::ethernet(&[], frames::ARP, &[0; 46]);
    assert_eq!(kernel::run(&sampled.pipeline, &arp), (Action::Pass, arp));
    assert_eq!((sampled.events(), sampled.pending()), (Vec::new(), 0));
    // Without its stage the ring is as small as can be, and stays empty.
    let pipeline = PipelineBuilder::new(&[Stage::Firewall]).global("FIREWALL_DEFAULT_DROP", 1_u8).load();
    let pipeline = pipeline.expect("the program loads");
    let ring = pipeline.map("EVENTS").expect("a map").clone();
    assert_eq!(ring.spec().max_entries, 4096);
    let frame = datagram("192.0.2.1".parse().expect("an address"), 0, false);
    assert_eq!(kernel::run(&pipeline, &frame).0, Action::Drop);
    assert_eq!(RingReader::new(ring).expect("a ring").drain(&mut |_| {}), 0);
}
