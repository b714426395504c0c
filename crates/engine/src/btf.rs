//! An object's type information (BTF) in the kernel, and the kernel's own.

use std::{io, os::fd::OwnedFd};

use aya_obj::btf::{Btf, BtfFeatures};

use crate::{
    kernel_btf,
    sys::{self, Attr, Command},
};

/// Gives BTF to the kernel.
pub fn load(btf: &[u8]) -> io::Result<OwnedFd> {
    let mut log = vec![0_u8; 1 << 16];
    let mut attr = Attr::new(28)
        .ptr(0, btf.as_ptr())
        .ptr(8, log.as_mut_ptr())
        .u32(16, btf.len() as u32)
        .u32(20, log.len() as u32)
        .u32(24, 1);
    // SAFETY: both buffers live through the call and their sizes are true.
    unsafe { sys::bpf_fd(Command::BtfLoad, &mut attr) }
}

/// What kinds of types the kernel's BTF reader knows, by release: newer kinds are rewritten for older kernels.
pub fn features() -> BtfFeatures {
    let (major, minor) = release();
    let since = |release: (u32, u32)| (major, minor) >= release;
    BtfFeatures::new(
        true,
        since((5, 6)),
        true,
        since((5, 6)),
        since((5, 13)),
        since((5, 16)),
        since((5, 17)),
        since((6, 0)),
    )
}

/// Byte offset of a field of a kernel struct, from the kernel's own BTF.
pub fn kernel_field_offset(structure: &str, field: &str) -> Option<u32> {
    let bytes = std::fs::read("/sys/kernel/btf/vmlinux").ok()?;
    kernel_btf::field_offset(&bytes, structure, field)
}

/// The kernel's BTF, for objects with CO-RE relocations.
pub fn kernel() -> Option<Btf> {
    Btf::from_sys_fs().ok()
}

/// Major and minor number of the running kernel.
pub fn release() -> (u32, u32) {
    let name =
        nix::sys::utsname::uname().map(|u| u.release().to_string_lossy().into_owned()).unwrap_or_default();
    let mut numbers = name.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_describes_its_net_device() {
        let offset = kernel_field_offset("net_device", "ifindex").expect("this kernel has BTF");
        assert!(offset > 0 && offset.is_multiple_of(4));
        assert_eq!(kernel_field_offset("net_device", "no_such_field"), None);
    }
}
