//! Lists at the extremes, refused input, and a table that runs full.

use prefix::model::Model;
use prefix::{
    Address, BuildError, ListError, Node, Prefix, PrefixV4, PrefixV6, Sizes, Table, TableV4, TableV6,
    UpdateError, VALUE_MAX,
};

fn v4(addr: u32, len: u8) -> PrefixV4 {
    Prefix::new(addr, len).unwrap()
}

fn v6(addr: u128, len: u8) -> PrefixV6 {
    Prefix::new(addr, len).unwrap()
}

const DOCUMENTATION: u128 = 0x2001_0db8 << 96;

/// Builds, and compares with the model at the edges of every `step`th prefix.
fn build_and_check<A: Address>(list: &[(Prefix<A>, u32)], step: usize) -> Sizes {
    let sizes = Sizes::of(list).unwrap();
    let table = Table::<A, _, _>::in_memory(list, 0).unwrap();
    assert_eq!(table.used(), sizes);
    let model = Model::new(list);
    for (prefix, _) in list.iter().step_by(step) {
        for addr in [prefix.addr(), prefix.last()] {
            assert_eq!(table.lookup(addr), model.lookup(addr), "{addr:x?}");
        }
    }
    sizes
}

#[test]
fn every_host_of_a_slash_16() {
    // Neighbours differ, so that nothing merges.
    let list: Vec<_> = (0..=0xffff).map(|host| (v4(0xc0a8_0000 | host, 32), 1 + host % 3)).collect();
    let sizes = build_and_check(&list, 7);
    // One node for the /16 and one for each /24.
    assert_eq!((sizes.nodes, sizes.lines), (256 + 257, 0));
}

#[test]
fn every_host_of_a_slash_16_with_one_value_is_one_entry() {
    let list: Vec<_> = (0..=0xffff).map(|host| (v4(0xc0a8_0000 | host, 32), 5)).collect();
    let sizes = build_and_check(&list, 97);
    assert_eq!((sizes.nodes, sizes.lines), (256, 0));
}

