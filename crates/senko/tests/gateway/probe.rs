//! Which sources' packets come through, found out with a frame of each.

use std::{cell::Cell, net::IpAddr};

use lab::{Host, PacketListener, raw_listen, raw_send};

use crate::{
    fixture::{Gateway, PORT},
    support::{frames, patience},
};

/// An ethertype for experiments (IEEE 802), which no stage drops.
const MARKER: u16 = 0x88b5;

pub struct Probe {
    from: Host,
    to: Host,
    /// The sender's interface.
    out: String,
    listener: PacketListener,
    round: Cell<u32>,
}

impl Probe {
    pub fn of(gateway: &Gateway) -> Self {
        Self::between(gateway.peer(), "to-h2", gateway.host(), PORT)
    }

    pub fn between(from: &Host, out: &str, to: &Host, port: &str) -> Self {
        let listener = raw_listen(to, port).expect("root may listen");
        Self { from: from.clone(), to: to.clone(), out: out.into(), listener, round: Cell::new(0) }
    }

    /// Those of the sources that are not dropped.
    #[track_caller]
    pub fn passing<'s>(&self, sources: &[&'s str]) -> Vec<&'s str> {
        let payload = (self.round.get() + 1).to_be_bytes();
        let sent: Vec<Vec<u8>> =
            sources.iter().map(|source| udp(source, &self.from, &self.to, 9, &payload)).collect();
        let came = self.come(&sent);
        sources.iter().zip(came).filter_map(|(source, came)| came.then_some(*source)).collect()
    }

    /// Which of the frames are not dropped. Of those that are the same, the first ones come.
    #[track_caller]
    pub fn come(&self, frames: &[Vec<u8>]) -> Vec<bool> {
        self.round.set(self.round.get() + 1);
        let payload = self.round.get().to_be_bytes();
        let mut sent = frames.to_vec();
        let marker = frames::other(&self.from, &self.to, MARKER, &[&payload[..], &[0; 46]].concat());
        sent.push(marker.clone());
        raw_send(&self.from, &self.out, &sent).expect("it is sent");
        let mut came = vec![false; frames.len()];
        loop {
            let frame = self.listener.next(patience()).expect("the marker comes through");
            if frame == marker {
                break;
            }
            if let Some(at) = (0..frames.len()).find(|at| !came[*at] && sent[*at] == frame) {
                came[at] = true;
            }
        }
        came
    }
}

/// A UDP datagram from any source of either family.
pub fn udp(source: &str, from: &Host, to: &Host, port: u16, payload: &[u8]) -> Vec<u8> {
    match source.parse().expect("an address") {
        IpAddr::V4(source) => frames::udp4_from(source.octets(), from, to, port, payload),
        IpAddr::V6(source) => frames::udp6_from(source.octets(), from, to, port, payload),
    }
}
