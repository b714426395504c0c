//! From counters to rows: one per (ethertype, IP version, protocol).

use std::collections::BTreeMap;

use serde::Serialize;
use wire::{Malformed, ethernet, icmp, protocol};

use crate::shared::{Count, ethertype, slot};

/// What a row counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    Ipv4(u8),
    Ipv6(u8),
    /// ICMP over IPv4, by type.
    Icmp(u8),
    Icmpv6(u8),
    Ethertype(u16),
    /// Ethertypes beyond those that had room.
    OtherEthertype,
    /// By `wire::Malformed`.
    Malformed(u8),
}

/// The name of the protocol, ICMP type, ethertype or reason.
impl Subject {
    pub fn protocol(self) -> String {
        match self {
            Self::Ipv4(number) | Self::Ipv6(number) => {
                protocol::ip_name(number).map_or_else(|| number.to_string(), Into::into)
            }
            Self::Icmp(_) => "icmp".into(),
            Self::Icmpv6(_) => "icmpv6".into(),
            Self::Ethertype(ethertype) => protocol::ethertype_text(ethertype),
            Self::OtherEthertype => "other".into(),
            Self::Malformed(_) => "malformed".into(),
        }
    }

    pub fn ip_version(self) -> Option<u8> {
        match self {
            Self::Ipv4(_) | Self::Icmp(_) => Some(4),
            Self::Ipv6(_) | Self::Icmpv6(_) => Some(6),
            Self::Ethertype(_) | Self::OtherEthertype | Self::Malformed(_) => None,
        }
    }

    pub fn ethertype(self) -> Option<u16> {
        match self {
            Self::Ipv4(_) | Self::Icmp(_) => Some(ethernet::IPV4),
            Self::Ipv6(_) | Self::Icmpv6(_) => Some(ethernet::IPV6),
            Self::Ethertype(ethertype) => Some(ethertype),
            Self::OtherEthertype | Self::Malformed(_) => None,
        }
    }

    pub fn icmp_type(self) -> Option<u8> {
        match self {
            Self::Icmp(kind) | Self::Icmpv6(kind) => Some(kind),
            _ => None,
        }
    }

    pub fn reason(self) -> Option<&'static str> {
        match self {
            Self::Malformed(code) => Malformed::ALL.get(usize::from(code)).map(|malformed| malformed.name()),
            _ => None,
        }
    }

    /// What a slot of the array counts.
    pub(crate) fn of_slot(slot: u32) -> Self {
        let low = slot as u8;
        match slot {
            slot::OTHER_ETHERTYPE => Self::OtherEthertype,
            s if s >= slot::MALFORMED => Self::Malformed(low),
            s if s >= slot::ICMPV6 => Self::Icmpv6(low),
            s if s >= slot::ICMP => Self::Icmp(low),
            s if s >= slot::IPV6 => Self::Ipv6(low),
            _ => Self::Ipv4(low),
        }
    }

    /// The words that stand in a table for ICMP types and reasons.
    pub fn detail(self) -> String {
        match self {
            Self::Icmp(kind) => icmp::type_name_v4(kind).map_or_else(|| format!("type {kind}"), Into::into),
            Self::Icmpv6(kind) => icmp::type_name_v6(kind).map_or_else(|| format!("type {kind}"), Into::into),
            Self::Malformed(_) => self.reason().unwrap_or("unknown").into(),
            _ => String::new(),
        }
    }
}

/// All counters at one moment, those that are not zero.
pub type Snapshot = BTreeMap<Subject, Count>;

/// The snapshot of the interface with this slot, from per-CPU values of the array and of the hash with their keys. Those
/// of other interfaces may be among them.
pub fn snapshot(
    interface: u32,
    slots: impl Iterator<Item = (u32, Vec<Count>)>,
    ethertypes: impl Iterator<Item = (u32, Vec<Count>)>,
) -> Snapshot {
    let sum = |counts: Vec<Count>| {
        counts.into_iter().fold(Count::ZERO, |sum, count| Count {
            packets: sum.packets.wrapping_add(count.packets),
            bytes: sum.bytes.wrapping_add(count.bytes),
        })
    };
    let ours = slot::range(interface);
    let slots = slots
        .filter(|(index, _)| ours.contains(index))
        .map(|(index, counts)| (Subject::of_slot(index - ours.start), sum(counts)));
    let ethertypes = ethertypes.filter_map(|(key, counts)| {
        let (of, ethertype) = ethertype::of(key);
        (of == interface).then(|| (Subject::Ethertype(ethertype), sum(counts)))
    });
    slots.chain(ethertypes).filter(|(_, count)| count.packets != 0).collect()
}

