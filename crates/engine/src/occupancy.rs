//! How full a map is. The kernel keeps no count, so hashes are walked, and only so far.

use crate::{
    Map, MapKind,
    sys::{self, Attr, Command},
};

/// Where counting stops: a walk of so many keys takes some milliseconds.
const MOST_COUNTED: u64 = 65_536;

/// A map's room and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapUse {
    pub id: u32,
    pub name: String,
    pub kind: MapKind,
    pub max_entries: u32,
    /// `None` where entries are not a thing (ring buffers, queues) or cannot be counted.
    pub entries: Option<u64>,
    /// There are more than `entries`.
    pub more: bool,
}

/// A map by its id.
pub fn map_use(id: u32) -> std::io::Result<MapUse> {
    let map = Map::from_id(id)?;
    let spec = map.spec();
    let max = u64::from(spec.max_entries);
    let (entries, more) = match spec.kind {
        // Every element of an array exists.
        MapKind::ARRAY | MapKind::PERCPU_ARRAY => (Some(max), false),
        MapKind::PERF_EVENT_ARRAY | MapKind::RINGBUF | MapKind(7 | 22 | 23 | 30 | 31 | 33) => (None, false),
        _ => count(&map),
    };
    Ok(MapUse { id, name: spec.name.clone(), kind: spec.kind, max_entries: spec.max_entries, entries, more })
}

/// Arrays of descriptors (devmap, xskmap, prog_array) list all their indexes, so there each is looked up too.
fn count(map: &Map) -> (Option<u64>, bool) {
    const DESCRIPTOR_ARRAYS: [u32; 6] = [3, 8, 12, 14, 16, 17];
    let look = DESCRIPTOR_ARRAYS.contains(&map.spec().kind.0);
    let mut key = vec![0_u8; map.spec().key_size as usize];
    let mut next = key.clone();
    let mut value = vec![0_u8; map.spec().value_size as usize];
    let (mut keys, mut entries) = (0_u64, 0_u64);
    loop {
        let previous = if keys == 0 { std::ptr::null() } else { key.as_ptr() };
        let mut attr = Attr::new(32).fd(0, map.fd()).ptr(8, previous).ptr(16, next.as_mut_ptr());
        // SAFETY: both keys are key_size bytes, or null for the first.
        match unsafe { sys::bpf(Command::MapNextKey, &mut attr) } {
            Ok(_) => {}
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return (Some(entries), false),
            Err(_) => return (None, false),
        }
        std::mem::swap(&mut key, &mut next);
        keys += 1;
        entries += u64::from(!look || map.get_raw(&key, &mut value).unwrap_or(true));
        // A key that is deleted meanwhile restarts the walk; the bound ends it.
        if keys > MOST_COUNTED {
            return (Some(entries.min(MOST_COUNTED)), true);
        }
    }
}
