use std::io;

use super::*;
use crate::{Circumstances, Holder, Mode, Occupant, XdpLink};

fn errno(number: i32) -> io::Error {
    io::Error::from_raw_os_error(number)
}

fn refused(number: i32, extack: Option<&str>, circumstances: Circumstances) -> Diagnosis {
    diagnose(&Error::Attach {
        interface: "eth7".into(),
        mode: "native",
        source: errno(number),
        extack: extack.map(Into::into),
        circumstances: Box::new(circumstances),
    })
}

#[test]
fn a_large_mtu_is_named_whatever_the_errno() {
    for number in [libc::ERANGE, libc::EINVAL, libc::EOPNOTSUPP] {
        let diagnosis = refused(number, None, Circumstances { mtu: 9000, ..Circumstances::default() });
        assert!(diagnosis.cause.contains("MTU 9000 > 3506"), "{diagnosis:?}");
        assert!(diagnosis.remedy.unwrap().contains("`ip link set dev eth7 mtu 3506`"));
        assert_eq!(diagnosis.exit_code, exit::NOT_SUPPORTED);
    }
    let small = refused(libc::EINVAL, None, Circumstances { mtu: 1500, ..Circumstances::default() });
    assert!(!small.cause.contains("MTU"), "{small:?}");
    let frags = Circumstances { mtu: 9000, frags: true, ..Circumstances::default() };
    assert!(!refused(libc::EINVAL, None, frags).cause.contains("MTU"));
}

#[test]
fn the_device_to_change_is_the_one_that_is_too_large() {
    let peer = Circumstances { mtu: 1500, peer: Some(("veth8".into(), 4000)), ..Circumstances::default() };
    let hidden = Circumstances { mtu: 1500, driver: Some("veth".into()), ..Circumstances::default() };
    assert!(refused(libc::ERANGE, None, hidden).remedy.unwrap().contains("in the peer's network namespace"));
    let diagnosis = refused(libc::ERANGE, Some("Peer MTU is too large to set XDP"), peer);
    assert!(diagnosis.cause.contains("MTU 4000 of its peer veth8"), "{diagnosis:?}");
    assert!(diagnosis.cause.contains("the kernel says: Peer MTU is too large"), "{diagnosis:?}");
    assert!(diagnosis.remedy.unwrap().contains("dev veth8 mtu 3506"));
}

#[test]
fn each_errno_of_attaching_has_its_code() {
    let facts = || Circumstances { mtu: 1500, driver: Some("bnxt_en".into()), ..Circumstances::default() };
    let cases = [
        (libc::EOPNOTSUPP, exit::NOT_SUPPORTED, "bnxt_en has no native XDP"),
        (libc::EBUSY, exit::CONFLICT, "holds its XDP hook"),
        (libc::EEXIST, exit::CONFLICT, "holds its XDP hook"),
        (libc::ENOMEM, exit::NOT_SUPPORTED, "too few queues"),
        (libc::ENOSPC, exit::NOT_SUPPORTED, "too few queues"),
        (libc::ENODEV, exit::FAILED, "disappeared"),
        (libc::EPERM, exit::NOT_PERMITTED, "not permitted"),
        (libc::EINVAL, exit::NOT_SUPPORTED, "bnxt_en"),
    ];
    for (number, code, clause) in cases {
        let diagnosis = refused(number, None, facts());
        assert_eq!(diagnosis.exit_code, code, "{diagnosis:?}");
        assert!(diagnosis.cause.contains(clause), "{diagnosis:?}");
        assert!(diagnosis.remedy.is_some(), "{diagnosis:?}");
    }
    assert!(refused(libc::ENOMEM, None, facts()).remedy.unwrap().contains("ethtool -L eth7"));
}

#[test]
fn an_occupant_is_named_completely() {
    let occupant = Occupant {
        mode: Mode::Generic,
        program_id: 12,
        program: None,
        links: vec![XdpLink { id: 5, program_id: 12, ifindex: 3 }],
        pins: vec!["/sys/fs/bpf/x/link".into()],
        holders: vec![Holder { pid: 77, command: "xdp-loader".into() }],
    };
    let error = Error::Occupied { interface: "eth7".into(), occupants: vec![occupant] };
    let diagnosis = diagnose(&error);
    assert_eq!(
        diagnosis.cause,
        "eth7 already runs an XDP program (id 12, generic mode, link 5, pinned at /sys/fs/bpf/x/link, held by \
         pid 77 `xdp-loader`)"
    );
    assert_eq!(diagnosis.exit_code, exit::CONFLICT);
}

#[test]
fn the_verifier_is_quoted_from_its_end() {
    let log = "func#0 @0\n0: (61) r0 = *(u32 *)(r1 +0)\n1: one\n2: two\n3: three\n4: four\n5: (71) r0 = *(u8 *)(r0 \
               +0)\nR0 invalid mem access 'scalar'\nverification time 30 usec\nprocessed 3 insns (limit 1000000)\n";
    let refusal =
        |number| diagnose(&Error::ProgramLoad { name: "bad".into(), source: errno(number), log: log.into() });
    let diagnosis = refusal(libc::EACCES);
    assert_eq!(diagnosis.cause, "the verifier refuses program `bad`: R0 invalid mem access 'scalar'");
    assert_eq!(diagnosis.exit_code, exit::FAILED);
    let remedy = diagnosis.remedy.unwrap();
    assert!(remedy.contains("5: (71)") && remedy.contains("--verifier-log"), "{remedy}");
    assert!(!remedy.contains("func#0") && !remedy.contains("processed"), "{remedy}");
    assert_eq!(refusal(libc::EOPNOTSUPP).exit_code, exit::NOT_SUPPORTED);
    assert_eq!(refusal(libc::EPERM).exit_code, exit::NOT_PERMITTED);
}

#[test]
fn maps_are_refused_in_words() {
    let refusal = |entries, number| {
        diagnose(&Error::MapCreate { name: "M".into(), entries, source: errno(number) }).cause
    };
    assert!(refusal(0, libc::EINVAL).contains("no `max_entries`"));
    assert!(refusal(9, libc::EINVAL).contains("does not know its type"));
    assert!(refusal(9, libc::E2BIG).contains("larger than the kernel allows"));
    assert!(refusal(9, libc::ENOMEM).contains("does not fit into memory"));
}
