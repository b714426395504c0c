//! The packet before and after.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use wire::ethernet;

/// Bytes that became others, in hex.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Of the first of them, from the frame's start.
    pub offset: usize,
    pub before: String,
    pub after: String,
}

/// The source address in the fixed IP header, which malformed packets may have, too.
pub fn source(frame: &[u8]) -> Option<IpAddr> {
    let type_at = |at: usize| Some(u16::from_be_bytes(frame.get(at..at + 2)?.try_into().ok()?));
    let mut at = 12;
    let mut ethertype = type_at(at)?;
    for _ in 0..2 {
        if ethernet::is_tag(ethertype) {
            at += ethernet::TAG;
            ethertype = type_at(at)?;
        }
    }
    let header = frame.get(at + 2..)?;
    match (ethertype, header.first()? >> 4) {
        (ethernet::IPV4, 4) => Some(IpAddr::from(<[u8; 4]>::try_from(header.get(12..16)?).ok()?)),
        (ethernet::IPV6, 6) => Some(IpAddr::from(<[u8; 16]>::try_from(header.get(8..24)?).ok()?)),
        _ => None,
    }
}

/// Runs of bytes that differ, as far as both frames go.
pub fn changes(before: &[u8], after: &[u8]) -> Vec<Changed> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (at, _) in before.iter().zip(after).enumerate().filter(|(_, (a, b))| a != b) {
        match runs.last_mut() {
            Some((_, end)) if *end == at => *end = at + 1,
            _ => runs.push((at, at + 1)),
        }
    }
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let changed = |(start, end): (usize, usize)| Changed {
        offset: start,
        before: hex(&before[start..end]),
        after: hex(&after[start..end]),
    };
    runs.into_iter().map(changed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_bytes_that_differ() {
        let changed = |offset, before: &str, after: &str| Changed {
            offset,
            before: before.into(),
            after: after.into(),
        };
        assert_eq!(
            changes(&[1, 2, 3, 4, 5], &[9, 8, 3, 4, 0, 7]),
            [changed(0, "0102", "0908"), changed(4, "05", "00")]
        );
        assert_eq!(changes(&[1], &[1]), []);
    }

    #[test]
    fn sources_stand_behind_tags() {
        let mut frame = vec![0; 12];
        frame.extend([0x81, 0, 0, 5, 0x08, 0, 0x45]);
        frame.extend([0; 11]);
        assert_eq!(source(&frame), None);
        frame.extend([192, 0, 2, 7]);
        assert_eq!(source(&frame), Some([192, 0, 2, 7].into()));
        frame[18] = 0x65;
        assert_eq!(source(&frame), None, "no IPv4 header");
    }
}
