//! An object's type information (BTF) in the kernel, and the kernel's own.

use std::{io, os::fd::OwnedFd};

use aya_obj::btf::{Btf, BtfFeatures};

use crate::sys::{self, Attr, Command};

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
    raw::field_offset(&bytes, structure, field)
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

/// Just enough of the format (`Documentation/bpf/btf.rst`) to find a struct's field.
mod raw {
    const STRUCT: u32 = 4;

    fn word(bytes: &[u8], at: usize) -> Option<u32> {
        Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
    }

    pub fn field_offset(btf: &[u8], structure: &str, field: &str) -> Option<u32> {
        let header = word(btf, 4)? as usize;
        let types = header + word(btf, 8)? as usize;
        let types_end = types + word(btf, 12)? as usize;
        let strings = header + word(btf, 16)? as usize;
        let is = |offset: u32, name: &str| {
            let at = strings + offset as usize;
            btf.get(at..at + name.len()) == Some(name.as_bytes()) && btf.get(at + name.len()) == Some(&0)
        };
        let mut at = types;
        while at < types_end {
            let info = word(btf, at + 4)?;
            let (kind, members) = ((info >> 24) & 0x1f, (info & 0xffff) as usize);
            if kind == STRUCT && is(word(btf, at)?, structure) {
                return member_offset(btf, at + 12, members, info >> 31 != 0, &|offset| is(offset, field));
            }
            at += 12 + tail(kind, members)?;
        }
        None
    }

    /// Anonymous structs around the field are not searched: senko asks for plain fields only.
    fn member_offset(
        btf: &[u8],
        at: usize,
        members: usize,
        bitfields: bool,
        is: &dyn Fn(u32) -> bool,
    ) -> Option<u32> {
        for member in 0..members {
            let at = at + member * 12;
            if is(word(btf, at)?) {
                let offset = word(btf, at + 8)?;
                return Some((if bitfields { offset & 0x00ff_ffff } else { offset }) / 8);
            }
        }
        None
    }

    /// Bytes behind a type's common part.
    fn tail(kind: u32, members: usize) -> Option<usize> {
        Some(match kind {
            1 | 14 | 17 => 4,
            3 => 12,
            4 | 5 | 15 | 19 => members * 12,
            6 | 13 => members * 8,
            2 | 7..=12 | 16 | 18 => 0,
            _ => return None,
        })
    }
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
