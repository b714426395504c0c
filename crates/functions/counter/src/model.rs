//! What the counters must show, said a second time and naively, for tests.

use wire::{
    Malformed,
    model::{self, Part},
};

use crate::{
    rows::{Snapshot, Subject},
    shared::Count,
};

/// What one frame counts for.
pub fn subjects(frame: &[u8], icmp_types: bool) -> Vec<Subject> {
    let dissected = match model::dissect(frame, frame.len()) {
        Ok(dissected) => dissected,
        Err(name) => {
            let code = Malformed::ALL.iter().position(|malformed| malformed.name() == name);
            return vec![Subject::Malformed(code.expect("a known name") as u8)];
        }
    };
    let Some(ip) = dissected.ip else { return vec![Subject::Ethertype(dissected.ethertype)] };
    let four = ip.version == 4;
    let mut subjects = vec![if four { Subject::Ipv4(ip.protocol) } else { Subject::Ipv6(ip.protocol) }];
    if icmp_types && ip.is_icmp() && ip.part != Part::Later && ip.payload.len() >= 4 {
        let kind = ip.payload[0];
        subjects.push(if four { Subject::Icmp(kind) } else { Subject::Icmpv6(kind) });
    }
    subjects
}

/// The counters after all these frames.
pub fn count<'a>(frames: impl IntoIterator<Item = &'a [u8]>, icmp_types: bool) -> Snapshot {
    let mut snapshot = Snapshot::new();
    for frame in frames {
        for subject in subjects(frame, icmp_types) {
            let count = snapshot.entry(subject).or_insert(Count::ZERO);
            *count = Count { packets: count.packets + 1, bytes: count.bytes + frame.len() as u64 };
        }
    }
    snapshot
}

/// A row in words, for vectors: `4 tcp`, `4 icmp 8`, `arp`, `malformed ipv4_version`.
pub fn label(subject: Subject) -> String {
    let version = subject.ip_version().map(|version| version.to_string());
    let icmp_type = subject.icmp_type().map(|kind| kind.to_string());
    let reason = subject.reason().map(Into::into);
    let words = [version, Some(subject.protocol()), icmp_type, reason];
    words.into_iter().flatten().collect::<Vec<String>>().join(" ")
}
