//! Reflection against its model, and its replies against etherparse.

mod stage;

use abi::{Action, Reason, Step};
use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use proptest::prelude::*;
use redirect::model;
use testkit::{
    frames::{self, Extension, Ipv4, Ipv6},
    random::{ADDRESSES_V4, ADDRESSES_V6},
    world::World,
};

use crate::stage::judge;

/// Mostly echo requests, so that all the ways to end are met often.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![3 => echo_request(), 2 => testkit::random::frame()]
}

fn echo_request() -> BoxedStrategy<Vec<u8>> {
    let data = prop::collection::vec(any::<u8>(), 0..60);
    let v4 = (prop::sample::select(&ADDRESSES_V4[..]), prop::sample::select(&ADDRESSES_V4[..2]), any::<u8>());
    let v6 = (prop::sample::select(&ADDRESSES_V6[..]), prop::sample::select(&ADDRESSES_V6[..2]), any::<u8>());
    let v4 = (v4, any::<[u8; 4]>(), data.clone()).prop_map(|((source, destination, ttl), rest, data)| {
        let ip = Ipv4 { source, destination, protocol: 1, ttl, fragment: 0x4000, options: Vec::new() };
        frames::ethernet(&[], frames::IPV4, &frames::ipv4(&ip, &frames::icmp(8, 0, rest, &data)))
    });
    let v6 = (v6, any::<[u8; 4]>(), data).prop_map(|((source, destination, hop_limit), rest, data)| {
        let ip = Ipv6 { source, destination, protocol: 58, hop_limit, extensions: Vec::new() };
        let message = frames::icmpv6(source, destination, 128, 0, rest, &data);
        frames::ethernet(&[], frames::IPV6, &frames::ipv6(&ip, &message))
    });
    (prop_oneof![v4, v6], any::<bool>())
        .prop_map(|(frame, pad)| if pad { frames::padded(frame) } else { frame })
        .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_the_model(frame in frame(), forwarding in prop::bool::weighted(0.9)) {
        let mut world = World { forwarding, ..World::example() };
        let ours = judge(&frame, &mut world);
        prop_assert_eq!(&ours, &model::reflect(&frame, &mut world));
        if !matches!(ours.0, Step::Done(Action::Redirect, _)) {
            prop_assert_eq!(ours.1, frame);
        }
    }

    /// What etherparse reads in the reply, and its checksums computed by etherparse.
    #[test]
    fn replies_are_what_etherparse_calls_right(request in echo_request()) {
        let mut world = World::example();
        let (step, reply) = judge(&request, &mut world);
        if step == Step::Done(Action::Redirect, Reason::RedirectReflect) {
            check_reply(&request, &reply)?;
        }
    }
}

fn check_reply(request: &[u8], reply: &[u8]) -> Result<(), TestCaseError> {
    let asked = SlicedPacket::from_ethernet(request).expect("the request is valid");
    let answered = SlicedPacket::from_ethernet(reply).expect("the reply is valid");
    prop_assert_eq!(&reply[..6], &[0x02, 0, 0, 0, 0, reply[5]]);
    prop_assert_eq!(&reply[6..12], &[0x02, 0, 0, 0, 0, 0x01]);
    prop_assert_eq!(request.len(), reply.len());
    match (&asked.net, &answered.net, &asked.transport, &answered.transport) {
        (
            Some(NetSlice::Ipv4(from)),
            Some(NetSlice::Ipv4(to)),
            Some(TransportSlice::Icmpv4(request)),
            Some(TransportSlice::Icmpv4(reply)),
        ) => {
            let (from, to) = (from.header(), to.header());
            prop_assert_eq!(
                (to.source_addr(), to.destination_addr()),
                (from.destination_addr(), from.source_addr())
            );
            prop_assert_eq!((to.ttl(), to.total_len()), (64, from.total_len()));
            prop_assert_eq!(to.header_checksum(), to.to_header().calc_header_checksum());
            prop_assert_eq!((reply.type_u8(), reply.code_u8()), (0, 0));
            prop_assert_eq!(reply.bytes5to8(), request.bytes5to8());
            prop_assert_eq!(reply.payload(), request.payload());
            prop_assert_eq!(reply.checksum(), reply.icmp_type().calc_checksum(reply.payload()));
        }
        (
            Some(NetSlice::Ipv6(from)),
            Some(NetSlice::Ipv6(to)),
            Some(TransportSlice::Icmpv6(request)),
            Some(TransportSlice::Icmpv6(reply)),
        ) => {
            let (from, to) = (from.header(), to.header());
            prop_assert_eq!(
                (to.source_addr(), to.destination_addr()),
                (from.destination_addr(), from.source_addr())
            );
            prop_assert_eq!((to.hop_limit(), to.payload_length()), (64, from.payload_length()));
            prop_assert_eq!((reply.type_u8(), reply.code_u8()), (129, 0));
            prop_assert_eq!(reply.bytes5to8(), request.bytes5to8());
            prop_assert_eq!(reply.payload(), request.payload());
            prop_assert!(reply.is_checksum_valid(to.source(), to.destination()));
        }
        other => return Err(TestCaseError::fail(format!("{other:?}"))),
    }
    Ok(())
}

