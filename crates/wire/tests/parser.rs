//! The parser against a naive one made of slices: on valid frames, on damaged ones, on noise, and on every truncation.

use proptest::prelude::*;
use wire::{
    Fragment, Frame, Headers, Malformed,
    model::{self, Dissected, Part},
    parse, transport,
};

fn parsed(bytes: &[u8], length: usize) -> Result<Headers, Malformed> {
    parse(&Frame::new(&mut bytes.to_vec()), length as u64)
}

fn part(headers: &Headers) -> Part {
    match headers.fragment() {
        Fragment::Whole => Part::All,
        Fragment::First => Part::First,
        Fragment::Later => Part::Later,
    }
}

/// Everything both parsers have a word for.
fn compare(bytes: &[u8], length: usize) -> Result<(), TestCaseError> {
    let headers = parsed(bytes, length);
    let dissected = model::dissect(bytes, length);
    let (headers, dissected) = match (headers, dissected) {
        (Err(malformed), Err(name)) => {
            prop_assert_eq!(malformed.name(), name);
            return Ok(());
        }
        (Ok(headers), Ok(dissected)) => (headers, dissected),
        (headers, dissected) => {
            return Err(TestCaseError::fail(format!("{headers:?}, but the model says {dissected:?}")));
        }
    };
    prop_assert_eq!(headers.ethertype, dissected.ethertype);
    prop_assert_eq!(usize::from(headers.tags), dissected.vlans.len());
    prop_assert_eq!(headers.version, dissected.ip.as_ref().map_or(0, |ip| ip.version));
    compare_ip(bytes, &headers, &dissected)
}

fn compare_ip(bytes: &[u8], headers: &Headers, dissected: &Dissected<'_>) -> Result<(), TestCaseError> {
    let Some(ip) = &dissected.ip else {
        prop_assert_eq!((headers.protocol, part(headers)), (0, Part::All));
        return Ok(());
    };
    prop_assert_eq!(headers.protocol, ip.protocol);
    prop_assert_eq!(part(headers), ip.part);
    prop_assert_eq!(headers.network_offset(), bytes.len() - ip.packet.len());
    let offset = headers.transport_offset();
    prop_assert_eq!(bytes.get(offset..).unwrap_or(&[]), ip.payload);
    compare_transport(bytes, headers, ip)
}

fn compare_transport(bytes: &[u8], headers: &Headers, ip: &model::Ip<'_>) -> Result<(), TestCaseError> {
    let read = transport::transport(&Frame::new(&mut bytes.to_vec()), headers);
    let (needed, name) = match ip.protocol {
        6 => (20, "tcp_truncated"),
        17 | 33 | 132 | 136 => (8, "udp_truncated"),
        _ if ip.is_icmp() => (4, "icmp_truncated"),
        _ => (0, ""),
    };
    let Some(upper) = ip.upper(needed) else {
        if ip.part == Part::Later {
            prop_assert_eq!(read, Ok(transport::Transport::default()));
        } else {
            prop_assert_eq!(read.map_err(Malformed::name), Err(name));
        }
        return Ok(());
    };
    let (source_port, destination_port) = ip.ports().unwrap_or_default();
    let (icmp_type, icmp_code) = if ip.is_icmp() { (upper[0], upper[1]) } else { (0, 0) };
    let tcp_flags = if ip.protocol == 6 { upper[13] } else { 0 };
    let expected = transport::Transport { source_port, destination_port, tcp_flags, icmp_type, icmp_code };
    prop_assert_eq!(read, Ok(expected));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_the_model_on_any_frame(bytes in testkit::random::frame()) {
        compare(&bytes, bytes.len())?;
    }

    /// A frame whose first buffer holds only its beginning, as captures and multi-buffer frames are.
    #[test]
    fn agrees_with_the_model_on_the_beginning_of_a_longer_frame(
        bytes in testkit::random::frame(),
        more in 0..3000_usize,
    ) {
        compare(&bytes, bytes.len() + more)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_truncation_is_an_error_or_the_same_headers(bytes in testkit::random::valid()) {
        let whole = parsed(&bytes, bytes.len());
        for end in 0..bytes.len() {
            compare(&bytes[..end], end)?;
            if let (Ok(cut), Ok(whole)) = (parsed(&bytes[..end], end), &whole) {
                prop_assert_eq!(&cut, whole, "cut to {}", end);
            }
            if end < 14 {
                prop_assert_eq!(parsed(&bytes[..end], end), Err(Malformed::EthernetTruncated));
            }
        }
    }
}
