//! What is told of a frame, said a second time and naively, for tests.

use wire::model::{self, Part};

use crate::subject::Subject;

pub fn describe(frame: &[u8]) -> Subject {
    let mut subject = Subject::NOTHING;
    let Some((ethertype, packet)) = behind_tags(frame) else { return subject };
    subject.ethertype = ethertype;
    let (version, addresses) = match ethertype {
        0x0800 if packet.len() >= 20 => (4, &packet[12..20]),
        0x86dd if packet.len() >= 40 => (6, &packet[8..40]),
        _ => return subject,
    };
    if packet[0] / 16 != version {
        return subject;
    }
    subject.ip_version = version;
    subject.protocol = if version == 4 { packet[9] } else { packet[6] };
    let (source, destination) = addresses.split_at(addresses.len() / 2);
    subject.source = words(source);
    subject.destination = words(destination);
    let Ok(Some(ip)) = model::dissect(frame, frame.len()).map(|dissected| dissected.ip) else {
        return subject;
    };
    subject.protocol = ip.protocol;
    if ip.part == Part::Later {
        return subject;
    }
    if [6, 17, 33, 132, 136].contains(&ip.protocol) && ip.payload.len() >= 4 {
        subject.source_port = model::number(&ip.payload[..2]) as u16;
        subject.destination_port = model::number(&ip.payload[2..4]) as u16;
    }
    if ip.protocol == 6 && ip.payload.len() >= 20 {
        subject.tcp_flags = ip.payload[13];
    }
    if ip.is_icmp() && ip.payload.len() >= 4 {
        subject.icmp_type = ip.payload[0];
    }
    subject
}

/// The type behind at most two tags, and what follows it.
fn behind_tags(frame: &[u8]) -> Option<(u16, &[u8])> {
    let mut rest = frame.get(12..)?;
    for _ in 0..2 {
        // A tag that is cut off is the type that the frame has.
        if matches!(rest.get(..2)?, [0x81 | 0x91, 0x00] | [0x88, 0xa8]) && rest.len() >= 6 {
            rest = &rest[4..];
        }
    }
    let (ethertype, packet) = rest.split_at_checked(2)?;
    Some((model::number(ethertype) as u16, packet))
}

fn words(address: &[u8]) -> [u32; 4] {
    let mut all = [0; 16];
    all[16 - address.len()..].copy_from_slice(address);
    [0, 4, 8, 12].map(|at| model::number(&all[at..at + 4]))
}
