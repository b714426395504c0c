//! Trees against the linear list, on random boxes and keys.

use classify::{
    Arrays, Best, BoxRule, BuildError, Condition, Forest, Key, Keyed, Kind, Lists, NOTHING, Slot,
    Tables as _, Test, Verdict, WORDS, each_match, first_match, model, word,
};
use proptest::{prelude::*, test_runner::TestRunner};

/// Words with few values, so that rules overlap and keys hit.
fn test(word: u8) -> BoxedStrategy<Test> {
    let prefix = (any::<u32>(), 0_u32..=32).prop_map(|(value, length)| {
        let host = u32::MAX.checked_shr(length).unwrap_or(0);
        // Few different addresses.
        let low = (value & 0x8000_0303) & !host;
        Test::Range { low, high: low | host }
    });
    let range = (0_u32..70_000, 0_u32..3000).prop_map(|(low, width)| Test::Range { low, high: low + width });
    let small = (0_u32..4, 0_u32..4).prop_map(|(a, b)| Test::Range { low: a.min(b), high: a.max(b) });
    let bits = (0_u32..64, 0_u32..64).prop_map(|(mask, value)| Test::Bits { mask, value: value & mask });
    match word {
        0..8 => prefix.boxed(),
        8 | 9 => prop_oneof![range, Just(Test::Range { low: 53, high: 53 })].boxed(),
        10 | 11 => small.boxed(),
        word::FLAG => prop_oneof![3 => Just(Test::Range { low: 0, high: 0 }), 1 => Just(Test::Range { low: 1, high: 1 })].boxed(),
        _ => bits.boxed(),
    }
}

const USED: [u8; 10] = [0, 1, 4, 8, 9, 10, 11, 12, word::FLAG, 31];

/// Words of the five-tuple.
const FIVE: [u8; 6] = [0, 4, 8, 9, 10, word::FLAG];

fn rules(words: &'static [u8], most: usize) -> impl Strategy<Value = Vec<BoxRule>> {
    let condition = prop::sample::select(words)
        .prop_flat_map(|word| test(word).prop_map(move |test| Condition { word, test }));
    let conditions = prop::collection::vec(condition, 0..5).prop_map(|mut conditions| {
        conditions.sort_by_key(|condition| condition.word);
        conditions.dedup_by_key(|condition| condition.word);
        conditions
    });
    prop::collection::vec((conditions, 0_u32..3), 0..most).prop_map(|all| {
        let mut order = 0;
        let mut boxes = Vec::new();
        for (conditions, step) in all {
            // Some rules are several boxes.
            order += u32::from(step > 0);
            let verdict = Verdict { order, slot: order + 7, parameter: order ^ 5, action: order as u8 & 15 };
            boxes.push(BoxRule { conditions, verdict });
        }
        boxes
    })
}

/// Keys near the rules' edges.
fn key(rules: &[BoxRule], seed: u64) -> Key {
    let mut state = seed | 1;
    let mut draw = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) as u32
    };
    let mut key = [0; WORDS];
    for word in USED {
        key[usize::from(word)] = match word {
            0..8 => draw() & 0x8000_0303,
            8 | 9 => draw() % 70_000,
            _ => draw() % 64,
        };
    }
    for _ in 0..3 {
        if rules.is_empty() {
            break;
        }
        let rule = &rules[draw() as usize % rules.len()];
        for Condition { word, test } in &rule.conditions {
            let value = &mut key[usize::from(*word)];
            *value = match *test {
                Test::Range { low, high } => match draw() % 4 {
                    0 => low,
                    1 => high,
                    2 => low.wrapping_sub(1),
                    _ => high.wrapping_add(1),
                },
                Test::Bits { mask, value: wanted } => *value & !mask | wanted,
            };
        }
    }
    // As wide as a packet's are.
    key[8] &= 0x1_ffff;
    key[9] &= 0x1_ffff;
    key[10] &= 0xff;
    key[usize::from(word::FLAG)] &= 1;
    key
}

fn build(first: &[BoxRule], each: &[BoxRule]) -> Result<Forest, BuildError> {
    let lists = Lists { first: first.to_vec(), each: each.to_vec() };
    Forest::build(&[lists, Lists::default(), Lists::default()], 1 << 26)
}

fn first(arrays: &Arrays, trees: u32, key: &Key) -> Option<u32> {
    let best = arrays.best(Kind::V4, trees, key);
    if best == Best::NONE {
        return None;
    }
    let found = arrays.cell(best.at()).expect("a cell").verdict();
    assert_eq!(found.order, best.order());
    assert_eq!((found.slot, found.parameter), (found.order + 7, found.order ^ 5));
    assert_eq!(found.action, found.order as u8 & 15);
    Some(found.order)
}

#[test]
fn trees_mean_what_the_list_means() {
    let config = ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() };
    let (mut hits, mut fives) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let strategy = (
        prop_oneof![rules(&USED, 12), rules(&USED, 200), rules(&FIVE, 60)],
        prop_oneof![1 => Just(Vec::new()), 2 => rules(&USED, 20)],
        any::<u64>(),
    );
    let result = TestRunner::new(config).run(&strategy, |(list, effects, seed)| {
        let forest = match build(&list, &effects) {
            Ok(forest) => forest,
            Err(error) => return Err(TestCaseError::fail(format!("{error:?}"))),
        };
        // What a leaf's slot says of it: a tree is left by it, and one that is too high would leave a better rule behind.
        for leaf in forest.arrays.slots.iter().filter(|slot| slot.is_leaf() && **slot != Slot::EMPTY) {
            let first = forest.arrays.cells[leaf.cell() as usize..].iter().find(|cell| cell.is_rule());
            prop_assert_eq!(first.map(|cell| cell.order()), Some(leaf.least()));
        }
        for n in 0..40 {
            let key = key(if n % 2 == 0 { &list } else { &effects }, seed.wrapping_add(n * 0x9e37_79b9));
            let found = first(&forest.arrays, forest.shape.trees, &key);
            prop_assert_eq!(found, model::first_match(&list, &key));
            fives.set(fives.get() + u32::from(found.is_some() && forest.arrays.by_five));
            hits.set(hits.get() + u32::from(found.is_some()));
            let before = found.unwrap_or(NOTHING);
            let mut orders = Vec::new();
            each_match(&forest.arrays, Kind::V4.root_of_each(), Keyed::of(&key), before, |at| {
                orders.push(forest.arrays.cell(at).expect("a cell").order());
                true
            });
            orders.dedup();
            let mut expected = model::each_match(&effects, &key);
            expected.retain(|order| *order < before);
            prop_assert_eq!(orders, expected);
            let of_others = first_match(&forest.arrays, Kind::V6.root(0), Keyed::of(&key), Best::NONE);
            prop_assert_eq!(of_others, Best::NONE);
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    assert!(*hits.get_mut() > 1000 && *fives.get_mut() > 300, "{hits:?}, {fives:?}");
}
