//! Objects that the binary carries inside.

/// Bytes where an ELF reader can read words of them.
#[repr(C, align(8))]
pub struct Aligned<T: ?Sized>(pub T);

/// The bytes of a file that the build script made.
macro_rules! embedded {
    ($file:literal) => {{
        static BYTES: &$crate::embedded::Aligned<[u8]> =
            &$crate::embedded::Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/", $file)));
        &BYTES.0
    }};
}
