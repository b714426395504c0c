//! The only code that touches packet memory.
//!
//! A [`Frame`] is a pair of addresses, not a slice: to the verifier `data_end - data` is a number without meaning,
//! so a slice length proves nothing, while `p + n > data_end` on the very pointer that is read does. One such test
//! makes a [`Window`] of a literal size; everything inside it is then read without further tests.

use core::marker::PhantomData;

/// A frame in memory: from its first byte to one past its last linear byte.
#[derive(Debug)]
pub struct Frame<'a> {
    start: usize,
    end: usize,
    bytes: PhantomData<&'a mut [u8]>,
}

impl<'a> Frame<'a> {
    /// # Safety
    /// `start..end` must be one readable and writable allocation (or XDP's `data..data_end`) for `'a`, and nothing
    /// else may write to it.
    #[inline(always)]
    pub const unsafe fn from_raw(start: usize, end: usize) -> Self {
        Self { start, end, bytes: PhantomData }
    }

    /// A frame over bytes of the host.
    #[cfg(not(target_arch = "bpf"))]
    pub fn new(bytes: &'a mut [u8]) -> Self {
        let range = bytes.as_mut_ptr_range();
        Self { start: range.start as usize, end: range.end as usize, bytes: PhantomData }
    }

    /// Linear length in bytes. A number only: it proves nothing to the verifier.
    #[inline(always)]
    pub fn len(&self) -> u64 {
        (self.end - self.start) as u64
    }

    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.end == self.start
    }

    /// `N` bytes at `offset`, if the frame has them.
    #[inline(always)]
    pub fn window<const N: usize>(&self, offset: usize) -> Option<Window<'_, N>> {
        let at = self.start + offset;
        if at + N > self.end { None } else { Some(Window { at, bytes: PhantomData }) }
    }

    /// `N` bytes at `offset` to write to, if the frame has them.
    #[inline(always)]
    pub fn window_mut<const N: usize>(&mut self, offset: usize) -> Option<WindowMut<'_, N>> {
        let at = self.start + offset;
        if at + N > self.end { None } else { Some(WindowMut(Window { at, bytes: PhantomData })) }
    }
}

/// `N` readable bytes of a frame. Offsets are checked at compile time.
#[derive(Debug, Clone, Copy)]
pub struct Window<'f, const N: usize> {
    at: usize,
    bytes: PhantomData<&'f [u8]>,
}

impl<const N: usize> Window<'_, N> {
    #[inline(always)]
    pub fn u8<const AT: usize>(&self) -> u8 {
        const { assert!(AT < N) };
        // SAFETY: AT is inside the window, whose bytes the constructor found to be inside the frame.
        unsafe { load(self.at + AT) }
    }

    /// A 16-bit field in network order, as a number.
    #[inline(always)]
    pub fn be16<const AT: usize>(&self) -> u16 {
        const { assert!(AT + 2 <= N) };
        // SAFETY: as in `u8`.
        u16::from_be(unsafe { load(self.at + AT) })
    }

    /// A 16-bit field as it stands in memory, to compare with another in network order.
    #[inline(always)]
    pub fn raw16<const AT: usize>(&self) -> u16 {
        const { assert!(AT + 2 <= N) };
        // SAFETY: as in `u8`.
        unsafe { load(self.at + AT) }
    }

    /// A 32-bit field in network order, as a number.
    #[inline(always)]
    pub fn be32<const AT: usize>(&self) -> u32 {
        const { assert!(AT + 4 <= N) };
        // SAFETY: as in `u8`.
        u32::from_be(unsafe { load(self.at + AT) })
    }

    /// A 64-bit field in network order, as a number.
    #[inline(always)]
    pub fn be64<const AT: usize>(&self) -> u64 {
        const { assert!(AT + 8 <= N) };
        // SAFETY: as in `u8`.
        u64::from_be(unsafe { load(self.at + AT) })
    }

    /// An IPv6 address as four words, most significant first.
    #[inline(always)]
    pub fn be128<const AT: usize>(&self) -> [u32; 4] {
        const { assert!(AT + 16 <= N) };
        let word = |offset| {
            // SAFETY: as in `u8`; the last word ends at AT + 16.
            u32::from_be(unsafe { load(self.at + AT + offset) })
        };
        [word(0), word(4), word(8), word(12)]
    }

    /// The window's bytes.
    #[inline(always)]
    pub fn bytes(&self) -> [u8; N] {
        // SAFETY: the window is N bytes.
        unsafe { load(self.at) }
    }

    /// A MAC address.
    #[inline(always)]
    pub fn mac<const AT: usize>(&self) -> [u8; 6] {
        const { assert!(AT + 6 <= N) };
        // SAFETY: as in `u8`.
        unsafe { load(self.at + AT) }
    }
}

