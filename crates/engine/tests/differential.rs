//! The same frames natively and through `BPF_PROG_TEST_RUN`: verdict, bytes, counters and records must agree.
//!
//! This proves compiler, verifier, maps and helpers, not the protocols: those are the models' (`tests/` of each
//! function). Here the model is used where it is the shortest way to say what the host side says.

mod kernel;

use std::cell::{Cell, RefCell};

use abi::{Action, Reason, Stage, Step};
use capture::{cli::FilterArgs, filter::FilterValues, logic::wanted, logic::wants_malformed};
use counter::{model, rows::Subject, shared::ETHERTYPES};
use engine::PipelineBuilder;
use proptest::{collection::vec, prelude::*, test_runner::TestError};
use testkit::{
    frames,
    random::{ADDRESSES_V4, ADDRESSES_V6, kernel_frame},
    world::World,
};
use wire::{Frame, parse};

use crate::kernel::{Capturing, Reflecting};

/// Shows the smallest frames that differ.
fn expect_agreement<T: std::fmt::Debug>(result: Result<(), TestError<T>>) {
    if let Err(error) = result {
        panic!("{error}\nseed: {:?}", kernel::SEED);
    }
}

fn empty_ethertypes(pipeline: &engine::Pipeline) {
    let map = pipeline.map("ETHERTYPE_COUNTS").expect("a map");
    for key in map.keys::<u32>().expect("keys") {
        map.remove(&key).expect("a key");
    }
}

#[test]
fn counters_agree() {
    for icmp_types in [false, true] {
        let pipeline = kernel::counter(icmp_types);
        let result = kernel::runner(40).run(&vec(kernel_frame(), 1..100), |frames| {
            empty_ethertypes(&pipeline);
            let before = kernel::counts(&pipeline);
            for frame in &frames {
                let (action, after) = kernel::run(&pipeline, frame);
                prop_assert_eq!((action, &after), (Action::Pass, frame));
            }
            let counted = kernel::difference(&kernel::counts(&pipeline), &before);
            prop_assert_eq!(counted, model::count(frames.iter().map(Vec::as_slice), icmp_types));
            Ok(())
        });
        expect_agreement(result);
    }
}

/// The table of ethertypes has an end; what finds no room is counted as other, and nothing is lost.
#[test]
fn ethertypes_beyond_the_table_are_counted_together() {
    let pipeline = kernel::counter(false);
    let more = 100;
    for number in 0..ETHERTYPES + more {
        let frame = frames::ethernet(&[], 0x9200 + number as u16, &[0; 46]);
        kernel::run(&pipeline, &frame);
    }
    let counts = kernel::counts(&pipeline);
    assert_eq!(counts[&Subject::OtherEthertype].packets, u64::from(more));
    assert_eq!(counts.len(), ETHERTYPES as usize + 1);
    assert!(counts.values().all(|count| count.bytes == count.packets * 60));
}

/// The capture's decision on the host.
fn captured(filter: &FilterValues, bytes: &[u8]) -> bool {
    let mut copy = bytes.to_vec();
    let frame = Frame::new(&mut copy);
    match parse(&frame, bytes.len() as u64) {
        Ok(headers) => wanted(&frame, &headers, filter),
        Err(_) => wants_malformed(filter),
    }
}

/// What stands in the record of a frame that nobody claims.
fn unclaimed(bytes: &[u8]) -> Reason {
    match parse(&Frame::new(&mut bytes.to_vec()), bytes.len() as u64) {
        Ok(_) => Reason::Unclaimed,
        Err(_) => Reason::Malformed,
    }
}

fn filters() -> Vec<FilterArgs> {
    let proto = |name: &str| FilterArgs { proto: Some(name.into()), ..FilterArgs::default() };
    let host = |host| FilterArgs { host: Some(host), ..FilterArgs::default() };
    let port = |port| FilterArgs { port: Some(port), ..FilterArgs::default() };
    vec![
        FilterArgs::default(),
        FilterArgs { syn: true, ..FilterArgs::default() },
        FilterArgs { syn: true, ..port(80) },
        FilterArgs { ipv4: true, ..FilterArgs::default() },
        FilterArgs { ipv6: true, ..port(443) },
        proto("tcp"),
        proto("icmp"),
        proto("arp"),
        proto("58"),
        port(53),
        FilterArgs { port: Some(80), ..proto("udp") },
        host(ADDRESSES_V4[1].into()),
        host(ADDRESSES_V6[0].into()),
        FilterArgs { port: Some(443), ..host(ADDRESSES_V6[1].into()) },
    ]
}

