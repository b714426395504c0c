//! The prefix tables against the kernel's own longest-prefix match, `LPM_TRIE` (`kernel/bpf/lpm_trie.c`): the same
//! prefixes in both, the same addresses looked up from user space and by programs.

mod kernel;

use std::{collections::BTreeSet, fmt::LowerHex};

use abi::Shared;
use engine::{LoadChoices, LoadedObject, Map, MapChoice, MapKind, MapSpec};
use firewall::shared::{Hit, Value};
use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};
use prefix::{Address, LineV4, LineV6, Node, Prefix, Sizes, Table, TableV4, TableV6};
use proptest::prelude::Rng;
use testkit::{prefixes::datagram, random};

/// The trie takes no memory for elements that are not there (`BPF_F_NO_PREALLOC`), and no map of its kind may.
const NO_PREALLOC: u32 = 1;

const PREFIXES: usize = 20_000;
const LOOKUPS: usize = 100_000;

/// What differs between IPv4 and IPv6.
trait Family: Address + LowerHex {
    /// `struct bpf_lpm_trie_key`: the length, then the address in network order.
    type Key: Shared;
    const BITS: u8;
    /// Where the clusters lie.
    const CLUSTER: Self;

    fn trie_key(self, length: u8) -> Self::Key;
    fn any(random: &mut impl Rng) -> Self;
    /// The address with `bits` of its lower bits, from bit `shift` up, replaced by random ones.
    fn scattered(self, shift: u32, bits: u32, random: &mut impl Rng) -> Self;
    fn before(self) -> Self;
    fn after(self) -> Self;
}

impl Family for u32 {
    type Key = [u32; 2];
    const BITS: u8 = 32;
    const CLUSTER: Self = 0xc633_0000;

    fn trie_key(self, length: u8) -> Self::Key {
        [length.into(), self.to_be()]
    }

    fn any(random: &mut impl Rng) -> Self {
        random.next_u32()
    }

    fn scattered(self, shift: u32, bits: u32, random: &mut impl Rng) -> Self {
        self ^ (random.next_u32() & ((1 << bits) - 1)) << shift
    }

    fn before(self) -> Self {
        self.wrapping_sub(1)
    }

    fn after(self) -> Self {
        self.wrapping_add(1)
    }
}

impl Family for u128 {
    type Key = [u32; 5];
    const BITS: u8 = 128;
    const CLUSTER: Self = 0x2001_0db8 << 96;

    fn trie_key(self, length: u8) -> Self::Key {
        let [a, b, c, d] = words(self);
        [length.into(), a, b, c, d]
    }

    fn any(random: &mut impl Rng) -> Self {
        Self::from(random.next_u64()) << 64 | Self::from(random.next_u64())
    }

    fn scattered(self, shift: u32, bits: u32, random: &mut impl Rng) -> Self {
        self ^ (Self::from(random.next_u64()) & ((1 << bits) - 1)) << shift
    }

    fn before(self) -> Self {
        self.wrapping_sub(1)
    }

    fn after(self) -> Self {
        self.wrapping_add(1)
    }
}

/// In network order.
fn words(address: u128) -> [u32; 4] {
    [96, 64, 32, 0].map(|shift| ((address >> shift) as u32).to_be())
}

fn length<A: Family>(random: &mut impl Rng) -> u8 {
    (random.next_u32() % (u32::from(A::BITS) + 1)) as u8
}

/// A third anywhere, a third in chains of ever longer prefixes around few addresses, a third crowded in one place.
fn random_prefixes<A: Family>(random: &mut impl Rng) -> BTreeSet<Prefix<A>> {
    let chains: Vec<A> = (0..PREFIXES / 30).map(|_| A::any(random)).collect();
    let width = u32::from(A::BITS);
    let mut prefixes = BTreeSet::new();
    while prefixes.len() < PREFIXES {
        let address = match random.next_u32() % 3 {
            0 => A::any(random),
            1 => chains[random.next_u32() as usize % chains.len()],
            // 12 bits anywhere in the lower half, and 6 more at the end.
            _ => {
                A::CLUSTER.scattered(random.next_u32() % (width / 2 - 12), 12, random).scattered(0, 6, random)
            }
        };
        prefixes.extend(Prefix::truncated(address, length::<A>(random)));
    }
    prefixes
}

/// Half of them at the edges of prefixes, inside and outside, some inside and the others anywhere.
fn addresses<A: Family>(prefixes: &[Prefix<A>], random: &mut impl Rng) -> Vec<A> {
    let mut one = || {
        let prefix = prefixes[random.next_u32() as usize % prefixes.len()];
        match random.next_u32() % 8 {
            0 => prefix.addr(),
            1 => prefix.addr().before(),
            2 => prefix.last(),
            3 => prefix.last().after(),
            4 | 5 => {
                let host = u32::from(A::BITS - prefix.len());
                prefix.addr().scattered(0, host.min(31), random)
            }
            _ => A::any(random),
        }
    };
    (0..LOOKUPS).map(|_| one()).collect()
}

