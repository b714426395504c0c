//! A writer that is killed between any two stores of a change, and another that takes its table over.

use std::collections::{BTreeMap, BTreeSet};

use super::tests::Xorshift;
use super::*;
use crate::AdoptError;
use crate::entry::LINE;
use crate::model::Model;
use crate::walk::Reached;

type List<A> = Vec<(Prefix<A>, u32)>;
type InMemory<A> = Table<A, Vec<Node>, Vec<<A as crate::address::sealed::Address>::Line>>;

/// Every element is in use, free or retired, and nothing is two of that: else it would be lost, or given away under the
/// eyes of packets.
fn check_pools<A: Address>(table: &InMemory<A>, place: &str) {
    let Reached { nodes, lines } = table.arrays.reader::<A>().reached().expect("a table");
    for (first, reached, (next, free, retired)) in
        [(256, nodes, table.arrays.node_pool()), (0, lines, table.arrays.line_pool())]
    {
        let in_use: Vec<u32> =
            (first..).zip(&reached[first as usize..]).filter(|(_, r)| **r).map(|(at, _)| at).collect();
        let all: Vec<u32> = in_use.iter().chain(free).chain(retired).copied().collect();
        let each: BTreeSet<u32> = all.iter().copied().collect();
        assert_eq!(all.len(), each.len(), "{place}: {in_use:?}, free {free:?}, retired {retired:?}");
        assert_eq!(each, (first..next).collect(), "{place}: {in_use:?}, free {free:?}, retired {retired:?}");
    }
}

/// A prefix that is there, to be removed, or another with a value.
fn random_change<A: Address>(
    random: &mut Xorshift,
    list: &BTreeMap<Prefix<A>, u32>,
    prefix: &mut impl FnMut(&mut Xorshift) -> Prefix<A>,
) -> (Prefix<A>, Option<u32>) {
    if !list.is_empty() && random.next() % 5 < 2 {
        let at = random.next() as usize % list.len();
        (*list.keys().nth(at).expect("a prefix"), None)
    } else {
        (prefix(random), Some(1 + random.next() as u32 % 5))
    }
}

fn apply<A: Address>(list: &mut BTreeMap<Prefix<A>, u32>, (prefix, value): (Prefix<A>, Option<u32>)) {
    match value {
        Some(value) => list.insert(prefix, value),
        None => list.remove(&prefix),
    };
}

fn change<A: Address>(table: &mut InMemory<A>, (prefix, value): (Prefix<A>, Option<u32>)) {
    match value {
        Some(value) => table.insert(prefix, value),
        None => table.remove(prefix),
    }
    .expect("room");
}

fn sorted<A: Address>(list: &BTreeMap<Prefix<A>, u32>) -> List<A> {
    list.iter().map(|(prefix, value)| (*prefix, *value)).collect()
}

fn check_answers<A: Address>(
    table: &InMemory<A>,
    list: &[(Prefix<A>, u32)],
    more: &[Prefix<A>],
    place: &str,
) {
    assert!(table.answers(list), "{place}");
    let model = Model::new(list);
    for prefix in list.iter().map(|(prefix, _)| prefix).chain(more) {
        for addr in [prefix.addr(), prefix.last()] {
            assert_eq!(table.lookup(addr), model.lookup(addr), "{place}: {addr:x?}");
        }
    }
}

/// Takes the arrays over with the list as it was meant to be, `target` being the change that may be half done, and goes on.
fn take_over<A: Address>(
    random: &mut Xorshift,
    meant: &BTreeMap<Prefix<A>, u32>,
    (nodes, lines): (Vec<Node>, Vec<A::Line>),
    target: Prefix<A>,
    prefix: &mut impl FnMut(&mut Xorshift) -> Prefix<A>,
    place: &str,
) {
    let mut list = meant.clone();
    let before = (nodes.iter().map(|node| node.0).collect::<Vec<_>>(), nodes, lines);
    let mut table = Table::adopt(&sorted(&list), before.1, before.2).expect("a table");
    assert!(table.arrays.nodes().iter().map(|node| node.0).eq(before.0), "{place}: adopting writes nothing");
    table.refresh(target).expect("room");
    check_answers(&table, &sorted(&list), &[target], place);
    go_on(random, &mut table, &mut list, prefix, place);
    check_answers(&table, &sorted(&list), &[target], place);
}

