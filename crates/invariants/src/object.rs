/// The pass over an object file before aya-obj reads it survives any bytes, and what it hands on it takes again.
pub fn object(bytes: &[u8]) {
    match engine::prepared(bytes) {
        Ok(elf) => {
            assert!(elf.starts_with(b"\x7fELF"));
            if let Err(error) = engine::prepared(&elf) {
                panic!("handed on, and refused then: {error}");
            }
        }
        Err(error) => {
            let said = error.to_string();
            assert!(!said.is_empty() && said.len() < 1000, "{said}");
            assert!(!said.contains(char::is_control), "{said:?}");
        }
    }
}