#[test]
fn captures_agree() {
    let (taken, left) = (Cell::new(0), Cell::new(0));
    for (args, snaplen) in filters().into_iter().zip([65504, 96, 60, 14, 1].into_iter().cycle()) {
        let filter = FilterValues::from_args(&args).expect("a filter that can match");
        let builder = PipelineBuilder::new(&[Stage::Capture]);
        let capturing = RefCell::new(Capturing::load(builder, &filter, snaplen));
        let result = kernel::runner(300).run(&kernel_frame(), |frame| {
            let mut capturing = capturing.borrow_mut();
            let (action, after) = kernel::run(&capturing.pipeline, &frame);
            prop_assert_eq!((action, &after), (Action::Pass, &frame));
            let records = capturing.records();
            if !captured(&filter, &frame) {
                prop_assert_eq!(records, []);
                left.set(left.get() + 1);
                return Ok(());
            }
            taken.set(taken.get() + 1);
            let kept = frame.len().min(snaplen as usize);
            prop_assert_eq!(records.len(), 1);
            let (header, bytes) = &records[0];
            prop_assert_eq!(&bytes[..], &frame[..kept]);
            prop_assert_eq!((header.length as usize, header.captured as usize), (frame.len(), kept));
            prop_assert_eq!(header.verdict, Action::Pass as u32);
            prop_assert_eq!(header.reason, unclaimed(&frame) as u32);
            prop_assert!(header.time > 0 && header.ifindex == 1 && header.queue == 0);
            Ok(())
        });
        expect_agreement(result);
    }
    assert!(taken.get() > 500 && left.get() > 500, "{} captured, {} not", taken.get(), left.get());
}

/// Frames around the sizes of the ring's records; with several buffers also those that no single one holds.
#[test]
fn frames_of_all_sizes_are_captured_whole() {
    let one_buffer = [14, 15, 60, 95, 96, 97, 479, 480, 481, 1514, 2015, 2016, 2017, 3000];
    let several = [14, 96, 97, 3000, 4096, 9014, 16352, 16353, 40_000];
    let stages = PipelineBuilder::new(&[Stage::Counter, Stage::Capture]);
    for (builder, sizes) in [(stages.clone(), &one_buffer[..]), (stages.frags(), &several[..])] {
        let mut capturing = Capturing::load(builder, &FilterValues::default(), 65504);
        for size in sizes {
            let frame: Vec<u8> = (0..*size).map(|at| (at % 251) as u8).collect();
            assert_eq!(
                kernel::run(&capturing.pipeline, &frame),
                (Action::Pass, frame.clone()),
                "{size} bytes"
            );
            let records = capturing.records();
            assert_eq!(records.len(), 1, "{size} bytes");
            assert_eq!((records[0].0.length, &records[0].1), (*size, &frame));
        }
        let bytes: u64 = kernel::counts(&capturing.pipeline).values().map(|count| count.bytes).sum();
        assert_eq!(bytes, sizes.iter().map(|size| u64::from(*size)).sum::<u64>());
    }
}

/// The redirect stage's decision on the host, as the pipeline makes it.
fn reflect(bytes: &[u8], world: &mut World) -> (Action, Reason, Vec<u8>) {
    let mut copy = bytes.to_vec();
    let mut frame = Frame::new(&mut copy);
    let step = match parse(&frame, bytes.len() as u64) {
        Ok(headers) => redirect::logic::reflect(&mut frame, &headers, world),
        Err(_) => Step::Done(Action::Pass, Reason::Malformed),
    };
    match step {
        Step::Next => (Action::Pass, Reason::Unclaimed, copy),
        Step::Done(action, reason) => (action, reason, copy),
    }
}

/// Half of the frames are echo requests among the world's addresses.
fn echo_or_any() -> impl Strategy<Value = Vec<u8>> {
    let v4 = (prop::sample::select(&ADDRESSES_V4[..]), prop::sample::select(&ADDRESSES_V4[..2]), any::<u8>());
    let v4 = v4.prop_map(|(source, destination, ttl)| {
        let ip = frames::Ipv4 { source, destination, protocol: 1, ttl, fragment: 0, options: Vec::new() };
        let message = frames::icmp(8, 0, [0, 1, 0, 2], b"data");
        frames::ethernet(&[], frames::IPV4, &frames::ipv4(&ip, &message))
    });
    let v6 = (prop::sample::select(&ADDRESSES_V6[..]), prop::sample::select(&ADDRESSES_V6[..2]), any::<u8>());
    let v6 = v6.prop_map(|(source, destination, hop_limit)| {
        let ip = frames::Ipv6 { source, destination, protocol: 58, hop_limit, extensions: Vec::new() };
        let message = frames::icmpv6(source, destination, 128, 0, [0, 1, 0, 2], b"data");
        frames::ethernet(&[], frames::IPV6, &frames::ipv6(&ip, &message))
    });
    prop_oneof![1 => v4, 1 => v6, 2 => kernel_frame()]
}

