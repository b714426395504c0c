//! Ids of types in the kernel's own BTF.

/// `BTF_KIND_TYPEDEF`.
pub const TYPEDEF: u32 = 8;
/// `BTF_KIND_FUNC`.
pub const FUNC: u32 = 12;

/// The id of a type by kind and name (`Documentation/bpf/btf.rst`); ids count from 1 in the order of the file.
pub fn type_id(btf: &[u8], kind: u32, name: &str) -> Option<u32> {
    let header = word(btf, 4)? as usize;
    let mut at = header + word(btf, 8)? as usize;
    let end = at + word(btf, 12)? as usize;
    let strings = header + word(btf, 16)? as usize;
    let mut id = 1;
    while at < end {
        let info = word(btf, at + 4)?;
        let this = (info >> 24) & 0x1f;
        if this == kind {
            let start = strings + word(btf, at)? as usize;
            let text = btf.get(start..start + name.len() + 1)?;
            if text.split_last() == Some((&0, name.as_bytes())) {
                return Some(id);
            }
        }
        at += 12 + bytes_behind(this, (info & 0xffff) as usize)?;
        id += 1;
    }
    None
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