#[test]
fn many_hosts_of_one_slash_64() {
    // A multiplicative scramble spreads them over the /64.
    let mut hosts: Vec<u64> = (1..=20_000u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
    hosts.sort_unstable();
    let list: Vec<_> = hosts.iter().map(|h| (v6(DOCUMENTATION | u128::from(*h), 128), 7)).collect();
    let sizes = build_and_check(&list, 11);
    assert!(sizes.bytes() < 256 * 1024 + 20_000 * 128, "{sizes:?}");
}

#[test]
fn a_few_neighbours_in_each_of_many_slash_64s() {
    // Forty hosts, ::1 to ::28, in each of 500 /64s, all different: no node for every byte on the way down.
    let list: Vec<_> = (0..20_000)
        .map(|n| (v6(DOCUMENTATION | (n / 40) << 80 | (n % 40 + 1), 128), 1 + n as u32 % 40))
        .collect();
    let sizes = build_and_check(&list, 13);
    assert!(sizes.bytes() < 256 * 1024 + 20_000 * 64, "{sizes:?}");
}

#[test]
fn nested_chains_of_every_length() {
    for addr in [0, u128::MAX, DOCUMENTATION | 0x1234_5678_9abc_def0, 0xaaaa_aaaa_aaaa_aaaa << 64 | 0x5555] {
        let list: Vec<_> =
            (0..=128u8).map(|len| (Prefix::truncated(addr, len).unwrap(), 1 + u32::from(len))).collect();
        build_and_check(&list, 1);
        let list: Vec<_> = (0..=32u8)
            .map(|len| (Prefix::truncated(addr as u32, len).unwrap(), 1 + u32::from(len)))
            .collect();
        build_and_check(&list, 1);
    }
}

#[test]
fn nothing_and_everything() {
    let mut table = TableV4::in_memory(&[], 10).unwrap();
    assert_eq!((table.lookup(0), table.lookup(u32::MAX)), (0, 0));
    assert_eq!(table.insert(v4(0, 0), VALUE_MAX), Ok(None));
    assert_eq!((table.lookup(0), table.lookup(u32::MAX)), (VALUE_MAX, VALUE_MAX));
    assert_eq!(table.remove(v4(0, 0)), Ok(Some(VALUE_MAX)));
    assert_eq!((table.lookup(0), table.remove(v4(0, 0))), (0, Ok(None)));
}

#[test]
fn host_bits_are_refused_or_cut() {
    assert_eq!(PrefixV4::new(0x0a00_0001, 24), None);
    assert_eq!(PrefixV4::truncated(0x0a00_0001, 24), PrefixV4::new(0x0a00_0000, 24));
    assert_eq!(PrefixV4::new(0, 33), None);
    assert_eq!(PrefixV6::truncated(0, 129), None);
    let prefix = v6(DOCUMENTATION, 32);
    assert!(prefix.contains(DOCUMENTATION | 1) && !prefix.contains(DOCUMENTATION - 1));
    assert_eq!((prefix.last(), v4(0, 0).last()), (DOCUMENTATION | u128::MAX >> 32, u32::MAX));
}

#[test]
fn lists_that_are_none_are_refused_with_the_position() {
    let (a, b) = (v4(0x0a00_0000, 8), v4(0x0a00_0000, 16));
    assert_eq!(Sizes::of(&[(b, 1), (a, 1)]), Err(ListError::Unsorted(1)));
    assert_eq!(Sizes::of(&[(a, 1), (b, 1), (b, 2)]), Err(ListError::Duplicate(2)));
    assert_eq!(Sizes::of(&[(a, 0)]), Err(ListError::Value(0)));
    assert_eq!(Sizes::of(&[(a, 1), (b, VALUE_MAX + 1)]), Err(ListError::Value(1)));
    let mut table = TableV4::in_memory(&[], 0).unwrap();
    assert_eq!(table.insert(a, 0), Err(UpdateError::Value));
}

#[test]
fn arrays_that_are_too_small_are_refused() {
    let list = [(v4(0x0a01_0200, 24), 1)];
    let build = |nodes: usize, lines: usize| {
        TableV4::build(&list, vec![Node::EMPTY; nodes], vec![prefix::LineV4::EMPTY; lines]).err()
    };
    assert_eq!(build(255, 1), Some(BuildError::TooSmall));
    assert_eq!(build(256, 0), Some(BuildError::TooSmall));
    assert_eq!(build(256, 1), None);
}

#[test]
fn a_full_table_stays_as_it_was_and_has_room_again_after_quiesce() {
    let sizes = Sizes { nodes: 256, lines: 4 };
    let nodes = vec![Node::EMPTY; sizes.nodes as usize];
    let mut table = TableV4::build(&[], nodes, vec![prefix::LineV4::EMPTY; sizes.lines as usize]).unwrap();
    // Always the same /16: each insertion replaces its line.
    for host in 0..4 {
        assert_eq!(table.insert(v4(0x0a00_0000 + 2 * host, 32), 9), Ok(None));
    }
    let refused = v4(0x0a00_0100, 32);
    assert_eq!(table.insert(refused, 9), Err(UpdateError::Full));
    assert_eq!((table.lookup(refused.addr()), table.get(refused)), (0, None));
    assert_eq!(table.remove(v4(0x0a00_0000, 32)), Err(UpdateError::Full));
    assert_eq!((table.lookup(0x0a00_0000), table.lookup(0x0a00_0006)), (9, 9));
    table.quiesce();
    assert_eq!(table.insert(refused, 9), Ok(None));
    assert_eq!((table.lookup(refused.addr()), table.used().lines), (9, 1));
}

#[test]
fn a_change_beside_a_crowded_slash_64_does_not_copy_it() {
    let list: Vec<_> = (0..10_000).map(|host| (v6(DOCUMENTATION | host << 20, 128), 7)).collect();
    let sizes = Sizes::of(&list).unwrap();
    let nodes = vec![Node::EMPTY; sizes.nodes as usize];
    let mut table =
        TableV6::build(&list, nodes, vec![prefix::LineV6::EMPTY; sizes.lines as usize + 8]).unwrap();
    let beside = v6(DOCUMENTATION | 5 << 64, 64);
    assert_eq!(table.insert(beside, 3), Ok(None));
    assert_eq!((table.lookup(beside.addr()), table.lookup(DOCUMENTATION | 5 << 20)), (3, 7));
    table.quiesce();
    assert_eq!(table.remove(beside), Ok(Some(3)));
    table.quiesce();
    assert_eq!(table.used(), sizes);
}

#[test]
fn a_refused_change_gives_back_what_it_took() {
    // Eleven ranges fill the only line; two more need three lines, and two are free.
    let list: Vec<_> = (1..=5).map(|n| (v4(0x0a00_0000 + (n << 9), 24), n)).collect();
    let mut table = TableV4::build(&list, vec![Node::EMPTY; 256], vec![prefix::LineV4::EMPTY; 3]).unwrap();
    let used = table.used();
    assert_eq!(used.lines, 1);
    assert_eq!(table.insert(v4(0x0a00_8000, 24), 7), Err(UpdateError::Full));
    assert_eq!(table.used(), used);
    // Both free lines are still there: an existing prefix can change its value twice.
    assert_eq!((table.insert(list[0].0, 8), table.insert(list[0].0, 9)), (Ok(Some(1)), Ok(Some(8))));
    assert_eq!(table.insert(list[0].0, 8), Err(UpdateError::Full));
}