/// `N` writable bytes of a frame.
#[derive(Debug)]
pub struct WindowMut<'f, const N: usize>(Window<'f, N>);

impl<'f, const N: usize> core::ops::Deref for WindowMut<'f, N> {
    type Target = Window<'f, N>;

    #[inline(always)]
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<const N: usize> WindowMut<'_, N> {
    #[inline(always)]
    pub fn set_u8<const AT: usize>(&mut self, value: u8) {
        const { assert!(AT < N) };
        // SAFETY: AT is inside the window, and `&mut Frame` made it, so nothing else reads or writes it.
        unsafe { store(self.0.at + AT, value) }
    }

    #[inline(always)]
    pub fn set_be16<const AT: usize>(&mut self, value: u16) {
        const { assert!(AT + 2 <= N) };
        // SAFETY: as in `set_u8`.
        unsafe { store(self.0.at + AT, value.to_be()) }
    }

    #[inline(always)]
    pub fn set_be32<const AT: usize>(&mut self, value: u32) {
        const { assert!(AT + 4 <= N) };
        // SAFETY: as in `set_u8`.
        unsafe { store(self.0.at + AT, value.to_be()) }
    }

    #[inline(always)]
    pub fn set_be128<const AT: usize>(&mut self, value: [u32; 4]) {
        const { assert!(AT + 16 <= N) };
        let [a, b, c, d] = value;
        // SAFETY: as in `set_u8`; the last word ends at AT + 16.
        unsafe {
            store(self.0.at + AT, a.to_be());
            store(self.0.at + AT + 4, b.to_be());
            store(self.0.at + AT + 8, c.to_be());
            store(self.0.at + AT + 12, d.to_be());
        }
    }

    #[inline(always)]
    pub fn set_mac<const AT: usize>(&mut self, value: [u8; 6]) {
        const { assert!(AT + 6 <= N) };
        // SAFETY: as in `set_u8`.
        unsafe { store(self.0.at + AT, value) }
    }
}

/// # Safety
/// `size_of::<T>()` bytes at `at` must be readable.
#[inline(always)]
unsafe fn load<T: Copy>(at: usize) -> T {
    #[cfg(target_arch = "bpf")]
    // SAFETY: the caller's promise. Packet data has no alignment; the machines that run this (x86, arm64) load
    // unaligned words, and LLVM would otherwise assemble every field from single bytes.
    return unsafe { *(at as *const T) };
    #[cfg(not(target_arch = "bpf"))]
    // SAFETY: the caller's promise.
    return unsafe { (at as *const T).read_unaligned() };
}

/// # Safety
/// `size_of::<T>()` bytes at `at` must be writable.
#[inline(always)]
unsafe fn store<T: Copy>(at: usize, value: T) {
    #[cfg(target_arch = "bpf")]
    // SAFETY: as in `load`.
    unsafe {
        *(at as *mut T) = value;
    }
    #[cfg(not(target_arch = "bpf"))]
    // SAFETY: the caller's promise.
    unsafe {
        (at as *mut T).write_unaligned(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_ends_with_the_frame() {
        let mut bytes = [1, 2, 3, 4, 5, 6];
        let frame = Frame::new(&mut bytes);
        assert_eq!(frame.len(), 6);
        assert_eq!(frame.window::<4>(2).map(|w| w.be32::<0>()), Some(0x0304_0506));
        assert!(frame.window::<4>(3).is_none());
        assert_eq!(frame.window::<6>(0).map(|w| (w.u8::<5>(), w.be16::<1>())), Some((6, 0x0203)));
    }

    #[test]
    fn writes_are_in_network_order() {
        let mut bytes = [0; 8];
        let mut frame = Frame::new(&mut bytes);
        if let Some(mut w) = frame.window_mut::<8>(0) {
            w.set_be16::<0>(0x0102);
            w.set_be32::<2>(0x0304_0506);
            w.set_u8::<7>(9);
        }
        assert_eq!(bytes, [1, 2, 3, 4, 5, 6, 0, 9]);
    }
}
