use wire::{
    Fragment, Frame, Headers, Malformed,
    model::{self, Dissected, Part},
    parse, transport,
};

use crate::Bytes;

/// The parser of packets and the naive one of slices find the same. The first two bytes: how much of the frame is behind
/// the first buffer.
pub fn packet(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    let behind = usize::from(u16::from_le_bytes(bytes.array()));
    let frame = bytes.0;
    let length = frame.len() + behind;
    let parsed = parse(&Frame::new(&mut frame.to_vec()), length as u64);
    match (parsed, model::dissect(frame, length)) {
        (Err(malformed), Err(name)) => assert_eq!(malformed.name(), name),
        (Ok(headers), Ok(dissected)) => same(frame, &headers, &dissected),
        (parsed, dissected) => panic!("{parsed:?}, but the model says {dissected:?}"),
    }
}

fn same(frame: &[u8], headers: &Headers, dissected: &Dissected<'_>) {
    let part = match headers.fragment() {
        Fragment::Whole => Part::All,
        Fragment::First => Part::First,
        Fragment::Later => Part::Later,
    };
    assert_eq!(headers.ethertype, dissected.ethertype);
    assert_eq!(usize::from(headers.tags), dissected.vlans.len());
    let Some(ip) = &dissected.ip else {
        assert_eq!((headers.version, headers.protocol, part), (0, 0, Part::All));
        return;
    };
    assert_eq!((headers.version, headers.protocol, part), (ip.version, ip.protocol, ip.part));
    assert_eq!(headers.network_offset(), frame.len() - ip.packet.len());
    assert_eq!(frame.get(headers.transport_offset()..).unwrap_or(&[]), ip.payload);
    let read = transport::transport(&Frame::new(&mut frame.to_vec()), headers);
    let (needed, name) = match ip.protocol {
        6 => (20, "tcp_truncated"),
        17 | 33 | 132 | 136 => (8, "udp_truncated"),
        _ if ip.is_icmp() => (4, "icmp_truncated"),
        _ => (0, ""),
    };
    let Some(upper) = ip.upper(needed) else {
        if ip.part == Part::Later {
            assert_eq!(read, Ok(transport::Transport::default()));
        } else {
            assert_eq!(read.map_err(Malformed::name), Err(name));
        }
        return;
    };
    let (source_port, destination_port) = ip.ports().unwrap_or_default();
    let (icmp_type, icmp_code) = if ip.is_icmp() { (upper[0], upper[1]) } else { (0, 0) };
    let tcp_flags = if ip.protocol == 6 { upper[13] } else { 0 };
    let expected = transport::Transport { source_port, destination_port, tcp_flags, icmp_type, icmp_code };
    assert_eq!(read, Ok(expected));
}
