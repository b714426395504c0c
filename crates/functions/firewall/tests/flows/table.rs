//! The table against a map that forgets by the same times, and what it does when there is no room.

use std::collections::{BTreeMap, BTreeSet};

use firewall::{
    flow::{Flow, Sent},
    flow_table::{self, SEEDS, SLOTS, Words, buckets, count, hash, is_alive, remember, time},
};
use proptest::{prelude::*, sample::select};

/// SplitMix64 (Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
}

fn seeds() -> [u64; SEEDS] {
    let mut random = Random(1);
    std::array::from_fn(|_| random.next())
}

struct Table {
    buckets: Vec<Words>,
    seeds: [u64; SEEDS],
}

impl Table {
    fn new(buckets: u32) -> Self {
        Self { buckets: vec![[0; SLOTS]; buckets as usize], seeds: seeds() }
    }

    fn place(&self, flow: &Flow) -> (u64, usize) {
        let hash = hash(flow, &self.seeds);
        (hash, hash as usize & (self.buckets.len() - 1))
    }

    fn send(&mut self, flow: &Flow, sent: Sent, seconds: u64) {
        let (hash, at) = self.place(flow);
        remember(&mut self.buckets[at], hash, sent, time(seconds * 1_000_000_000));
    }

    fn knows(&self, flow: &Flow, seconds: u64) -> bool {
        let (hash, at) = self.place(flow);
        is_alive(&self.buckets[at], hash, time(seconds * 1_000_000_000))
    }

    fn count(&self, seconds: u64) -> u64 {
        count(&self.buckets, time(seconds * 1_000_000_000))
    }
}

fn v4(source: u32, ports: u32) -> Flow {
    Flow { source: [source, 0, 0, 0], destination: [0xc633_6407, 0, 0, 0], ports, protocol: 4 << 8 | 17 }
}

fn v6(number: u64) -> Flow {
    let half = [(number >> 32) as u32, number as u32];
    Flow {
        source: [0x2001_0db8, 0, half[0], half[1]],
        destination: [0x2001_0db8, 5, 0, 7],
        ports: 443,
        protocol: 6 << 8 | 6,
    }
}

/// Between this long after the last packet and a unit later it ends.
const UNIT: u64 = 9;

#[test]
fn each_state_lasts_as_the_rfcs_say() {
    let ways: [(&[Sent], u64); 10] = [
        (&[Sent::Open], 240),
        (&[Sent::Open, Sent::Data], 7440),
        (&[Sent::Data], 7440),
        (&[Sent::Data, Sent::End], 240),
        (&[Sent::Data, Sent::End, Sent::Data], 240),
        (&[Sent::Data, Sent::Reset], 240),
        (&[Sent::Data, Sent::End, Sent::Open, Sent::Data], 7440),
        (&[Sent::Datagram], 300),
        (&[Sent::Query], 60),
        (&[Sent::Reset], 0),
    ];
    for (way, lasts) in ways {
        // Also where the table's time begins anew in between.
        for begun in [1000, (1 << 33) * (1 << 18) / 1_000_000_000 - 30] {
            let (mut table, flow) = (Table::new(4), v4(1, 2));
            for sent in way {
                table.send(&flow, *sent, begun);
            }
            assert_eq!(table.knows(&flow, begun + lasts.saturating_sub(1)), lasts > 0, "{way:?}");
            assert!(!table.knows(&flow, begun + lasts + 2 * UNIT), "{way:?}");
            assert_eq!(table.count(begun), u64::from(lasts > 0), "{way:?}");
            // What is sent again begins again; an end is none of what is forgotten.
            table.send(&flow, Sent::Reset, begun + lasts + 2 * UNIT);
            assert!(!table.knows(&flow, begun + lasts + 2 * UNIT), "{way:?}");
            table.send(&flow, way[0], begun + lasts + 2 * UNIT);
            assert_eq!(table.knows(&flow, begun + lasts + 2 * UNIT), way[0] != Sent::Reset, "{way:?}");
        }
    }
}

#[test]
fn a_clock_that_is_ahead_makes_nothing_old() {
    let (mut table, flow) = (Table::new(4), v4(1, 2));
    table.send(&flow, Sent::Query, 1000 * UNIT);
    assert!(table.knows(&flow, 1000 * UNIT - UNIT + 1));
}