fn trie<A: Family>(entries: usize) -> Map {
    let spec = MapSpec {
        name: "oracle".into(),
        kind: MapKind::LPM_TRIE,
        key_size: size_of::<A::Key>() as u32,
        value_size: 4,
        max_entries: entries as u32,
        flags: NO_PREALLOC,
        extra: 0,
    };
    Map::create(spec, None, None).expect("the kernel has LPM_TRIE")
}

fn compare<A: Family>(lookup: impl Fn(A) -> u32, trie: &Map, addresses: &[A]) {
    let mut covered = 0;
    for address in addresses {
        // A lookup with the full length is the longest match.
        let oracle = trie.get::<A::Key, u32>(&address.trie_key(A::BITS)).expect("a lookup").unwrap_or(0);
        assert_eq!(lookup(*address), oracle, "{address:#x}");
        covered += usize::from(oracle != 0);
    }
    assert!(covered > addresses.len() / 4, "only {covered} of {} are covered", addresses.len());
}

/// The tables as built, and after a quarter of the prefixes went and others came.
fn tables_and_trie_agree<A: Family>() {
    let runner = &mut kernel::runner(1);
    let random = runner.rng();
    let prefixes = random_prefixes::<A>(random);
    let list: Vec<(Prefix<A>, u32)> = prefixes.iter().copied().zip(1..).collect();
    let trie = trie::<A>(2 * PREFIXES);
    for (prefix, value) in &list {
        trie.set(&prefix.addr().trie_key(prefix.len()), value).expect("room");
    }
    // A change of a short prefix rewrites what lies below it: room for many short ones.
    let mut table = Table::<A, _, _>::in_memory(&list, 100_000).expect("a sound list");
    let prefixes: Vec<Prefix<A>> = prefixes.into_iter().collect();
    compare(|address| table.lookup(address), &trie, &addresses(&prefixes, random));

    for prefix in prefixes.iter().step_by(4) {
        assert!(table.remove(*prefix).expect("room").is_some());
        assert!(trie.remove(&prefix.addr().trie_key(prefix.len())).expect("a removal"));
        table.quiesce();
    }
    let more = random_prefixes::<A>(random);
    for (prefix, value) in more.iter().step_by(4).zip(PREFIXES as u32 + 1..) {
        table.insert(*prefix, value).expect("room");
        trie.set(&prefix.addr().trie_key(prefix.len()), &value).expect("room");
        table.quiesce();
    }
    let all: Vec<Prefix<A>> = prefixes.into_iter().chain(more).collect();
    compare(|address| table.lookup(address), &trie, &addresses(&all, random));
}

#[test]
fn ipv4_tables_agree_with_the_trie() {
    tables_and_trie_agree::<u32>();
}

#[test]
fn ipv6_tables_agree_with_the_trie() {
    tables_and_trie_agree::<u128>();
}

/// `RIVAL` of the bench object (`crates/dataplane/src/rivals.rs`).
const TABLES: u8 = 1;
const KERNEL_TRIE: u8 = 2;

/// Hits by slot after the bench object's program has judged `FRAMES` frames with sources from `SAMPLES`, which it draws
/// by a generator of its own.
fn hits_in_the_kernel(
    rival: u8,
    maps: &LoadedObject,
    names: [&str; 4],
    entries: u32,
    frame: &[u8],
) -> Vec<u64> {
    const FRAMES: u32 = 300_000;
    let mut choices = LoadChoices { programs: vec!["random_source".into()], ..LoadChoices::default() };
    choices.globals.set("RIVAL", rival).set("SAMPLED", 1_u8);
    for name in names {
        let reuse = Some(maps.map(name).expect("a map").clone());
        choices.maps.insert(name.into(), MapChoice { reuse, ..MapChoice::default() });
    }
    choices.maps.insert("HITS".into(), MapChoice { max_entries: Some(entries), ..MapChoice::default() });
    let object = engine::load_rivals(&choices).expect("the bench object loads");
    object.map("STATE").expect("a map").set_per_cpu(&0_u32, &0x9e37_79b9_7f4a_7c15_u64).expect("a seed");
    object.program("random_source").expect("a program").test_run(frame, FRAMES).expect("test run");
    let mut hits = Vec::new();
    let read = |_, per_cpu: &[Hit]| hits.push(per_cpu.iter().map(|hit| hit.packets).sum());
    object.map("HITS").expect("a map").for_each_per_cpu(entries, read).expect("a per-CPU array");
    hits
}