#[test]
fn reflection_agrees_with_the_kernels_routes_and_neighbours() {
    for forwarding in [true, false] {
        kernel::in_namespace(|| {
            let world = World { forwarding, ..World::example() };
            let reflecting = Reflecting::build(world, PipelineBuilder::new(&[Stage::Redirect]));
            let mut seen = std::collections::BTreeSet::new();
            let reasons = RefCell::new(&mut seen);
            let result = kernel::runner(2000).run(&echo_or_any(), |frame| {
                let expected = reflect(&frame, &mut reflecting.world.clone());
                reasons.borrow_mut().insert(expected.1);
                prop_assert_eq!(reflecting.judge(&frame), expected);
                Ok(())
            });
            expect_agreement(result);
            let all = [
                Reason::Unclaimed,
                Reason::Malformed,
                Reason::RedirectReflect,
                Reason::RedirectNotPlain,
                Reason::RedirectNoRoute,
                Reason::RedirectNoNeighbour,
                Reason::RedirectForeignPort,
            ];
            let some = [Reason::RedirectForwardingOff, Reason::RedirectNotPlain];
            let expected: &[Reason] = if forwarding { &all } else { &some };
            assert!(expected.iter().all(|reason| seen.contains(reason)), "only {seen:?} were met");
        });
    }
}

/// A capture holds what came in, not what went out, and the verdict that was reached after it began. The perf buffer, for
/// older kernels, is written at the exit.
#[test]
fn a_reflected_frame_is_captured_as_it_came() {
    kernel::in_namespace(|| {
        let world = World::example();
        let stages = PipelineBuilder::new(&[Stage::Counter, Stage::Capture, Stage::Redirect]);
        let reflecting = Reflecting::build(world, stages);
        let mut reader = reflecting.pipeline.records().expect("a buffer");
        let ip = frames::Ipv4 {
            source: ADDRESSES_V4[1],
            destination: ADDRESSES_V4[0],
            protocol: 1,
            ttl: 9,
            fragment: 0,
            options: Vec::new(),
        };
        let message = frames::icmp(8, 0, [0, 1, 0, 2], b"data");
        let frame = frames::ethernet(&[], frames::IPV4, &frames::ipv4(&ip, &message));
        let (action, reason, after) = reflecting.judge(&frame);
        assert_eq!((action, reason), (Action::Redirect, Reason::RedirectReflect));
        assert_ne!(after, frame);
        let expected = match engine::RecordBuffer::of_running_kernel() {
            engine::RecordBuffer::Ring => &frame[..],
            engine::RecordBuffer::Perf => &after,
        };
        let mut records = 0;
        engine::Records::drain(&mut reader, &mut |record| {
            let packet = capture::record::Packet::from_record(record).expect("a whole record");
            assert_eq!(
                (packet.bytes, packet.verdict(), packet.reason()),
                (expected, "redirect", "redirect_reflect")
            );
            records += 1;
        });
        assert_eq!(records, 1);
        let counts = kernel::counts(&reflecting.pipeline);
        assert_eq!(counts, model::count([&frame[..]], false));
    });
}

/// The other form of redirection: every frame, malformed ones too, leaves as it came; without a peer it goes up.
#[test]
fn a_cable_carries_every_frame_unchanged() {
    kernel::in_namespace(|| {
        for stages in [&[Stage::Redirect][..], &[Stage::Counter, Stage::Capture, Stage::Redirect]] {
            let pipeline = PipelineBuilder::new(stages).load().expect("cross-connect is the default");
            let carried = |action, reason| {
                let result = kernel::runner(300).run(&kernel_frame(), |frame| {
                    let packets = || pipeline.reasons().expect("a map")[&reason].packets;
                    let before = packets();
                    prop_assert_eq!(kernel::run(&pipeline, &frame), (action, frame));
                    prop_assert_eq!(packets(), before + 1);
                    Ok(())
                });
                expect_agreement(result);
            };
            carried(Action::Pass, Reason::RedirectForeignPort);
            let peer = pipeline.map("PEER_PORT").expect("a map");
            let mut value = vec![0; peer.spec().value_size as usize];
            value[..4].copy_from_slice(&engine::ifindex("lo").expect("every namespace has it").to_ne_bytes());
            peer.set_raw(&0_u32.to_ne_bytes(), &value).expect("room");
            carried(Action::Redirect, Reason::RedirectPort);
        }
    });
}
