//! `--global NAME=VALUE`: from text to the bytes of a variable.

use crate::failure::Failure;

/// The name and the bytes, in the order of this machine. `size_of` knows the object's globals.
pub fn parse(
    assignment: &str,
    size_of: impl FnOnce(&str) -> Result<u64, Failure>,
) -> Result<(String, Vec<u8>), Failure> {
    let Some((name, value)) = assignment.split_once('=') else {
        return Err(Failure::usage(
            format!("`{assignment}` is not an assignment"),
            Some("write --global NAME=VALUE"),
        ));
    };
    let size = size_of(name)?;
    let bytes = bytes(value.trim(), size as usize).map_err(|why| {
        Failure::usage(
            format!("`{value}` does not fit global `{name}` of {size} bytes: {why}"),
            Some("an integer (7, -1, 0x1f), or two hexadecimal digits after 0x for each byte"),
        )
    })?;
    Ok((name.into(), bytes))
}

fn bytes(value: &str, size: usize) -> Result<Vec<u8>, String> {
    let hexadecimal = value.strip_prefix("0x").or_else(|| value.strip_prefix("0X"));
    if !matches!(size, 1 | 2 | 4 | 8) {
        let digits = hexadecimal.ok_or("it is not an integer, so it wants its bytes as 0x…")?;
        return all_bytes(digits, size);
    }
    let integer: i128 = match hexadecimal {
        Some(digits) if digits.starts_with(['+', '-']) => return Err("it is no number".into()),
        Some(digits) => i128::from_str_radix(digits, 16),
        None => value.parse(),
    }
    .map_err(|_| "it is no number".to_owned())?;
    let bits = size as u32 * 8;
    let (least, most) = (-(1_i128 << (bits - 1)), (1_i128 << bits) - 1);
    if !(least..=most).contains(&integer) {
        return Err(format!("the range is {least} to {most}"));
    }
    let bytes = integer.to_ne_bytes();
    Ok(if cfg!(target_endian = "little") { bytes[..size].into() } else { bytes[16 - size..].into() })
}

fn all_bytes(digits: &str, size: usize) -> Result<Vec<u8>, String> {
    if digits.len() != size * 2 || !digits.is_ascii() {
        return Err(format!("it has {} digits and needs {}", digits.len(), size * 2));
    }
    (0..size)
        .map(|at| u8::from_str_radix(&digits[at * 2..at * 2 + 2], 16))
        .collect::<Result<_, _>>()
        .map_err(|_| "it has a digit that is not hexadecimal".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_take_the_size_of_the_global() {
        assert_eq!(bytes("7", 1), Ok(vec![7]));
        assert_eq!(bytes("-1", 2), Ok(vec![255, 255]));
        assert_eq!(bytes("0x1234", 4), Ok(0x1234_u32.to_ne_bytes().into()));
        assert_eq!(bytes("18446744073709551615", 8), Ok(vec![255; 8]));
        for (wrong, size) in [("256", 1), ("-129", 1), ("x", 4), ("", 4), ("0x-1", 4), ("1.5", 8)] {
            assert!(bytes(wrong, size).is_err(), "{wrong}");
        }
    }

    #[test]
    fn other_sizes_take_bytes() {
        assert_eq!(bytes("0x020000000001", 6), Ok(vec![2, 0, 0, 0, 0, 1]));
        for wrong in ["7", "0x02", "0x02000000000g", "0xé0000000000"] {
            assert!(bytes(wrong, 6).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_assignment_has_two_sides() {
        assert!(parse("PORT", |_| Ok(2)).is_err());
        let (name, bytes) = parse("PORT=53", |_| Ok(2)).expect("an assignment");
        assert_eq!((name.as_str(), bytes), ("PORT", 53_u16.to_ne_bytes().to_vec()));
    }
}