fn v4(source: usize, destination: usize) -> Ipv4 {
    let [source, destination] = [ADDRESSES_V4[source], ADDRESSES_V4[destination]];
    Ipv4 { source, destination, protocol: 1, ttl: 7, fragment: 0, options: Vec::new() }
}

fn v6(source: usize, destination: usize) -> Ipv6 {
    let [source, destination] = [ADDRESSES_V6[source], ADDRESSES_V6[destination]];
    Ipv6 { source, destination, protocol: 58, hop_limit: 7, extensions: Vec::new() }
}

fn request_v4(ip: &Ipv4) -> Vec<u8> {
    frames::ethernet(&[], frames::IPV4, &frames::ipv4(ip, &frames::icmp(8, 0, [0, 1, 0, 2], b"abc")))
}

fn request_v6(ip: &Ipv6) -> Vec<u8> {
    let message = frames::icmpv6(ip.source, ip.destination, 128, 0, [0, 1, 0, 2], b"abc");
    frames::ethernet(&[], frames::IPV6, &frames::ipv6(ip, &message))
}

/// `frame` goes up unchanged, for that reason.
#[track_caller]
fn refused(frame: &[u8], world: &mut World, reason: Reason) {
    assert_eq!(judge(frame, world), (Step::Done(Action::Pass, reason), frame.to_vec()));
}