/// Maps of the bench object for `entries` prefixes, with addresses to draw.
fn rival_maps(sizes: Sizes, entries: usize, family: [&str; 3], samples: &[[u32; 4]]) -> LoadedObject {
    let mut choices = LoadChoices::default();
    for (name, entries) in family.into_iter().zip([sizes.nodes, sizes.lines, entries as u32]) {
        choices
            .maps
            .insert(name.into(), MapChoice { max_entries: Some(entries.max(1)), ..MapChoice::default() });
    }
    let object = engine::load_rivals(&choices).expect("the bench object's maps");
    let map = object.map("SAMPLES").expect("a map");
    for (at, sample) in (0..map.spec().max_entries).zip(samples) {
        map.set(&at, sample).expect("a sample");
    }
    object
}

/// A generator's state is its CPU's: the runs must not wander.
fn stay_on_this_cpu() {
    let cpu = nix::sched::sched_getcpu().expect("a CPU");
    let mut set = CpuSet::new();
    set.set(cpu).expect("a CPU");
    sched_setaffinity(Pid::from_raw(0), &set).expect("a CPU of ours");
}

/// Slots differ from prefix to prefix, so equal hits are equal answers, but for swaps of equal number.
fn expect_equal_hits(maps: &LoadedObject, names: [&str; 4], entries: u32, frame: &[u8]) {
    stay_on_this_cpu();
    let tables = hits_in_the_kernel(TABLES, maps, names, entries, frame);
    let trie = hits_in_the_kernel(KERNEL_TRIE, maps, names, entries, frame);
    assert!(tables == trie, "the tables and the trie count different prefixes");
    let met = tables.iter().filter(|hits| **hits != 0).count();
    assert!(met > PREFIXES / 5, "only {met} prefixes were met");
}

/// Every third is allowed.
fn values<A: Family>(prefixes: BTreeSet<Prefix<A>>) -> Vec<(Prefix<A>, u32)> {
    let value = |slot| if slot % 3 == 0 { Value::allow(slot) } else { Value::drop(slot) };
    prefixes.into_iter().zip(0..).map(|(prefix, slot)| (prefix, value(slot).0)).collect()
}

#[test]
fn ipv4_programs_agree() {
    let runner = &mut kernel::runner(1);
    let list = values(random_prefixes::<u32>(runner.rng()));
    let prefixes: Vec<Prefix<u32>> = list.iter().map(|(prefix, _)| *prefix).collect();
    let samples: Vec<[u32; 4]> =
        addresses(&prefixes, runner.rng()).into_iter().map(|address| [address.to_be(), 0, 0, 0]).collect();
    let maps = rival_maps(
        Sizes::of(&list).expect("a list"),
        list.len(),
        ["NODES_V4", "LINES_V4", "TRIE_V4"],
        &samples,
    );
    let map = |name| maps.map(name).expect("a map");
    let (nodes, lines) = (map("NODES_V4").mapped::<Node>(), map("LINES_V4").mapped::<LineV4>());
    let table = TableV4::build(&list, nodes.expect("mapped"), lines.expect("mapped")).expect("room");
    for (prefix, value) in &list {
        map("TRIE_V4").set(&prefix.addr().trie_key(prefix.len()), value).expect("room");
    }
    let frame = datagram(random::ADDRESSES_V4[0].into(), 0, false);
    let names = ["NODES_V4", "LINES_V4", "TRIE_V4", "SAMPLES"];
    expect_equal_hits(&maps, names, list.len() as u32, &frame);
    drop(table);
}

#[test]
fn ipv6_programs_agree() {
    let runner = &mut kernel::runner(1);
    let list = values(random_prefixes::<u128>(runner.rng()));
    let prefixes: Vec<Prefix<u128>> = list.iter().map(|(prefix, _)| *prefix).collect();
    let samples: Vec<[u32; 4]> = addresses(&prefixes, runner.rng()).into_iter().map(words).collect();
    let maps = rival_maps(
        Sizes::of(&list).expect("a list"),
        list.len(),
        ["NODES_V6", "LINES_V6", "TRIE_V6"],
        &samples,
    );
    let map = |name| maps.map(name).expect("a map");
    let (nodes, lines) = (map("NODES_V6").mapped::<Node>(), map("LINES_V6").mapped::<LineV6>());
    let table = TableV6::build(&list, nodes.expect("mapped"), lines.expect("mapped")).expect("room");
    for (prefix, value) in &list {
        map("TRIE_V6").set(&prefix.addr().trie_key(prefix.len()), value).expect("room");
    }
    let frame = datagram(random::ADDRESSES_V6[0].into(), 0, false);
    let names = ["NODES_V6", "LINES_V6", "TRIE_V6", "SAMPLES"];
    expect_equal_hits(&maps, names, list.len() as u32, &frame);
    drop(table);
}
