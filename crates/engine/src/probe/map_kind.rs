//! Kinds of map.

use super::Answer;
use crate::{Error, Map, MapKind, MapSpec, capability::Capability};

/// A kind of map that senko makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapProbe {
    pub kind: MapKind,
    key_size: u32,
    value_size: u32,
    entries: u32,
    flags: u32,
    needs: &'static [Capability],
}

const BPF: &[Capability] = &[Capability::Bpf];
const NET: &[Capability] = &[Capability::Bpf, Capability::NetAdmin];
const NO_PREALLOC: u32 = 1;

const fn probe(
    kind: MapKind,
    key_size: u32,
    value_size: u32,
    flags: u32,
    needs: &'static [Capability],
) -> MapProbe {
    MapProbe { kind, key_size, value_size, entries: 1, flags, needs }
}

impl MapProbe {
    pub const ALL: [Self; 14] = [
        probe(MapKind::ARRAY, 4, 8, 0, BPF),
        probe(MapKind::PERCPU_ARRAY, 4, 8, 0, BPF),
        probe(MapKind::HASH, 4, 8, 0, BPF),
        probe(MapKind::PERCPU_HASH, 4, 8, 0, BPF),
        probe(MapKind(9), 4, 8, 0, BPF),
        probe(MapKind::LPM_TRIE, 8, 8, NO_PREALLOC, BPF),
        probe(MapKind::DEVMAP, 4, 4, 0, NET),
        probe(MapKind::DEVMAP_HASH, 4, 4, 0, NET),
        probe(MapKind(16), 4, 4, 0, NET),
        probe(MapKind(17), 4, 4, 0, NET),
        // One page of the largest page size that kernels are built with.
        MapProbe {
            kind: MapKind::RINGBUF,
            key_size: 0,
            value_size: 0,
            entries: 1 << 16,
            flags: 0,
            needs: BPF,
        },
        probe(MapKind::PERF_EVENT_ARRAY, 4, 4, 0, BPF),
        probe(MapKind(3), 4, 4, 0, BPF),
        probe(MapKind::ARRAY_OF_MAPS, 4, 4, 0, BPF),
    ];

    pub fn name(self) -> &'static str {
        self.kind.name()
    }
}

/// Whether a map of this kind can be made.
pub fn map_kind(probe: MapProbe) -> Answer {
    let inner = if probe.kind == MapKind::ARRAY_OF_MAPS {
        match create(MapProbe::ALL[0], None) {
            Ok(map) => Some(map),
            Err(error) => return answer(&error, BPF),
        }
    } else {
        None
    };
    match create(probe, inner.as_ref()) {
        Ok(_) => Answer::Yes,
        Err(error) => answer(&error, probe.needs),
    }
}

fn create(probe: MapProbe, inner: Option<&Map>) -> Result<Map, Error> {
    let spec = MapSpec {
        name: "senko_probe".into(),
        kind: probe.kind,
        key_size: probe.key_size,
        value_size: probe.value_size,
        max_entries: probe.entries,
        flags: probe.flags,
        extra: 0,
    };
    Map::create(spec, None, inner)
}

fn answer(error: &Error, needs: &[Capability]) -> Answer {
    match error {
        Error::MapCreate { source, .. } if super::is_denied(source) => Answer::denied(needs),
        _ => Answer::No,
    }
}
