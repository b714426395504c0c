//! The firewall in the kernel against its model: the same frames through `BPF_PROG_TEST_RUN`, with lists as they were
//! loaded and with prefixes that come and go while the program is loaded. Verdict, reason, bytes and hits must agree, of lists
//! and blocks, whatever is switched on.

mod kernel;

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicBool, Ordering},
};

use abi::{Action, Reason, Step};
use firewall::{
    model::{self, Orders, Rule},
    shared::Value,
};
use proptest::{collection::vec, prelude::*, sample::Index};
use testkit::{
    prefixes::{self, Aimed, Lists, Prefix, Switches, datagram},
    random::kernel_frame,
};

use crate::kernel::filtering::Filtering;

/// Hits by slot of one family of tables.
#[derive(Debug, Default, PartialEq, Eq)]
struct Hits {
    slots: BTreeMap<String, u32>,
    hits: BTreeMap<u32, (u64, u64)>,
}

impl Hits {
    /// Slots count from 0, through one list after the other.
    fn new(prefixes: impl IntoIterator<Item = String>) -> Self {
        Self { slots: prefixes.into_iter().zip(0..).collect(), ..Self::default() }
    }

    fn add(&mut self, rule: Option<&Rule>, frame: &[u8]) {
        if let Some(rule) = rule {
            let hit = self.hits.entry(self.slots[&rule.text]).or_default();
            *hit = (hit.0 + 1, hit.1 + frame.len() as u64);
        }
    }
}

/// What the model says, with slots for prefixes.
struct Expected {
    lists: Hits,
    blocks: Hits,
    seen: BTreeSet<Reason>,
}

impl Expected {
    fn new(lists: &Lists) -> Self {
        Self {
            lists: Hits::new([&lists.drop[..], &lists.allow].concat()),
            blocks: Hits::new(lists.block.clone()),
            seen: BTreeSet::new(),
        }
    }

    fn judge(&mut self, frame: &[u8], orders: &Orders) -> (Action, Reason, Vec<u8>) {
        let judgement = model::judge(frame, orders);
        self.lists.add(judgement.hit, frame);
        self.blocks.add(judgement.block, frame);
        let (action, reason) = match judgement.step {
            Step::Next => (Action::Pass, Reason::Unclaimed),
            Step::Done(action, reason) => (action, reason),
        };
        self.seen.insert(reason);
        (action, reason, frame.to_vec())
    }
}

/// What the model is told, of the lists and blocks that are switched on.
fn orders(rules: &[(Prefix, bool)], blocks: &[Prefix], switches: Switches) -> Orders {
    let Lists { drop, allow, block, .. } = Lists::new(rules).with(blocks, switches);
    Orders {
        rules: if switches.lists { model::rules(&drop, &allow) } else { Vec::new() },
        blocks: if switches.blocks { model::blocks(&block) } else { Vec::new() },
        drops_by_default: switches.default_drop,
    }
}

/// Prefixes that frames are aimed at.
fn targets(rules: &[(Prefix, bool)], blocks: &[Prefix]) -> Vec<(Prefix, bool)> {
    rules.iter().copied().chain(blocks.iter().map(|block| (*block, false))).collect()
}

#[test]
fn lists_as_loaded_agree() {
    let seen = RefCell::new(BTreeSet::new());
    for switches in Switches::all() {
        let traffic =
            (prefixes::rules(0..60), prefixes::blocks(0..8), vec(prefixes::aimed(kernel_frame()), 100..200));
        let result = kernel::runner(3).run(&traffic, |(rules, blocks, frames)| {
            let lists = Lists::new(&rules).with(&blocks, switches);
            let orders = orders(&rules, &blocks, switches);
            // Where the source is looked up on its way, and where a function of its own does it, as older kernels want.
            for apart in [0, 1] {
                let filtering = Filtering::new(&lists, 0).with_source_apart(apart);
                let mut expected = Expected::new(&lists);
                let targets = targets(&rules, &blocks);
                for frame in frames.iter().map(|frame| frame.frame(&targets)) {
                    prop_assert_eq!(filtering.judge(&frame), expected.judge(&frame, &orders));
                }
                prop_assert_eq!(filtering.hits(), expected.lists.hits);
                prop_assert_eq!(filtering.block_hits(), expected.blocks.hits);
                seen.borrow_mut().extend(expected.seen);
            }
            Ok(())
        });
        if let Err(error) = result {
            panic!("{switches:?}: {error}");
        }
    }
    let all = [
        Reason::Unclaimed,
        Reason::Malformed,
        Reason::FirewallDrop,
        Reason::FirewallDefault,
        Reason::Blocked,
    ];
    assert_eq!(seen.into_inner(), BTreeSet::from(all));
}

