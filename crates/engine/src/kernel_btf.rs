//! Ids of types and offsets of fields in the kernel's own BTF.

/// `BTF_KIND_TYPEDEF`.
pub const TYPEDEF: u32 = 8;
/// `BTF_KIND_FUNC`.
pub const FUNC: u32 = 12;

/// `BTF_KIND_STRUCT`.
pub const STRUCT: u32 = 4;

/// The id of a type by kind and name (`Documentation/bpf/btf.rst`); ids count from 1 in the order of the file.
pub fn type_id(btf: &[u8], kind: u32, name: &str) -> Option<u32> {
    Some(find(btf, kind, name)?.id)
}

/// Byte offset of a plain field of a struct; fields of anonymous structs inside it are not searched.
pub fn field_offset(btf: &[u8], structure: &str, field: &str) -> Option<u32> {
    let found = find(btf, STRUCT, structure)?;
    let bitfields = found.info >> 31 != 0;
    let member = (0..members(found.info))
        .map(|member| found.at + 12 + member * 12)
        .find(|at| word(btf, *at).is_some_and(|name| is_name(btf, name, field)))?;
    let bits = word(btf, member + 8)?;
    Some(if bitfields { bits & 0x00ff_ffff } else { bits } / 8)
}

/// Where a type stands.
struct Found {
    id: u32,
    at: usize,
    info: u32,
}

fn find(btf: &[u8], kind: u32, name: &str) -> Option<Found> {
    let header = word(btf, 4)? as usize;
    let mut at = header + word(btf, 8)? as usize;
    let end = at + word(btf, 12)? as usize;
    let mut id = 1;
    while at < end {
        let info = word(btf, at + 4)?;
        let this = (info >> 24) & 0x1f;
        if this == kind && is_name(btf, word(btf, at)?, name) {
            return Some(Found { id, at, info });
        }
        at += 12 + bytes_behind(this, members(info))?;
        id += 1;
    }
    None
}

fn members(info: u32) -> usize {
    (info & 0xffff) as usize
}

/// Whether the string at an offset of the string section is `name`.
fn is_name(btf: &[u8], offset: u32, name: &str) -> bool {
    let start = || Some(word(btf, 4)? as usize + word(btf, 16)? as usize + offset as usize);
    let text = start().and_then(|start| btf.get(start..start + name.len() + 1));
    text.and_then(|text| text.split_last()) == Some((&0, name.as_bytes()))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Bytes behind the part that all kinds have in common; `None` for kinds that did not exist when this was written.
fn bytes_behind(kind: u32, members: usize) -> Option<usize> {
    Some(match kind {
        // INT, VAR, DECL_TAG
        1 | 14 | 17 => 4,
        // ARRAY
        3 => 12,
        // STRUCT, UNION, DATASEC, ENUM64
        4 | 5 | 15 | 19 => members * 12,
        // ENUM, FUNC_PROTO
        6 | 13 => members * 8,
        2 | 7..=12 | 16 | 18 => 0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two typedefs and an int between them.
    fn sample() -> Vec<u8> {
        let strings = b"\0int\0one\0two\0";
        let types: [u32; 10] = [5, TYPEDEF << 24, 2, 1, 1 << 24, 4, 32, 9, TYPEDEF << 24, 2];
        let header: [u32; 6] = [0x0001_eb9f, 24, 0, 40, 40, strings.len() as u32];
        let mut bytes: Vec<u8> = header.iter().chain(&types).flat_map(|word| word.to_ne_bytes()).collect();
        bytes.extend_from_slice(strings);
        bytes
    }

    #[test]
    fn ids_count_all_kinds() {
        assert_eq!(type_id(&sample(), TYPEDEF, "one"), Some(1));
        assert_eq!(type_id(&sample(), TYPEDEF, "two"), Some(3));
        assert_eq!(type_id(&sample(), TYPEDEF, "int"), None);
        assert_eq!(type_id(&sample()[..30], TYPEDEF, "two"), None);
    }
}
