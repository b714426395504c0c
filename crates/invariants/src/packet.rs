use wire::model;

use crate::Bytes;

/// The parser of packets and the naive one of slices find the same. The first two bytes: how much of the frame is behind
/// the first buffer.
pub fn packet(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    let behind = usize::from(u16::from_le_bytes(bytes.array()));
    model::agrees(bytes.0, bytes.0.len() + behind);
}