#[derive(Debug, Clone)]
enum Event {
    /// A prefix that is there already gets a new verdict.
    Add(Prefix, bool),
    Remove(Index),
    Block(Prefix),
    Unblock(Index),
    Frame(Aimed),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (prefixes::prefix(), any::<bool>()).prop_map(|(prefix, allow)| Event::Add(prefix, allow)),
        2 => any::<Index>().prop_map(Event::Remove),
        2 => prefixes::prefix().prop_map(Event::Block),
        2 => any::<Index>().prop_map(Event::Unblock),
        10 => prefixes::aimed(kernel_frame()).prop_map(Event::Frame),
    ]
}

#[test]
fn prefixes_that_come_and_go_agree() {
    let story = (prefixes::rules(0..20), prefixes::blocks(0..4), any::<bool>(), vec(event(), 200..300));
    let result = kernel::runner(12).run(&story, |(mut rules, mut blocks, default_drop, events)| {
        let switches = Switches { default_drop, ..Switches::default() };
        let lists = Lists::new(&rules).with(&blocks, switches);
        let mut filtering = Filtering::new(&lists, 400);
        let mut next_slot = (rules.len().max(blocks.len())) as u32;
        let mut expected = Expected::new(&lists);
        for event in events {
            match event {
                Event::Add(prefix, allow) => {
                    let text = prefixes::text(prefix);
                    let value = if allow { Value::allow(next_slot) } else { Value::drop(next_slot) };
                    let before = filtering.insert(&text, value).map(|value| Value(value).slot());
                    prop_assert_eq!(before, expected.lists.slots.insert(text, next_slot));
                    rules.retain(|(known, _)| *known != prefix);
                    rules.push((prefix, allow));
                    next_slot += 1;
                }
                Event::Remove(_) if rules.is_empty() => {}
                Event::Remove(at) => {
                    let (prefix, _) = rules.swap_remove(at.index(rules.len()));
                    let text = prefixes::text(prefix);
                    let before = filtering.remove(&text).map(|value| Value(value).slot());
                    prop_assert_eq!(before, expected.lists.slots.remove(&text));
                }
                Event::Block(prefix) => {
                    let text = prefixes::text(prefix);
                    let before = filtering.block(&text, next_slot).map(|value| Value(value).slot());
                    prop_assert_eq!(before, expected.blocks.slots.insert(text, next_slot));
                    blocks.retain(|known| *known != prefix);
                    blocks.push(prefix);
                    next_slot += 1;
                }
                Event::Unblock(_) if blocks.is_empty() => {}
                Event::Unblock(at) => {
                    let text = prefixes::text(blocks.swap_remove(at.index(blocks.len())));
                    let before = filtering.unblock(&text).map(|value| Value(value).slot());
                    prop_assert_eq!(before, expected.blocks.slots.remove(&text));
                }
                Event::Frame(frame) => {
                    let frame = frame.frame(&targets(&rules, &blocks));
                    let orders = orders(&rules, &blocks, switches);
                    prop_assert_eq!(filtering.judge(&frame), expected.judge(&frame, &orders));
                }
            }
        }
        prop_assert_eq!(filtering.hits(), expected.lists.hits);
        prop_assert_eq!(filtering.block_hits(), expected.blocks.hits);
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
        let mut filtering = Filtering::new(&Lists { drop: vec![covered.into()], ..Lists::default() }, 400);
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