/// One row of `senko count --json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Seconds since 1970.
    pub time: f64,
    pub interface: String,
    /// After VLAN tags.
    pub ethertype: Option<u16>,
    pub ip_version: Option<u8>,
    pub protocol: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icmp_type: Option<u8>,
    /// Why a frame is malformed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// Since the start.
    pub packets: u64,
    pub bytes: u64,
    /// In the last interval.
    pub packets_per_second: f64,
    pub bytes_per_second: f64,
}

/// The rows of one interface: totals, and rates since `before`, which was `seconds` ago.
pub fn rows(
    interface: &str,
    time: f64,
    now: &Snapshot,
    before: &Snapshot,
    seconds: f64,
) -> Vec<(Subject, Row)> {
    now.iter()
        .map(|(subject, count)| {
            let earlier = before.get(subject).copied().unwrap_or(Count::ZERO);
            let rate = |now: u64, then: u64| round((now - then) as f64 / seconds.max(1e-6));
            let row = Row {
                time,
                interface: interface.into(),
                ethertype: subject.ethertype(),
                ip_version: subject.ip_version(),
                protocol: subject.protocol(),
                icmp_type: subject.icmp_type(),
                reason: subject.reason(),
                packets: count.packets,
                bytes: count.bytes,
                packets_per_second: rate(count.packets, earlier.packets),
                bytes_per_second: rate(count.bytes, earlier.bytes),
            };
            (*subject, row)
        })
        .collect()
}

/// Digits beyond the third are noise of the clock.
fn round(rate: f64) -> f64 {
    (rate * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(packets: u64, bytes: u64) -> Count {
        Count { packets, bytes }
    }

    #[test]
    fn a_row_sums_all_cpus() {
        let slots =
            [(slot::IPV4 + 6, vec![counts(3, 300), counts(4, 400)]), (slot::IPV4 + 17, vec![Count::ZERO; 2])];
        let snapshot = snapshot(0, slots.into_iter(), std::iter::empty());
        assert_eq!(snapshot, Snapshot::from([(Subject::Ipv4(6), counts(7, 700))]));
    }

    #[test]
    fn a_snapshot_is_of_one_interface() {
        let slots = |packets| (0..3 * slot::SLOTS).map(move |index| (index, vec![counts(packets, 60)]));
        let ethertypes = || (0..3).map(|of| (ethertype::key(of, 0x0806), vec![counts(1, 42)]));
        let one = snapshot(1, slots(5), ethertypes());
        assert_eq!(one.len(), slot::SLOTS as usize + 1);
        assert_eq!(one[&Subject::Ethertype(0x0806)], counts(1, 42));
        let only = |index: u32| snapshot(1, [(index, vec![counts(1, 60)])].into_iter(), std::iter::empty());
        assert_eq!(only(slot::SLOTS + slot::IPV6 + 58), Snapshot::from([(Subject::Ipv6(58), counts(1, 60))]));
        assert_eq!(only(slot::SLOTS - 1), Snapshot::new());
        assert_eq!(only(2 * slot::SLOTS), Snapshot::new());
    }

    #[test]
    fn every_slot_has_one_subject() {
        let subjects: std::collections::BTreeSet<Subject> = (0..slot::SLOTS).map(Subject::of_slot).collect();
        assert_eq!(subjects.len(), slot::SLOTS as usize);
    }

    /// The names of a row's fields are promised in docs/json.md.
    #[test]
    fn the_json_row_is_stable() {
        let now = Snapshot::from([
            (Subject::Ipv6(58), counts(10, 1000)),
            (Subject::Icmpv6(128), counts(2, 208)),
            (Subject::Ethertype(0x0806), counts(1, 42)),
            (Subject::Malformed(5), counts(1, 60)),
        ]);
        let before = Snapshot::from([(Subject::Ipv6(58), counts(6, 600))]);
        let lines: Vec<String> = rows("veth0", 1764000000.5, &now, &before, 2.0)
            .iter()
            .map(|(_, row)| serde_json::to_string(row).expect("plain data"))
            .collect();
        assert_eq!(
            lines,
            [
                r#"{"time":1764000000.5,"interface":"veth0","ethertype":34525,"ip_version":6,"protocol":"icmpv6","packets":10,"bytes":1000,"packets_per_second":2.0,"bytes_per_second":200.0}"#,
                r#"{"time":1764000000.5,"interface":"veth0","ethertype":34525,"ip_version":6,"protocol":"icmpv6","icmp_type":128,"packets":2,"bytes":208,"packets_per_second":1.0,"bytes_per_second":104.0}"#,
                r#"{"time":1764000000.5,"interface":"veth0","ethertype":2054,"ip_version":null,"protocol":"arp","packets":1,"bytes":42,"packets_per_second":0.5,"bytes_per_second":21.0}"#,
                r#"{"time":1764000000.5,"interface":"veth0","ethertype":null,"ip_version":null,"protocol":"malformed","reason":"ipv4_total_length","packets":1,"bytes":60,"packets_per_second":0.5,"bytes_per_second":30.0}"#,
            ]
        );
    }
}
