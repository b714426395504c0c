//! The packets that are measured with.

use wire::checksum;

const UDP_PAYLOAD: usize = 18;

/// A UDP datagram over IPv4, 60 bytes, from 10.0.0.1 to 10.0.0.2, port 9.
pub fn udp_v4(destination: [u8; 6]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(60);
    frame.extend(destination);
    frame.extend([0x02, 0, 0, 0, 0, 1, 0x08, 0x00]);
    let total = (20 + 8 + UDP_PAYLOAD) as u16;
    let mut ip = vec![0x45, 0];
    ip.extend(total.to_be_bytes());
    ip.extend([0, 0, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    let sum = checksum::full(&ip).to_be_bytes();
    ip[10..12].copy_from_slice(&sum);
    frame.extend(ip);
    frame.extend(udp_header());
    frame.extend([0; UDP_PAYLOAD]);
    frame
}

/// The same over IPv6, from 2001:db8::1 to 2001:db8::2.
pub fn udp_v6(destination: [u8; 6]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(80);
    frame.extend(destination);
    frame.extend([0x02, 0, 0, 0, 0, 1, 0x86, 0xdd]);
    frame.extend([0x60, 0, 0, 0]);
    frame.extend(((8 + UDP_PAYLOAD) as u16).to_be_bytes());
    frame.extend([17, 64]);
    for host in [1, 2] {
        frame.extend([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host]);
    }
    frame.extend(udp_header());
    frame.extend([0; UDP_PAYLOAD]);
    frame
}

fn udp_header() -> [u8; 8] {
    let length = ((8 + UDP_PAYLOAD) as u16).to_be_bytes();
    [0x30, 0x39, 0, 9, length[0], length[1], 0, 0]
}