/// So many as the table is made for: none is lost, and nobody else passes for one of them.
#[test]
fn there_is_room_for_as_many_as_it_is_made_for() {
    const FLOWS: u32 = 1 << 17;
    let mut table = Table::new(buckets(FLOWS));
    assert_eq!(table.buckets.len() * SLOTS, 4 * FLOWS as usize);
    let mut random = Random(7);
    let flows: Vec<Flow> = (0..FLOWS)
        .map(|n| if n % 4 == 0 { v6(random.next()) } else { v4(random.next() as u32, random.next() as u32) })
        .collect();
    flows.iter().for_each(|flow| table.send(flow, Sent::Data, 50));
    // A second packet of each takes no second place.
    flows.iter().for_each(|flow| table.send(flow, Sent::Data, 100));
    assert_eq!(flows.iter().filter(|flow| !table.knows(flow, 100)).count(), 0);
    assert_eq!(table.count(100), u64::from(FLOWS));
    let strangers = (0..1_000_000).filter(|n| table.knows(&v4(*n, u32::MAX), 100)).count();
    assert_eq!(strangers, 0);
}

/// Neighbouring addresses and ports, as networks have them, spread like random ones.
#[test]
fn what_is_alike_does_not_crowd() {
    let mut table = Table::new(buckets(1 << 16));
    for host in 0..256 {
        for port in 0..256 {
            table.send(&v4(0x0a00_0000 | host, (40_000 + port) << 16 | 443), Sent::Datagram, 100);
        }
    }
    assert_eq!(table.count(100), 1 << 16);
}

#[test]
fn what_has_least_time_left_makes_way() {
    // One bucket: sixteen places.
    let mut table = Table::new(1);
    let (kept, begun): (Vec<Flow>, u64) = ((0..10).map(|n| v4(n, 1)).collect(), 1000);
    kept.iter().for_each(|flow| table.send(flow, Sent::Data, begun));
    // A flood of connections that nobody completes.
    for n in 0..1000 {
        table.send(&v4(n, 2), Sent::Open, begun + 1);
        assert!(table.knows(&v4(n, 2), begun + 1), "the newest is known");
    }
    assert!(kept.iter().all(|flow| table.knows(flow, begun + 1)), "established connections stay");
    // What is over makes way first.
    table.send(&v4(9999, 3), Sent::Data, begun + 400);
    assert_eq!(table.count(begun + 400), 11);
}

#[derive(Debug, Clone)]
struct Event {
    flow: u32,
    sent: Sent,
    after: u64,
}

fn event() -> impl Strategy<Value = Event> {
    let sent = select(vec![Sent::Open, Sent::Data, Sent::End, Sent::Reset, Sent::Datagram, Sent::Query]);
    let after = select(vec![0, 1, 20, 61, 250, 310, 7500, 20_000]);
    (0..12_u32, sent, after).prop_map(|(flow, sent, after)| Event { flow, sent, after })
}

proptest! {
    /// Less than a unit apart from the edge, either answer is right.
    #[test]
    fn it_is_a_map_with_times(events in prop::collection::vec(event(), 1..60)) {
        let mut table = Table::new(2);
        let (mut now, mut model) = (1000, BTreeMap::<u32, (Sent, u64)>::new());
        let mut unknown = BTreeSet::new();
        let lasts = |sent: Sent| match sent {
            Sent::Open | Sent::End => 240,
            Sent::Data => 7440,
            Sent::Datagram => 300,
            Sent::Query => 60,
            Sent::Reset => unreachable!("it is kept as an end"),
        };
        for Event { flow, sent, after } in events {
            now += after;
            table.send(&v4(flow, 1), sent, now);
            let known = model.get(&flow).map(|(sent, at)| (*sent, now - at));
            let former = known.filter(|(sent, age)| *age <= lasts(*sent)).map(|(sent, _)| sent);
            match (sent, former) {
                // Either answer would be right, and so would be what follows from it.
                _ if known.is_some_and(|(sent, age)| age > lasts(sent) && age <= lasts(sent) + 2 * UNIT) => {
                    model.remove(&flow);
                    unknown.insert(flow);
                }
                // They mean one thing or another by what was before.
                (Sent::Reset | Sent::Data, None) if unknown.contains(&flow) => {}
                (Sent::Reset, None) => {}
                (Sent::Reset, Some(_)) | (Sent::Data, Some(Sent::End)) => {
                    model.insert(flow, (Sent::End, now));
                }
                _ => {
                    unknown.remove(&flow);
                    model.insert(flow, (sent, now));
                }
            }
            for (flow, (sent, at)) in &model {
                let age = now - at;
                let known = table.knows(&v4(*flow, 1), now);
                if age <= lasts(*sent) {
                    prop_assert!(known, "{} of {:?} after {}", flow, sent, age);
                } else if age > lasts(*sent) + 2 * UNIT {
                    prop_assert!(!known, "{} of {:?} after {}", flow, sent, age);
                }
            }
        }
    }
}

#[test]
fn sizes_are_powers_of_two_and_have_an_end() {
    assert_eq!([1, 4, 5, 262_144, 1_000_000].map(buckets), [1, 1, 2, 65_536, 262_144]);
    assert_eq!(buckets(u32::MAX), flow_table::MOST_BUCKETS);
}
