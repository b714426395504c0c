//! The live counters, as functions and views read them.

use std::collections::BTreeMap;

use engine::Map;
use policy::{Counters, Tally};

use crate::error::Error;

/// Reads maps, and remembers the first error: functions have no word for one. Elements of arrays are read once.
pub struct Counting<'a> {
    maps: &'a BTreeMap<String, Map>,
    read: BTreeMap<String, Vec<Tally>>,
    failed: Option<engine::Error>,
}

impl<'a> Counting<'a> {
    pub fn new(maps: &'a BTreeMap<String, Map>) -> Self {
        Self { maps, read: BTreeMap::new(), failed: None }
    }

    /// An error, if one of the maps could not be read.
    pub fn finish(self) -> Result<(), Error> {
        self.failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// One element of an array whose elements are wanted one after the other: they come in runs.
    pub fn element(&mut self, map: &str, index: u32) -> Tally {
        const RUN: usize = 1024;
        let at = index as usize;
        let read = self.read.get(map).map_or(0, Vec::len);
        if read <= at {
            let run = (at + 1).next_multiple_of(RUN) - read;
            let more = self.array(map, read as u32, run as u32);
            self.read.entry(map.into()).or_default().extend(more);
        }
        self.read[map][at]
    }
}

impl Counters for Counting<'_> {
    fn array(&mut self, map: &str, from: u32, count: u32) -> Vec<Tally> {
        let mut tallies = vec![Tally::default(); count as usize];
        if let Some(map) = self.maps.get(map) {
            let done = map.for_each_per_cpu_in(from..from.saturating_add(count), |index, values| {
                tallies[(index - from) as usize] = sum(values);
            });
            self.failed = self.failed.take().or(done.err());
        }
        tallies
    }

    fn hash(&mut self, map: &str) -> Vec<(u32, Tally)> {
        let Some(map) = self.maps.get(map) else { return Vec::new() };
        let mut all = Vec::new();
        let mut read = || {
            for key in map.keys::<u32>()? {
                // Empty: it is gone already.
                all.push((key, sum(&map.get_per_cpu(&key)?)));
            }
            Ok(())
        };
        let done = read();
        self.failed = self.failed.take().or(done.err());
        all
    }
}

/// Over CPUs; the values are packets and bytes.
fn sum(values: &[[u64; 2]]) -> Tally {
    values.iter().fold(Tally::default(), |sum, [packets, bytes]| Tally {
        packets: sum.packets.wrapping_add(*packets),
        bytes: sum.bytes.wrapping_add(*bytes),
    })
}
