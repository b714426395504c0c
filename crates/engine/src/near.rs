//! Arrays that are one value, whose address programs know.
//!
//! To look an element up costs ten instructions and a way through the stack, even where the kernel puts them in place of the
//! call. The address of a value is a constant (`BPF_PSEUDO_MAP_VALUE`), but only that of a map's only one
//! (`array_map_direct_value_addr`): so an array that a program names as near is made of one element as large as all, where
//! the kernel takes that.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::fd::AsRawFd as _,
    sync::Arc,
};

use aya_obj::Object;

use crate::{Globals, Map, MapKind, MapSpec};

/// What older kernels take as a value (`array_map_alloc_check`: `KMALLOC_MAX_SIZE`).
const MOST_BYTES: u64 = 4 << 20;

/// The global that tells the program how many elements a near array has; 0: it is not near, and they are looked up.
fn global(map: &str) -> String {
    format!("{map}_NEAR")
}

/// The array as one value, where that can be.
pub fn as_one_value(spec: MapSpec) -> MapSpec {
    let bytes = u64::from(spec.value_size) * u64::from(spec.max_entries);
    if spec.kind == MapKind::ARRAY && spec.value_size.is_multiple_of(8) && bytes <= MOST_BYTES {
        MapSpec { value_size: bytes as u32, max_entries: 1, ..spec }
    } else {
        spec
    }
}

/// Tells the program of a near array, which is there as this map. `element`: bytes of one.
pub fn tell(globals: &mut Globals, name: &str, map: &MapSpec, element: u32) {
    let elements = if map.max_entries == 1 { map.value_size / element } else { 0 };
    globals.set(&global(name), elements);
}

/// The class of instructions that load 64 bits at once: two slots, the lower one with the map's descriptor.
const LOAD_64: u8 = 0x18;
const MAP_FD: u8 = 1;
const MAP_VALUE: u8 = 2;

/// Makes what names these maps their value's address. All that names a near array is an address or never runs.
pub fn address(object: &mut Object, near: &[&str], maps: &BTreeMap<String, Arc<Map>>) {
    let fds: BTreeSet<i32> = maps
        .iter()
        .filter(|(name, map)| near.contains(&name.as_str()) && map.spec().max_entries == 1)
        .map(|(_, map)| map.fd().as_raw_fd())
        .collect();
    for function in object.functions.values_mut() {
        for at in 1..function.instructions.len() {
            let [load, upper] = &mut function.instructions[at - 1..=at] else { continue };
            if load.code == LOAD_64 && load.src_reg() == MAP_FD && fds.contains(&load.imm) {
                load.set_src_reg(MAP_VALUE);
                upper.imm = 0;
            }
        }
    }
}