fn go_on<A: Address>(
    random: &mut Xorshift,
    table: &mut InMemory<A>,
    list: &mut BTreeMap<Prefix<A>, u32>,
    prefix: &mut impl FnMut(&mut Xorshift) -> Prefix<A>,
    place: &str,
) {
    check_pools(table, place);
    for _ in 0..4 {
        let next = random_change(random, list, prefix);
        apply(list, next);
        change(table, next);
        check_pools(table, place);
        if random.next().is_multiple_of(3) {
            table.quiesce();
        }
    }
}

fn break_off_everywhere<A: Address>(rounds: usize, mut prefix: impl FnMut(&mut Xorshift) -> Prefix<A>) {
    let mut random = Xorshift(0x5eed_2027);
    let (mut halves, mut seen_wrong) = (0, 0);
    for round in 0..rounds {
        let mut list = BTreeMap::new();
        for _ in 0..random.next() % 60 {
            let prefix = prefix(&mut random);
            list.insert(prefix, 1 + random.next() as u32 % 5);
        }
        let mut table = InMemory::<A>::in_memory(&sorted(&list), 2_000).expect("a sound list");
        for _ in 0..random.next() % 20 {
            let next = random_change(&mut random, &list, &mut prefix);
            apply(&mut list, next);
            change(&mut table, next);
            if random.next().is_multiple_of(3) {
                table.quiesce();
            }
        }
        let last = random_change(&mut random, &list, &mut prefix);
        let before = list.clone();
        apply(&mut list, last);
        table.prefixes = list.clone();
        let mut changes = Changes::default();
        table.prepare(last.0, &mut changes).expect("room");
        let all = changes.stores.len();
        for done in 0..=all {
            let arrays = || (table.arrays.nodes().to_vec(), table.arrays.lines::<A>().to_vec());
            let place = format!("round {round}, {last:x?}, {done} of {all} stores made");
            take_over(&mut random, &list, arrays(), last.0, &mut prefix, &format!("{place}, new list"));
            take_over(&mut random, &before, arrays(), last.0, &mut prefix, &format!("{place}, old list"));
            if done > 0 && done < all {
                halves += 1;
                let (nodes, lines) = arrays();
                let mut table = Table::adopt(&sorted(&list), nodes, lines).expect("a table");
                if table.answers(&sorted(&list)) {
                    // What is said to be right can be worked with, without `refresh`.
                    go_on(&mut random, &mut table, &mut list.clone(), &mut prefix, &place);
                } else {
                    seen_wrong += 1;
                }
            }
            if let Some((slot, entry)) = changes.stores.get(done) {
                table.arrays.publish::<A>(*slot, *entry);
            }
        }
    }
    // The last stores of some changes only tidy up.
    assert!(
        halves > rounds / 4 && seen_wrong > halves / 2,
        "{halves} half changes, {seen_wrong} seen to be such"
    );
}

#[test]
fn a_v4_change_broken_off_anywhere_is_completed() {
    break_off_everywhere::<u32>(60, |random| {
        let addr = 0x0a00_0000 | random.next() as u32 & 0x0003_03ff;
        let shortest = if random.next().is_multiple_of(2) { 13 } else { 22 };
        Prefix::truncated(addr, shortest + (random.next() % (33 - u64::from(shortest))) as u8).unwrap()
    });
}

