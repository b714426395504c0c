//! Counters that only the explained packet writes.

use std::{collections::BTreeMap, sync::Arc};

use abi::{Reason, reason::STRIDE};
use engine::{Map, MapKind};
use policy::{Counters, Tally};

use crate::error::Error;

/// The maps.
pub struct Private {
    maps: Vec<(String, Arc<Map>)>,
}

/// What one packet counted: elements of arrays and keys of hashes, by map.
#[derive(Debug, Default)]
pub struct Seen(BTreeMap<String, Vec<(u32, Tally)>>);

impl Private {
    /// Of those of the maps that hold packets and bytes.
    pub fn of(maps: impl Iterator<Item = (String, Arc<Map>)>) -> Self {
        let counts = |map: &Map| {
            let spec = map.spec();
            let kinds = [MapKind::PERCPU_ARRAY, MapKind::PERCPU_HASH];
            kinds.contains(&spec.kind) && spec.key_size == 4 && spec.value_size == 16
        };
        Self { maps: maps.filter(|(_, map)| counts(map)).collect() }
    }

    /// What was counted, and begins anew.
    pub fn take(&self) -> Result<Seen, Error> {
        let mut seen = Seen::default();
        for (name, map) in &self.maps {
            let mut found = Vec::new();
            if map.spec().kind == MapKind::PERCPU_HASH {
                for key in map.keys::<u32>()? {
                    found.push((key, sum(&map.get_per_cpu(&key)?)));
                    map.remove(&key)?;
                }
            } else {
                map.for_each_per_cpu_in(0..map.spec().max_entries, |index, values| {
                    let tally = sum(values);
                    if tally != Tally::default() {
                        found.push((index, tally));
                    }
                })?;
                for (index, _) in &found {
                    map.set_per_cpu(index, &[0_u64; 2])?;
                }
            }
            seen.0.insert(name.clone(), found);
        }
        Ok(seen)
    }
}

fn sum(values: &[[u64; 2]]) -> Tally {
    values.iter().fold(Tally::default(), |sum, [packets, bytes]| Tally {
        packets: sum.packets + packets,
        bytes: sum.bytes + bytes,
    })
}

impl Seen {
    /// The elements of a map that were counted in.
    pub fn touched(&self, map: &str) -> impl Iterator<Item = u32> {
        self.0.get(map).into_iter().flatten().map(|(index, _)| *index)
    }

    /// Of the verdict; `None`: no stage counts reasons.
    pub fn reason(&self, interface: u32) -> Option<Reason> {
        let index = self.touched("REASONS").next()?;
        Reason::from_code(u8::try_from(index.checked_sub(interface * STRIDE)?).ok()?)
    }
}

impl Counters for Seen {
    fn array(&mut self, map: &str, from: u32, count: u32) -> Vec<Tally> {
        let mut tallies = vec![Tally::default(); count as usize];
        for (index, tally) in self.0.get(map).into_iter().flatten() {
            if let Some(place) = index.checked_sub(from).and_then(|at| tallies.get_mut(at as usize)) {
                *place = *tally;
            }
        }
        tallies
    }

    fn hash(&mut self, map: &str) -> Vec<(u32, Tally)> {
        self.0.get(map).cloned().unwrap_or_default()
    }
}
