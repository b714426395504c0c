//! The memory that maps will take in the kernel.

use agent::{desired::Desired, plan::MapSizes};
use engine::{MapKind, MapSpec};
use policy::Contents;
use serde::Serialize;

use crate::failure::Failure;

/// Elements with their keys; the kernel adds some bytes of its own to each of a hash, and rounds up to pages.
#[derive(Debug, Serialize)]
pub struct Memory {
    pub maps: Vec<MapRow>,
    pub bytes: u64,
    /// While a generation replaces one of the same size: counters are shared, the rest is there twice.
    pub apply_bytes: u64,
}

#[derive(Debug, Serialize)]
pub struct MapRow {
    pub map: String,
    pub entries: u32,
    pub bytes: u64,
}

impl Memory {
    pub fn of(desired: &Desired) -> Result<Self, Failure> {
        let specs = engine::data_path::map_specs()?;
        let sizes = MapSizes { names: Vec::new() };
        let mut memory = Self { maps: Vec::new(), bytes: 0, apply_bytes: 0 };
        for (name, contents) in &desired.maps {
            let is_shared = matches!(contents, Contents::Carried { .. } | Contents::Random { .. });
            for (map, entries) in sizes.of(name, contents) {
                let Some(spec) = specs.get(&map) else { continue };
                let bytes = u64::from(entries) * bytes_each(spec);
                memory.bytes += bytes;
                memory.apply_bytes += if is_shared { bytes } else { 2 * bytes };
                memory.maps.push(MapRow { map, entries, bytes });
            }
        }
        memory.maps.sort_by(|a, b| a.map.cmp(&b.map));
        Ok(memory)
    }
}

/// Bytes of one element. Keys of arrays are no memory; a devmap's element is a pointer.
fn bytes_each(spec: &MapSpec) -> u64 {
    let word = |bytes: u32| u64::from(bytes).next_multiple_of(8);
    let copies = if spec.kind.is_per_cpu() { engine::possible_cpus() as u64 } else { 1 };
    let key = match spec.kind {
        MapKind::ARRAY | MapKind::PERCPU_ARRAY | MapKind::DEVMAP => 0,
        _ => word(spec.key_size),
    };
    key + word(spec.value_size) * copies
}

/// Bytes as people read them.
pub fn bytes_text(bytes: u64) -> String {
    match bytes as f64 {
        b if b >= 1024.0 * 1024.0 => format!("{:.1} MiB", b / 1024.0 / 1024.0),
        b if b >= 1024.0 => format!("{:.1} KiB", b / 1024.0),
        b => format!("{b} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(kind: MapKind, key_size: u32, value_size: u32) -> MapSpec {
        MapSpec { name: "m".into(), kind, key_size, value_size, max_entries: 1, flags: 0, extra: 0 }
    }

    #[test]
    fn elements_are_counted_once_or_for_each_cpu() {
        let cpus = engine::possible_cpus() as u64;
        assert_eq!(bytes_each(&spec(MapKind::ARRAY, 4, 64)), 64);
        assert_eq!(bytes_each(&spec(MapKind::PERCPU_ARRAY, 4, 16)), 16 * cpus);
        assert_eq!(bytes_each(&spec(MapKind::HASH, 16, 4)), 24);
        assert_eq!(bytes_each(&spec(MapKind::PERCPU_HASH, 4, 16)), 8 + 16 * cpus);
    }

    #[test]
    fn bytes_have_units() {
        let texts = [0, 1023, 1024, 1536 * 1024].map(bytes_text);
        assert_eq!(texts, ["0 B", "1023 B", "1.0 KiB", "1.5 MiB"]);
    }
}