/// The last /64 of a /16, and the last of all: in lines that are not full their range has several places.
#[test]
fn a_v6_change_broken_off_anywhere_is_completed() {
    break_off_everywhere::<u128>(100, |random| {
        let high = [0x2001_0db8_0000_0000, 0x2001_ffff_ffff_ffff, u64::MAX][random.next() as usize % 3];
        let addr = u128::from(high) << 64 ^ u128::from(random.next().is_multiple_of(4)) << 64
            | u128::from(random.next() & 0x303);
        let len = [14, 16, 32, 62, 63, 64, 65, 120, 126, 127, 128, 128][random.next() as usize % 12];
        Prefix::truncated(addr, len).unwrap()
    });
}

/// Whatever the arrays hold: adopting ends, and `answers` is believed only where lookups agree.
#[test]
fn other_contents_are_noticed() {
    let mut random = Xorshift(0x5eed_2028);
    let list: List<u128> = (0..300_u128)
        .map(|n| (Prefix::truncated(0x2001_0db8 << 96 | (n / 9) << 80 | (n % 9) << 61, 66).unwrap(), n))
        .collect::<BTreeMap<_, _>>()
        .into_iter()
        .map(|(prefix, n)| (prefix, 1 + n as u32 % 7))
        .collect();
    let table = InMemory::<u128>::in_memory(&list, 10).unwrap();
    let model = Model::new(&list);
    let (used, mut outcomes) = (table.used(), BTreeMap::new());
    for _ in 0..300 {
        let (mut nodes, mut lines) = (table.arrays.nodes().to_vec(), table.arrays.lines::<u128>().to_vec());
        for _ in 0..=random.next() % 2 {
            let entry = match random.next() % 4 {
                0 => random.next() as u32,
                1 => random.next() as u32 % 9,
                kind => (kind as u32 + 3) << 29 | (random.next() as u32 % used.lines),
            };
            if random.next().is_multiple_of(4) {
                nodes[0x20].0[1] = entry;
            } else {
                let line = &mut lines[random.next() as usize % used.lines as usize];
                match random.next() % 3 {
                    0 => line.bounds[random.next() as usize % 5] ^= 1 << (random.next() % 64),
                    _ => line.entries[random.next() as usize % 6] = entry,
                }
            }
        }
        let outcome = match Table::adopt(&list, nodes, lines) {
            Err(error) => {
                assert_eq!(error, AdoptError::Foreign);
                "foreign"
            }
            Ok(adopted) if adopted.answers(&list) => {
                for prefix in list.iter().map(|(prefix, _)| prefix) {
                    for addr in [prefix.addr(), prefix.last()] {
                        assert_eq!(adopted.lookup(addr), model.lookup(addr), "{addr:x?}");
                    }
                }
                "right"
            }
            Ok(_) => "wrong",
        };
        *outcomes.entry(outcome).or_insert(0) += 1;
    }
    assert!(outcomes["foreign"] > 20 && outcomes["wrong"] > 100, "{outcomes:?}");

    // The unused end of a line, which no lookup reads, is freed with the line.
    let (nodes, mut lines) = (table.arrays.nodes().to_vec(), table.arrays.lines::<u128>().to_vec());
    let is_high = |line: &crate::LineV6| line.entries.iter().any(|entry| kind(*entry) == LINE);
    let not_full =
        lines[..used.lines as usize].iter_mut().find(|line| line.bounds[4] == u64::MAX && is_high(line));
    not_full.expect("a line with room").entries[5] = 9;
    let adopted = Table::adopt(&list, nodes, lines).expect("pointers that lead to elements");
    assert!(list.iter().all(|(prefix, _)| adopted.lookup(prefix.addr()) == model.lookup(prefix.addr())));
    assert!(!adopted.answers(&list));

    let empty = (vec![Node::EMPTY; 255], Vec::new());
    assert_eq!(InMemory::<u128>::adopt(&[], empty.0, empty.1).err(), Some(AdoptError::Foreign));
    let empty = InMemory::<u128>::adopt(&[], vec![Node::EMPTY; 256], Vec::new()).unwrap();
    assert!(empty.answers(&[]) && !empty.answers(&list));
}
