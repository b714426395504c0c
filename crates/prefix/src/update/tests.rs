//! Readers in the middle of a change: between any two stores, and between any two loads of one lookup.

use std::cell::Cell;

use super::*;
use crate::model::Model;
use crate::{LineV4, LineV6, TablesV4, TablesV6, lookup_v4, lookup_v6};

/// A reader that loads its first `before` elements from the arrays as they were after the last `quiesce` and the
/// others from the arrays as they are.
struct Paused<'a, L> {
    old: (&'a [Node], &'a [L]),
    new: (&'a [Node], &'a [L]),
    before: Cell<u32>,
}

impl<'a, L> Paused<'a, L> {
    fn arrays(&self) -> (&'a [Node], &'a [L]) {
        match self.before.get() {
            0 => self.new,
            left => {
                self.before.set(left - 1);
                self.old
            }
        }
    }
}

impl TablesV4 for Paused<'_, LineV4> {
    fn node(&self, index: u32) -> Option<&Node> {
        self.arrays().0.get(index as usize)
    }
    fn line(&self, index: u32) -> Option<&LineV4> {
        self.arrays().1.get(index as usize)
    }
}

impl TablesV6 for Paused<'_, LineV6> {
    fn node(&self, index: u32) -> Option<&Node> {
        self.arrays().0.get(index as usize)
    }
    fn line(&self, index: u32) -> Option<&LineV6> {
        self.arrays().1.get(index as usize)
    }
}

pub(super) struct Xorshift(pub(super) u64);

impl Xorshift {
    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// Changes a table `rounds` times, prefixes from `prefix`, one store at a time; `lookup` reads through a
/// `Paused`.
fn step_through<A: Address>(
    rounds: usize,
    mut prefix: impl FnMut(&mut Xorshift) -> Prefix<A>,
    lookup: impl Fn(&Paused<'_, A::Line>, A) -> u32,
) {
    let mut random = Xorshift(0x5eed_2026);
    let mut table = Table::<A, _, _>::in_memory(&[], 2_000).unwrap();
    let mut old = (table.arrays.nodes().to_vec(), table.arrays.lines::<A>().to_vec());
    // Every list there was since `quiesce`, the present one last.
    let mut models = vec![Model::new(&[])];
    let mut stores = 0;
    for round in 0..rounds {
        let present: Vec<_> = table.prefixes.keys().copied().collect();
        let remove = !present.is_empty() && random.next() % 5 < 2;
        let target =
            if remove { present[random.next() as usize % present.len()] } else { prefix(&mut random) };
        let mut model = models[models.len() - 1].clone();
        if remove {
            model.remove(target);
            table.prefixes.remove(&target);
        } else {
            let value = 1 + random.next() as u32 % VALUE_MAX;
            model.insert(target, value);
            table.prefixes.insert(target, value);
        }
        models.push(model);
        let probes: Vec<(A, Vec<u32>)> = present
            .iter()
            .chain([&target])
            .flat_map(|prefix| [prefix.addr(), prefix.last()])
            .map(|addr| (addr, models.iter().map(|model| model.lookup(addr)).collect()))
            .collect();

        let mut changes = Changes::default();
        table.prepare(target, &mut changes).unwrap();
        for done in 0..=changes.stores.len() {
            for (addr, answers) in &probes {
                for before in 0..8 {
                    let reader = Paused {
                        old: (&old.0, &old.1),
                        new: (table.arrays.nodes(), table.arrays.lines::<A>()),
                        before: Cell::new(before),
                    };
                    let answer = lookup(&reader, *addr);
                    // A reader that starts now sees this change or the one before, nothing older.
                    let right = if before == 0 { &answers[answers.len() - 2..] } else { &answers[..] };
                    assert!(
                        right.contains(&answer),
                        "round {round}, {done} stores made, {before} loads before: {addr:x?} gives {answer}, not \
                         one of {right:?}"
                    );
                }
            }
            if let Some((slot, entry)) = changes.stores.get(done) {
                table.arrays.publish::<A>(*slot, *entry);
                stores += 1;
            }
        }
        for (addr, answers) in &probes {
            assert_eq!(Some(&table.lookup(*addr)), answers.last(), "round {round}: {addr:x?}");
        }
        table.finish(changes);
        if random.next().is_multiple_of(5) {
            table.quiesce();
            old = (table.arrays.nodes().to_vec(), table.arrays.lines::<A>().to_vec());
            models.drain(..models.len() - 1);
        }
    }
    assert!(stores > rounds / 2, "only {stores} stores in {rounds} rounds");
}

#[test]
fn every_state_of_a_v4_change_is_old_or_new() {
    let prefix = |random: &mut Xorshift| {
        let addr = 0x0a00_0000 | random.next() as u32 & 0x0003_0303;
        Prefix::truncated(addr, 12 + (random.next() % 21) as u8).unwrap()
    };
    step_through::<u32>(250, prefix, |reader, addr| lookup_v4(reader, addr));
}

#[test]
fn every_state_of_a_v6_change_is_old_or_new() {
    let prefix = |random: &mut Xorshift| {
        let addr =
            0x2001_0db8 << 96 | u128::from(random.next() & 3) << 64 | u128::from(random.next() & 0x303);
        let len = [12, 16, 32, 62, 63, 64, 65, 120, 126, 127, 128][random.next() as usize % 11];
        Prefix::truncated(addr, len).unwrap()
    };
    step_through::<u128>(250, prefix, |reader, addr| lookup_v6(reader, (addr >> 64) as u64, addr as u64));
}
