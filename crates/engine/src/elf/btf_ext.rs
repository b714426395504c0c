//! `.BTF.ext`: function, line and CO-RE records, grouped by section. Each group names its section by an offset into
//! the strings of `.BTF`.

use std::collections::{BTreeMap, HashMap};

use super::layout::{string_at, u16_at, u32_at};

const MAGIC: u16 = 0xeb9f;
/// Offsets of the (offset, length) pairs in the header, with the least size of a record: `bpf_func_info`,
/// `bpf_line_info`, `bpf_core_relo`.
const PARTS: [(usize, usize); 3] = [(8, 8), (16, 16), (24, 16)];

/// Refuses what aya-obj would index without looking.
pub fn check(ext: &[u8]) -> Result<(), String> {
    groups(ext).map(drop).ok_or_else(|| "damaged: its `.BTF.ext` cannot be read".into())
}

/// Appends new section names to the strings of `types` (a `.BTF`) and points the groups of `ext` at them.
pub fn rename(types: &mut Vec<u8>, ext: &mut [u8], names: &BTreeMap<&str, &str>) -> Result<(), String> {
    let damaged = || "damaged: its `.BTF` cannot be read".to_owned();
    let header = u32_at(types, 4).ok_or_else(damaged)? as usize;
    let offset = u32_at(types, 16).ok_or_else(damaged)? as usize;
    let length = u32_at(types, 20).ok_or_else(damaged)? as usize;
    let start = header.checked_add(offset).ok_or_else(damaged)?;
    let end = start.checked_add(length).filter(|end| *end <= types.len()).ok_or_else(damaged)?;
    // Compilers and linkers put the strings last; what lies behind them is padding.
    types.truncate(end);
    let mut at: HashMap<&str, u32> = HashMap::new();
    for (old, new) in names {
        at.insert(old, u32::try_from(types.len() - start).map_err(|_| damaged())?);
        types.extend_from_slice(new.as_bytes());
        types.push(0);
    }
    for group in groups(ext).ok_or_else(damaged)? {
        let name = u32_at(ext, group).and_then(|name| string_at(&types[start..end], name));
        if let Some(new) = name.and_then(|name| at.get(name)) {
            ext[group..group + 4].copy_from_slice(&new.to_le_bytes());
        }
    }
    let length = u32::try_from(types.len() - start).map_err(|_| damaged())?;
    types[20..24].copy_from_slice(&length.to_le_bytes());
    Ok(())
}

/// Byte offsets of the groups' headers: a section's name and the number of records that follow.
pub fn groups(ext: &[u8]) -> Option<Vec<usize>> {
    if u16_at(ext, 0)? != MAGIC {
        return None;
    }
    let header = u32_at(ext, 4)? as usize;
    let mut groups = Vec::new();
    for (field, least) in PARTS {
        // Objects without CO-RE may have the shorter header of before Linux 5.4.
        if field + 8 > header {
            continue;
        }
        let length = u32_at(ext, field + 4)? as usize;
        if length == 0 {
            continue;
        }
        let mut at = header.checked_add(u32_at(ext, field)? as usize)?;
        let end = at.checked_add(length).filter(|end| *end <= ext.len())?;
        let record = u32_at(ext, at)? as usize;
        if record < least {
            return None;
        }
        at += 4;
        while at < end {
            let records = u32_at(ext, at.checked_add(4)?)? as usize;
            groups.push(at);
            at = at.checked_add(8)?.checked_add(records.checked_mul(record)?)?;
        }
        if at != end {
            return None;
        }
    }
    Some(groups)
}
