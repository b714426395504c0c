//! Which drops are told of, and what of them.

use wire::{Fragment, Frame, Headers, ethernet, icmp, ipv4, ipv6, parse, transport};

use crate::shared::{Clock, INTERVAL};

/// Counts one drop. `Some`: a record is due, and stands for so many drops. `jiffies` and `now` are the time, of which the
/// second is dear and asked for only once in a jiffy.
#[inline(always)]
pub fn count(clock: &mut Clock, jiffies: u64, now: impl FnOnce() -> u64) -> Option<Due> {
    clock.drops += 1;
    if clock.jiffies == jiffies {
        return None;
    }
    clock.jiffies = jiffies;
    let time = now();
    // The first record is due at once: a clock that never ran says 0.
    if time.wrapping_sub(clock.time) < INTERVAL { None } else { Some(Due { time, drops: clock.drops }) }
}

/// A record to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    pub time: u64,
    pub drops: u64,
}

impl Due {
    /// The record was written: what it stands for is not counted again.
    #[inline(always)]
    pub fn written(self, clock: &mut Clock) {
        clock.time = self.time;
        clock.drops = 0;
    }
}

/// What a record says of the frame. Fields that it has not are 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject {
    pub ethertype: u16,
    pub ip_version: u8,
    pub protocol: u8,
    pub tcp_flags: u8,
    pub icmp_type: u8,
    pub source_port: u16,
    pub destination_port: u16,
    pub source: [u32; 4],
    pub destination: [u32; 4],
}

impl Subject {
    pub const NOTHING: Self = Self {
        ethertype: 0,
        ip_version: 0,
        protocol: 0,
        tcp_flags: 0,
        icmp_type: 0,
        source_port: 0,
        destination_port: 0,
        source: [0; 4],
        destination: [0; 4],
    };
}

/// Reads a frame that was dropped. Of a malformed one it says what the fixed IP header says, where there is one: that is
/// what it was judged by.
#[inline(always)]
pub fn describe(frame: &Frame<'_>, length: u64) -> Subject {
    let mut subject = Subject::NOTHING;
    let Ok(mut ethertype) = parse::ethertype(frame) else { return subject };
    let mut at = ethernet::HEADER;
    let mut tags = 0;
    for _ in 0..2 {
        if ethernet::is_tag(ethertype) {
            let Some(tag) = frame.window::<{ ethernet::TAG }>(at) else { break };
            ethertype = tag.be16::<2>();
            at += ethernet::TAG;
            tags += 1;
        }
    }
    subject.ethertype = ethertype;
    match ethertype {
        ethernet::IPV4 => {
            if read_ipv4(frame, at, &mut subject)
                && let Ok(headers) = parse::parse_ipv4(frame, length, tags, at)
            {
                read_transport(frame, &headers, &mut subject);
            }
        }
        ethernet::IPV6 => {
            if read_ipv6(frame, at, &mut subject)
                && let Ok(headers) = parse::parse_ipv6(frame, length, tags, at)
            {
                read_transport(frame, &headers, &mut subject);
            }
        }
        _ => {}
    }
    subject
}

#[inline(always)]
fn read_ipv4(frame: &Frame<'_>, at: usize, subject: &mut Subject) -> bool {
    let Some(ip) = frame.window::<{ ipv4::HEADER }>(at) else { return false };
    if ip.u8::<0>() >> 4 != 4 {
        return false;
    }
    subject.ip_version = 4;
    subject.protocol = ip.u8::<{ ipv4::offset::PROTOCOL }>();
    subject.source[3] = ip.be32::<{ ipv4::offset::SOURCE }>();
    subject.destination[3] = ip.be32::<{ ipv4::offset::DESTINATION }>();
    true
}

#[inline(always)]
fn read_ipv6(frame: &Frame<'_>, at: usize, subject: &mut Subject) -> bool {
    let Some(ip) = frame.window::<{ ipv6::HEADER }>(at) else { return false };
    if ip.u8::<0>() >> 4 != 6 {
        return false;
    }
    subject.ip_version = 6;
    subject.protocol = ip.u8::<{ ipv6::offset::NEXT_HEADER }>();
    subject.source = ip.be128::<{ ipv6::offset::SOURCE }>();
    subject.destination = ip.be128::<{ ipv6::offset::DESTINATION }>();
    true
}

/// The protocol behind extension headers, and of packets that carry its header what stands first in it.
#[inline(always)]
fn read_transport(frame: &Frame<'_>, headers: &Headers, subject: &mut Subject) {
    subject.protocol = headers.protocol;
    if headers.fragment() == Fragment::Later {
        return;
    }
    let at = headers.transport_offset();
    if transport::has_ports(headers.protocol) {
        if let Some(ports) = frame.window::<4>(at) {
            subject.source_port = ports.be16::<0>();
            subject.destination_port = ports.be16::<2>();
        }
        if headers.protocol == transport::TCP
            && let Some(tcp) = frame.window::<{ transport::TCP_HEADER }>(at)
        {
            subject.tcp_flags = tcp.u8::<{ transport::TCP_FLAGS }>();
        }
    } else if transport::is_icmp(headers)
        && let Some(icmp) = frame.window::<4>(at)
    {
        subject.icmp_type = icmp.u8::<{ icmp::offset::TYPE }>();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRESH: Clock = Clock { jiffies: 0, time: 0, drops: 0 };

    #[test]
    fn the_first_drop_is_told_at_once() {
        let mut clock = FRESH;
        let due = count(&mut clock, 4_294_900_000, || 77_000_000_000);
        assert_eq!(due, Some(Due { time: 77_000_000_000, drops: 1 }));
    }

    #[test]
    fn a_flood_is_one_record_an_interval_that_stands_for_all() {
        // 4 ms a jiffy, a drop each 0.1 ms, 10 seconds.
        let (mut clock, mut records, mut looked) = (FRESH, Vec::new(), 0);
        for drop in 1..=100_000_u64 {
            let now = 5_000_000_000 + drop * 100_000;
            let due = count(&mut clock, now / 4_000_000, || {
                looked += 1;
                now
            });
            if let Some(due) = due {
                due.written(&mut clock);
                records.push(due);
            }
        }
        assert!(records.windows(2).all(|pair| pair[1].time - pair[0].time >= INTERVAL));
        // An interval ends with a jiffy: 12 ms.
        assert!((833..=835).contains(&records.len()), "{}", records.len());
        assert_eq!(records.iter().map(|due| due.drops).sum::<u64>() + clock.drops, 100_000);
        assert!(looked <= 2501, "{looked} looks at the time");
    }

    #[test]
    fn a_record_that_found_no_room_is_counted_with_the_next() {
        let mut clock = FRESH;
        assert_eq!(count(&mut clock, 10, || INTERVAL * 10).map(|due| due.drops), Some(1));
        assert_eq!(count(&mut clock, 10, || unreachable!("the same jiffy")), None);
        assert_eq!(count(&mut clock, 11, || INTERVAL * 10 + 1).map(|due| due.drops), Some(3));
    }
}