/// Peer 10.0.0.2 and 2001:db8::2 (index 1) asks 10.0.0.1 and 2001:db8::1 (index 0).
#[test]
fn an_echo_request_is_answered() {
    let mut world = World::example();
    for frame in [request_v4(&v4(1, 0)), request_v6(&v6(1, 0))] {
        let (step, reply) = judge(&frame, &mut world);
        assert_eq!(step, Step::Done(Action::Redirect, Reason::RedirectReflect));
        check_reply(&frame, &reply).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn an_address_of_somebody_else_is_not_answered_for() {
    let mut world = World::example();
    refused(&request_v4(&v4(1, 2)), &mut world, Reason::RedirectNotLocal);
    refused(&request_v6(&v6(1, 2)), &mut world, Reason::RedirectNotLocal);
}

#[test]
fn a_sender_without_route_is_the_kernels() {
    let mut world = World::example();
    refused(&request_v4(&v4(4, 0)), &mut world, Reason::RedirectNoRoute);
    refused(&request_v6(&v6(4, 0)), &mut world, Reason::RedirectNoRoute);
}

#[test]
fn an_unknown_neighbour_is_the_kernels_to_resolve() {
    let mut world = World::example();
    refused(&request_v4(&v4(2, 0)), &mut world, Reason::RedirectNoNeighbour);
    refused(&request_v6(&v6(2, 0)), &mut world, Reason::RedirectNoNeighbour);
}

#[test]
fn a_way_back_through_a_port_of_others_is_not_taken() {
    let mut world = World::example();
    refused(&request_v4(&v4(3, 0)), &mut world, Reason::RedirectForeignPort);
    refused(&request_v6(&v6(3, 0)), &mut world, Reason::RedirectForeignPort);
}

#[test]
fn without_forwarding_the_kernel_answers() {
    let mut world = World { forwarding: false, ..World::example() };
    refused(&request_v4(&v4(1, 0)), &mut world, Reason::RedirectForwardingOff);
    refused(&request_v6(&v6(1, 0)), &mut world, Reason::RedirectForwardingOff);
}

#[test]
fn what_is_not_plain_is_the_kernels() {
    let mut world = World::example();
    let mut broken_sum = request_v4(&v4(1, 0));
    broken_sum[24] ^= 0x10;
    let tagged = [&request_v4(&v4(1, 0))[..12], &[0x81, 0, 0, 5], &request_v4(&v4(1, 0))[12..]].concat();
    let later =
        frames::ethernet(&[], frames::IPV4, &frames::ipv4(&Ipv4 { fragment: 3, ..v4(1, 0) }, &[0; 24]));
    let fragment = Ipv6 { extensions: vec![Extension::Fragment(1)], ..v6(1, 0) };
    let frames = [
        request_v4(&Ipv4 { options: vec![1; 4], ..v4(1, 0) }),
        request_v4(&Ipv4 { fragment: 0x2000, ..v4(1, 0) }),
        later,
        broken_sum,
        tagged,
        request_v4(&v4(5, 0)),
        request_v4(&v4(6, 0)),
        request_v4(&v4(7, 0)),
        request_v4(&v4(8, 0)),
        request_v6(&Ipv6 { extensions: vec![Extension::Options(0, 0)], ..v6(1, 0) }),
        request_v6(&fragment),
        request_v6(&v6(5, 0)),
        request_v6(&v6(6, 0)),
        request_v6(&v6(7, 0)),
        request_v6(&v6(8, 0)),
    ];
    for frame in frames {
        refused(&frame, &mut world, Reason::RedirectNotPlain);
    }
}

/// Ethernet's padding looks like an echo request behind a packet that ends before it.
#[test]
fn padding_is_not_answered() {
    let mut world = World::example();
    let request = request_v4(&v4(1, 0));
    let empty = frames::ipv4(&v4(1, 0), &[]);
    let frame = frames::padded([&request[..14], &empty, &request[34..]].concat());
    refused(&frame, &mut world, Reason::RedirectNotPlain);
    let request = request_v6(&v6(1, 0));
    let empty = frames::ipv6(&v6(1, 0), &[]);
    let frame = [&request[..14], &empty, &request[54..]].concat();
    refused(&frame, &mut world, Reason::RedirectNotPlain);
}

/// Neighbour discovery, listener reports (behind a hop-by-hop header) and errors are none of our business, not even to
/// count.
#[test]
fn other_icmp_is_not_claimed() {
    let mut world = World::example();
    let message = |ip: &Ipv6, kind| {
        let message = frames::icmpv6(ip.source, ip.destination, kind, 0, [0; 4], &[0; 20]);
        frames::ethernet(&[], frames::IPV6, &frames::ipv6(ip, &message))
    };
    let report = Ipv6 { extensions: vec![Extension::Options(0, 0)], ..v6(1, 6) };
    for frame in [
        message(&v6(1, 0), 135),
        message(&v6(1, 0), 136),
        message(&v6(1, 0), 129),
        message(&report, 143),
        frames::ethernet(&[], frames::IPV4, &frames::ipv4(&v4(1, 0), &frames::icmp(0, 0, [0; 4], b""))),
        frames::ethernet(&[], frames::IPV4, &frames::ipv4(&v4(1, 0), &frames::icmp(8, 1, [0; 4], b""))),
        frames::ethernet(
            &[],
            frames::IPV4,
            &frames::ipv4(&v4(1, 0), &frames::icmp(3, 1, [0; 4], &[0x45; 28])),
        ),
    ] {
        assert_eq!(judge(&frame, &mut world), (Step::Next, frame));
    }
}

#[test]
fn malformed_frames_are_the_kernels() {
    let mut world = World::example();
    let mut frame = request_v4(&v4(1, 0));
    frame[14] = 0x44;
    refused(&frame, &mut world, Reason::Malformed);
}
