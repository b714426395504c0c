//! Table = naive model, on lists that nest and cluster, after building and after every change.

use prefix::model::Model;
use prefix::{Address, Prefix, Table, VALUE_MAX};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// An operation on a filled table: `Some(value)` inserts, `None` removes.
type Change<A> = (Prefix<A>, Option<u32>);

fn value() -> impl Strategy<Value = u32> {
    // Few values, so that equal neighbours occur; and the largest.
    prop_oneof![8 => 1..6u32, 1 => Just(VALUE_MAX)]
}

/// Addresses that share leading bits: one of a few bases with its low bits replaced.
fn addr_v4() -> impl Strategy<Value = u32> {
    let base = prop_oneof![Just(0u32), Just(u32::MAX), Just(0x0a01_0200), Just(0xc0a8_ff00), any::<u32>()];
    (base, any::<u32>(), 0..=32u32).prop_map(|(base, noise, keep)| {
        let mask = u32::MAX.checked_shr(keep).unwrap_or(0);
        base & !mask | noise & mask
    })
}

fn addr_v6() -> impl Strategy<Value = u128> {
    let documentation = 0x2001_0db8_u128 << 96;
    let base = prop_oneof![
        Just(0u128),
        Just(u128::MAX),
        Just(documentation),
        Just(documentation | 0xffff_ffff_ffff_ffff),
        Just(documentation | 0xfe80_0000),
        any::<u128>()
    ];
    (base, any::<u128>(), 0..=128u32).prop_map(|(base, noise, keep)| {
        let mask = u128::MAX.checked_shr(keep).unwrap_or(0);
        base & !mask | noise & mask
    })
}

fn prefix_v4() -> impl Strategy<Value = Prefix<u32>> {
    let len = prop_oneof![6 => 0..=32u8, 2 => 22..=32u8, 1 => Just(16u8), 1 => Just(24u8), 1 => Just(32u8)];
    (addr_v4(), len).prop_map(|(addr, len)| Prefix::truncated(addr, len).unwrap())
}

fn prefix_v6() -> impl Strategy<Value = Prefix<u128>> {
    let len = prop_oneof![6 => 0..=128u8, 2 => 32..=64u8, 2 => 60..=68u8, 1 => Just(64u8), 1 => Just(128u8)];
    (addr_v6(), len).prop_map(|(addr, len)| Prefix::truncated(addr, len).unwrap())
}

fn sorted<A: Address>(list: Vec<(Prefix<A>, u32)>) -> Vec<(Prefix<A>, u32)> {
    list.into_iter().collect::<BTreeMap<_, _>>().into_iter().collect()
}

/// The first and last address of a prefix and their neighbours.
fn edges<A: Address>(prefix: Prefix<A>, step: impl Fn(A, bool) -> A) -> [A; 6] {
    let (first, last) = (prefix.addr(), prefix.last());
    [first, last, step(first, false), step(last, true), step(first, true), step(last, false)]
}

fn step_v4(addr: u32, up: bool) -> u32 {
    if up { addr.wrapping_add(1) } else { addr.wrapping_sub(1) }
}

fn step_v6(addr: u128, up: bool) -> u128 {
    if up { addr.wrapping_add(1) } else { addr.wrapping_sub(1) }
}

fn check<A: Address>(
    lookup: impl Fn(A) -> u32,
    model: &Model<A>,
    probes: impl IntoIterator<Item = A>,
) -> Result<(), TestCaseError> {
    for addr in probes {
        prop_assert_eq!(lookup(addr), model.lookup(addr), "at {:x?}", addr);
    }
    Ok(())
}

macro_rules! props {
    ($addr:ty, $lines:literal, $prefix:ident, $random:ident, $step:ident, $built:ident, $changed:ident) => {
        proptest! {
            #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..Default::default() })]

            #[test]
            fn $built(list in vec(($prefix(), value()), 0..400), random in vec($random(), 200)) {
                let list = sorted(list);
                let table = Table::<$addr, _, _>::in_memory(&list, 0).unwrap();
                // The bound README.md promises.
                prop_assert!(table.used().lines as usize <= $lines * list.len());
                let model = Model::new(&list);
                check(|addr| table.lookup(addr), &model, random)?;
                check(|addr| table.lookup(addr), &model, list.iter().flat_map(|(p, _)| edges(*p, $step)))?;
            }

            #[test]
            fn $changed(
                list in vec(($prefix(), value()), 0..200),
                changes in vec(($prefix(), prop::option::weighted(0.6, value()), any::<prop::sample::Index>()), 1..150),
                random in vec($random(), 100),
            ) {
                let list = sorted(list);
                let mut table = Table::<$addr, _, _>::in_memory(&list, 1_000).unwrap();
                let mut model = Model::new(&list);
                for (fresh, value, pick) in changes {
                    // Removals mostly of something that is there.
                    let present: Vec<_> = table.iter().collect();
                    let change: Change<$addr> = match value {
                        None if !present.is_empty() => (pick.get(&present).0, None),
                        _ => (fresh, value),
                    };
                    let (prefix, value) = change;
                    match value {
                        Some(value) => prop_assert_eq!(table.insert(prefix, value), Ok(model.insert(prefix, value))),
                        None => prop_assert_eq!(table.remove(prefix), Ok(model.remove(prefix))),
                    }
                    if pick.index(4) == 0 {
                        table.quiesce();
                    }
                    check(|addr| table.lookup(addr), &model, edges(prefix, $step))?;
                }
                check(|addr| table.lookup(addr), &model, random)?;
                let now: Vec<_> = table.iter().collect();
                check(|addr| table.lookup(addr), &model, now.iter().flat_map(|(p, _)| edges(*p, $step)))?;

                // All of it taken out again leaves nothing but the root.
                for (prefix, _) in now {
                    table.remove(prefix).unwrap();
                }
                prop_assert_eq!((table.used().nodes, table.used().lines), (256, 0));
            }
        }
    };
}

props!(u32, 1, prefix_v4, addr_v4, step_v4, v4_built, v4_changed);
props!(u128, 2, prefix_v6, addr_v6, step_v6, v6_built, v6_changed);

/// The last /64 of all begins at the number that stands where a line has no bound.
#[test]
fn a_change_beside_the_last_64_leaves_it_alone() {
    let prefix = |addr, len| Prefix::<u128>::new(addr, len).unwrap();
    let beside = prefix(0xffff_ffff_ffff_fffe_c000_0000_0000_0000, 66);
    let list = [
        (prefix(0xffff_fffc_7a86_77ad_b77f_3cd1_0aa5_68b6, 128), 3),
        (prefix(0xffff_ffff_ffc0_0000_0000_0000_0000_0000, 42), 4),
        (prefix(0xffff_ffff_ffff_fff0_0000_0000_0000_0000, 60), 2),
        (beside, 3),
        (prefix(0xffff_ffff_ffff_ffff_ffff_ffff_fffe_0000, 111), 1),
    ];
    let mut table = Table::<u128, _, _>::in_memory(&list, 100).unwrap();
    assert_eq!(table.remove(beside), Ok(Some(3)));
    assert_eq!((table.lookup(u128::MAX), table.lookup(beside.addr())), (1, 2));
    assert_eq!(table.insert(beside, 5), Ok(None));
    assert_eq!((table.lookup(u128::MAX), table.lookup(beside.addr())), (1, 5));
}
