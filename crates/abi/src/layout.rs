//! Values that both sides read and write: plain bytes, no padding, nothing with forbidden bit patterns.

/// Plain data: any bytes are a value and there is no padding.
///
/// # Safety
/// The type must be `repr(C)` (or an integer), without padding, and every bit pattern must be valid.
pub unsafe trait Shared: Copy + 'static {}

macro_rules! plain {
    ($($t:ty),*) => {
        // SAFETY: integers and arrays of them have no padding and no forbidden values.
        $(unsafe impl Shared for $t {})*
    };
}

plain!(u8, u16, u32, u64, i32, i64);

// SAFETY: an array of plain values has no padding between them.
unsafe impl<T: Shared, const N: usize> Shared for [T; N] {}

/// The bytes of a value.
#[cfg(not(target_arch = "bpf"))]
pub fn bytes_of<T: Shared>(value: &T) -> &[u8] {
    // SAFETY: `Shared` has no padding, so every byte is initialised.
    unsafe { core::slice::from_raw_parts(core::ptr::from_ref(value).cast(), size_of::<T>()) }
}

/// A value from its bytes; `None` when there are not exactly as many.
#[cfg(not(target_arch = "bpf"))]
pub fn from_bytes<T: Shared>(bytes: &[u8]) -> Option<T> {
    if bytes.len() != size_of::<T>() {
        return None;
    }
    // SAFETY: the length is right, and any bit pattern is a value of a `Shared` type.
    Some(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

/// Declares a struct that crosses the boundary. Padding, `bool`, `Option` and enums do not compile.
#[macro_export]
macro_rules! shared {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[repr(C)]
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name { $($(#[$field_meta])* pub $field: $type,)* }

        const _: () = assert!(
            ::core::mem::size_of::<$name>() == 0 $(+ ::core::mem::size_of::<$type>())*,
            "a shared struct must have no padding",
        );
        const _: fn() = || {
            fn shared<T: $crate::Shared>() {}
            $(shared::<$type>();)*
        };
        // SAFETY: repr(C), all fields are Shared, and the assertion above excludes padding.
        unsafe impl $crate::Shared for $name {}
    };
}
