//! Programs of several interfaces that share their maps: each counts in its own part, and has its own peer.

mod kernel;

use abi::{Action, Reason, Stage, interface, reason::STRIDE};
use counter::{
    model,
    rows::{self, Snapshot},
    shared::{Count, slot},
};
use engine::{Pipeline, PipelineBuilder};
use testkit::{frames, prefixes::datagram};

const SHARED: [&str; 4] = ["COUNTS", "ETHERTYPE_COUNTS", "REASONS", "PEER_PORT"];

/// The programs of some slots, on maps for all that there can be.
fn gateway(stages: &[Stage], slots: &[u32]) -> Vec<Pipeline> {
    let maker = PipelineBuilder::new(stages)
        .map_entries("COUNTS", interface::MAX * slot::SLOTS)
        .map_entries("REASONS", interface::MAX * STRIDE)
        .map_entries("PEER_PORT", interface::MAX)
        .load()
        .expect("the largest maps");
    let builder = SHARED.into_iter().fold(PipelineBuilder::new(stages), |builder, name| {
        builder.share(name, maker.map(name).expect("a map"))
    });
    let load = |slot: &u32| builder.clone().interface(*slot).load().expect("the program loads");
    slots.iter().map(load).collect()
}

fn snapshot(pipeline: &Pipeline, interface: u32) -> Snapshot {
    let mut slots = Vec::new();
    let counts = pipeline.map("COUNTS").expect("a map");
    counts
        .for_each_per_cpu_in(slot::range(interface), |slot, counts: &[Count]| {
            slots.push((slot, counts.to_vec()));
        })
        .expect("a per-CPU array");
    let map = pipeline.map("ETHERTYPE_COUNTS").expect("a map");
    let ethertypes = map.keys::<u32>().expect("keys").into_iter();
    let ethertypes = ethertypes.map(|key| (key, map.get_per_cpu(&key).expect("a key")));
    rows::snapshot(interface, slots.into_iter(), ethertypes)
}

#[test]
fn each_counts_for_itself() {
    let udp = datagram("192.0.2.1".parse().expect("an address"), 0, false);
    let arp = frames::ethernet(&[], frames::ARP, &[0; 46]);
    let broken = frames::ethernet(&[], frames::IPV4, &[0x45; 10]);
    let slots = [0, 1, interface::MAX - 1];
    let programs = gateway(&[Stage::Counter, Stage::Firewall], &slots);
    let mut sent: Vec<Vec<&[u8]>> = Vec::new();
    for (at, program) in programs.iter().enumerate() {
        let frames = [&udp, &arp, &broken].into_iter().flat_map(|frame| vec![frame.as_slice(); at + 1]);
        sent.push(frames.collect());
        for frame in &sent[at] {
            assert_eq!(kernel::run(program, frame).0, Action::Pass);
        }
    }
    for ((slot, program), sent) in slots.into_iter().zip(&programs).zip(&sent) {
        assert_eq!(snapshot(program, slot), model::count(sent.iter().copied(), false), "slot {slot}");
        let reasons = engine::reasons(program.map("REASONS").expect("a map"), slot).expect("counters");
        let packets = |reason| reasons[&reason].packets as usize;
        let third = sent.len() / 3;
        assert_eq!((packets(Reason::Unclaimed), packets(Reason::Malformed)), (2 * third, third));
        let bytes: usize = sent.iter().map(|frame| frame.len()).sum();
        assert_eq!(reasons.values().map(|judged| judged.bytes).sum::<u64>(), bytes as u64);
    }
    let others = engine::reasons(programs[0].map("REASONS").expect("a map"), 2).expect("counters");
    assert!(others.values().all(|judged| judged.packets == 0), "{others:?}");
    assert_eq!(snapshot(&programs[0], 2), Snapshot::new());
}

/// A slot that the maps have no room for is counted nowhere, rather than as another.
#[test]
fn a_slot_beyond_the_maps_harms_nobody() {
    let program = PipelineBuilder::new(&[Stage::Counter, Stage::Firewall]).interface(1).load();
    let program = program.expect("the program loads");
    let frame = datagram("192.0.2.1".parse().expect("an address"), 0, false);
    assert_eq!(kernel::run(&program, &frame), (Action::Pass, frame));
    assert_eq!((snapshot(&program, 0), snapshot(&program, 1)), (Snapshot::new(), Snapshot::new()));
}

#[test]
fn each_has_its_own_peer() {
    kernel::in_namespace(|| {
        let programs = gateway(&[Stage::Redirect], &[3, 4]);
        let peers = programs[0].map("PEER_PORT").expect("a map");
        let mut value = vec![0; peers.spec().value_size as usize];
        value[..4].copy_from_slice(&engine::ifindex("lo").expect("every namespace has it").to_ne_bytes());
        peers.set_raw(&4_u32.to_ne_bytes(), &value).expect("room");
        let frame = datagram("192.0.2.1".parse().expect("an address"), 0, false);
        let verdicts: Vec<Action> = programs.iter().map(|program| kernel::run(program, &frame).0).collect();
        assert_eq!(verdicts, [Action::Pass, Action::Redirect]);
    });
}
