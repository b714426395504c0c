//! Which drops are told of.

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
