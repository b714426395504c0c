//! Maps: creating, reading, writing, and mapping arrays into memory.

use std::{
    ffi::CStr,
    io,
    marker::PhantomData,
    num::NonZeroUsize,
    ops::Range,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    ptr::NonNull,
};

use abi::{
    Shared,
    layout::{bytes_of, from_bytes},
};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

use crate::{
    Error, cpu,
    sys::{self, Attr, Command},
};

/// `enum bpf_map_type`, as far as senko makes them. Foreign objects may have any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapKind(pub u32);

impl MapKind {
    pub const HASH: Self = Self(1);
    pub const ARRAY: Self = Self(2);
    pub const PERF_EVENT_ARRAY: Self = Self(4);
    pub const PERCPU_HASH: Self = Self(5);
    pub const PERCPU_ARRAY: Self = Self(6);
    pub const LPM_TRIE: Self = Self(11);
    pub const ARRAY_OF_MAPS: Self = Self(12);
    pub const HASH_OF_MAPS: Self = Self(13);
    pub const DEVMAP: Self = Self(14);
    pub const DEVMAP_HASH: Self = Self(25);
    pub const RINGBUF: Self = Self(27);

    /// The kernel's word for it, as bpftool prints it.
    pub fn name(self) -> &'static str {
        const NAMES: [&str; 34] = [
            "unspec",
            "hash",
            "array",
            "prog_array",
            "perf_event_array",
            "percpu_hash",
            "percpu_array",
            "stack_trace",
            "cgroup_array",
            "lru_hash",
            "lru_percpu_hash",
            "lpm_trie",
            "array_of_maps",
            "hash_of_maps",
            "devmap",
            "sockmap",
            "cpumap",
            "xskmap",
            "sockhash",
            "cgroup_storage",
            "reuseport_sockarray",
            "percpu_cgroup_storage",
            "queue",
            "stack",
            "sk_storage",
            "devmap_hash",
            "struct_ops",
            "ringbuf",
            "inode_storage",
            "task_storage",
            "bloom_filter",
            "user_ringbuf",
            "cgrp_storage",
            "arena",
        ];
        NAMES.get(self.0 as usize).copied().unwrap_or("unknown")
    }

    pub fn is_per_cpu(self) -> bool {
        matches!(self.0, 5 | 6 | 10 | 21)
    }
}

/// `BPF_F_MMAPABLE`: the array can be mapped into memory.
pub const MMAPABLE: u32 = 1 << 10;
const RDONLY_PROG: u32 = 1 << 7;

/// What a map is made of.
#[derive(Debug, Clone)]
pub struct MapSpec {
    pub name: String,
    pub kind: MapKind,
    pub key_size: u32,
    pub value_size: u32,
    pub max_entries: u32,
    pub flags: u32,
    pub extra: u64,
}

impl MapSpec {
    /// Whether a program written for one map can use the other.
    pub fn is_compatible(&self, other: &Self) -> bool {
        let shape = |spec: &Self| (spec.kind, spec.key_size, spec.value_size, spec.max_entries, spec.flags);
        shape(self) == shape(other)
    }
}

/// A map of the kernel.
#[derive(Debug)]
pub struct Map {
    fd: OwnedFd,
    spec: MapSpec,
}

impl Map {
    /// Creates a map. Types of keys and values are told to the kernel when the object's BTF names them.
    pub fn create(
        spec: MapSpec,
        btf: Option<(BorrowedFd<'_>, u32, u32)>,
        inner: Option<&Self>,
    ) -> Result<Self, Error> {
        let mut attr = Attr::new(72)
            .u32(0, spec.kind.0)
            .u32(4, spec.key_size)
            .u32(8, spec.value_size)
            .u32(12, spec.max_entries)
            .u32(16, spec.flags)
            .u64(64, spec.extra)
            .name(28, &spec.name);
        if let Some(inner) = inner {
            attr = attr.fd(20, inner.fd());
        }
        if let Some((btf, key, value)) = btf {
            attr = attr.fd(48, btf).u32(52, key).u32(56, value);
        }
        // SAFETY: no addresses; the command returns a descriptor.
        match unsafe { sys::bpf_fd(Command::MapCreate, &mut attr) } {
            Ok(fd) => Ok(Self { fd, spec }),
            Err(source) => Err(Error::MapCreate { name: spec.name, entries: spec.max_entries, source }),
        }
    }

    /// A map that is pinned at `path`.
    pub fn open_pinned(path: &CStr) -> io::Result<Self> {
        Self::from_fd(sys::open_pinned(path)?)
    }

    pub fn from_id(id: u32) -> io::Result<Self> {
        Self::from_fd(sys::fd_by_id(Command::MapFdById, id)?)
    }

    pub(crate) fn from_fd(fd: OwnedFd) -> io::Result<Self> {
        let mut info = [0; 88];
        sys::info(fd.as_fd(), &mut info)?;
        let word = |at: usize| u32::from_ne_bytes([info[at], info[at + 1], info[at + 2], info[at + 3]]);
        let name = info[24..40].iter().take_while(|b| **b != 0).map(|b| char::from(*b)).collect();
        let spec = MapSpec {
            name,
            kind: MapKind(word(0)),
            key_size: word(8),
            value_size: word(12),
            max_entries: word(16),
            flags: word(20),
            extra: 0,
        };
        Ok(Self { fd, spec })
    }

    /// The kernel's id.
    pub fn id(&self) -> Result<u32, Error> {
        let mut info = [0; 88];
        sys::info(self.fd(), &mut info).map_err(|e| self.error("info", e))?;
        Ok(u32::from_ne_bytes([info[4], info[5], info[6], info[7]]))
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub fn spec(&self) -> &MapSpec {
        &self.spec
    }

    pub fn pin(&self, path: &CStr) -> Result<(), Error> {
        sys::pin(self.fd(), path).map_err(|e| self.error("pin", e))
    }

    /// Makes a read-only section unchangeable, which is what lets the verifier believe its values.
    pub fn freeze(&self) -> Result<(), Error> {
        let mut attr = Attr::new(4).fd(0, self.fd());
        // SAFETY: no addresses.
        unsafe { sys::bpf(Command::MapFreeze, &mut attr) }.map(drop).map_err(|e| self.error("freeze", e))
    }

    pub fn is_read_only(&self) -> bool {
        self.spec.flags & RDONLY_PROG != 0
    }

    /// The value of a key; `None` when there is none.
    pub fn get<K: Shared, V: Shared>(&self, key: &K) -> Result<Option<V>, Error> {
        self.expect_sizes(size_of::<K>(), size_of::<V>());
        let mut value = vec![0; size_of::<V>()];
        Ok(if self.get_raw(bytes_of(key), &mut value)? { from_bytes(&value) } else { None })
    }

    /// The values of a key, one per possible CPU; empty when there is none.
    pub fn get_per_cpu<K: Shared, V: Shared>(&self, key: &K) -> Result<Vec<V>, Error> {
        self.expect_sizes(size_of::<K>(), size_of::<V>());
        let stride = size_of::<V>().next_multiple_of(8);
        let mut values = vec![0; stride * cpu::possible_cpus()];
        if !self.get_raw(bytes_of(key), &mut values)? {
            return Ok(Vec::new());
        }
        Ok(values.chunks(stride).filter_map(|chunk| from_bytes(&chunk[..size_of::<V>()])).collect())
    }

    /// Sets a key's value on every CPU.
    pub fn set_per_cpu<K: Shared, V: Shared>(&self, key: &K, value: &V) -> Result<(), Error> {
        self.expect_sizes(size_of::<K>(), size_of::<V>());
        let mut one = bytes_of(value).to_vec();
        one.resize(size_of::<V>().next_multiple_of(8), 0);
        self.set_raw(bytes_of(key), &one.repeat(cpu::possible_cpus()))
    }

    /// Reads elements 0 to `count` of a per-CPU array, thousands in a call where the kernel can (5.13).
    pub fn for_each_per_cpu<V: Shared>(&self, count: u32, each: impl FnMut(u32, &[V])) -> Result<(), Error> {
        self.for_each_per_cpu_in(0..count, each)
    }

    /// As [`for_each_per_cpu`](Self::for_each_per_cpu), of these elements; those that the array has not are left out.
    pub fn for_each_per_cpu_in<V: Shared>(
        &self,
        elements: Range<u32>,
        mut each: impl FnMut(u32, &[V]),
    ) -> Result<(), Error> {
        const BATCH: u32 = 4096;
        self.expect_sizes(4, size_of::<V>());
        let stride = size_of::<V>().next_multiple_of(8);
        let element = stride * cpu::possible_cpus();
        let end = elements.end.min(self.spec.max_entries);
        let mut at = elements.start;
        let mut values = vec![0_u8; element * BATCH.min(end.saturating_sub(at)) as usize];
        let mut keys = vec![0_u32; BATCH as usize];
        let mut one: Vec<V> = Vec::new();
        while at < end {
            let want = BATCH.min(end - at);
            let (cursor, mut next) = (at.wrapping_sub(1), 0_u32);
            let first = if at == 0 { std::ptr::null() } else { &raw const cursor };
            let mut attr = Attr::new(56)
                .ptr(0, first)
                .ptr(8, &raw mut next)
                .ptr(16, keys.as_mut_ptr())
                .ptr(24, values.as_mut_ptr())
                .u32(32, want)
                .u32(36, self.fd.as_raw_fd().cast_unsigned());
            // SAFETY: keys and values have room for `want` elements, the cursors for one key.
            let batch = unsafe { sys::bpf(Command::MapLookupBatch, &mut attr) };
            // ENOENT says that the map ended inside the batch, which is full nevertheless when it held what we want.
            let whole = attr.get_u32(32) == want;
            let read = match batch {
                Ok(_) if whole => want,
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) && whole => want,
                _ => {
                    self.get_raw(&at.to_ne_bytes(), &mut values)?;
                    1
                }
            };
            for element in values.chunks(element).take(read as usize) {
                one.clear();
                one.extend(
                    element.chunks(stride).filter_map(|chunk| from_bytes::<V>(&chunk[..size_of::<V>()])),
                );
                each(at, &one);
                at += 1;
            }
        }
        Ok(())
    }

    /// Sets the value of a key.
    pub fn set<K: Shared, V: Shared>(&self, key: &K, value: &V) -> Result<(), Error> {
        self.expect_sizes(size_of::<K>(), size_of::<V>());
        self.set_raw(bytes_of(key), bytes_of(value))
    }

    /// Removes a key; `false` when it was not there.
    pub fn remove<K: Shared>(&self, key: &K) -> Result<bool, Error> {
        let mut attr = Attr::new(32).fd(0, self.fd()).ptr(8, bytes_of(key).as_ptr());
        // SAFETY: the key is key_size bytes (`Map::expect_sizes` in all constructors of typed use).
        match unsafe { sys::bpf(Command::MapDelete, &mut attr) } {
            Ok(_) => Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
            Err(error) => Err(self.error("delete", error)),
        }
    }

    /// All keys at some moment; those that come and go meanwhile may or may not be among them.
    pub fn keys<K: Shared>(&self) -> Result<Vec<K>, Error> {
        Ok(self.keys_raw()?.iter().filter_map(|key| from_bytes(key)).collect())
    }

    /// All keys as bytes.
    pub fn keys_raw(&self) -> Result<Vec<Vec<u8>>, Error> {
        let mut keys: Vec<Vec<u8>> = Vec::new();
        let mut next = vec![0; self.spec.key_size as usize];
        loop {
            let previous = keys.last().map_or(std::ptr::null(), |key| key.as_ptr());
            let mut attr = Attr::new(32).fd(0, self.fd()).ptr(8, previous).ptr(16, next.as_mut_ptr());
            // SAFETY: both keys are key_size bytes, or null for the first.
            match unsafe { sys::bpf(Command::MapNextKey, &mut attr) } {
                Ok(_) => keys.push(next.clone()),
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(keys),
                Err(error) => return Err(self.error("next key", error)),
            }
            // A key that was deleted meanwhile restarts the walk; bound it.
            if keys.len() > self.spec.max_entries as usize {
                return Ok(keys);
            }
        }
    }

    /// Reads a value of any size; per-CPU maps fill one value for each possible CPU.
    pub fn get_raw(&self, key: &[u8], value: &mut [u8]) -> Result<bool, Error> {
        let each = self.spec.value_size as usize;
        let size =
            if self.spec.kind.is_per_cpu() { each.next_multiple_of(8) * cpu::possible_cpus() } else { each };
        assert!(
            key.len() == self.spec.key_size as usize && value.len() >= size,
            "sizes of map {}",
            self.spec.name
        );
        let mut attr = Attr::new(32).fd(0, self.fd()).ptr(8, key.as_ptr()).ptr(16, value.as_mut_ptr());
        // SAFETY: the key and the value are as large as the kernel's, by the assertion.
        match unsafe { sys::bpf(Command::MapLookup, &mut attr) } {
            Ok(_) => Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
            Err(error) => Err(self.error("lookup", error)),
        }
    }

    pub fn set_raw(&self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        let each = self.spec.value_size as usize;
        let size =
            if self.spec.kind.is_per_cpu() { each.next_multiple_of(8) * cpu::possible_cpus() } else { each };
        assert!(
            key.len() == self.spec.key_size as usize && value.len() >= size,
            "sizes of map {}",
            self.spec.name
        );
        let mut attr = Attr::new(32).fd(0, self.fd()).ptr(8, key.as_ptr()).ptr(16, value.as_ptr());
        // SAFETY: as in `get_raw`; the kernel only reads.
        unsafe { sys::bpf(Command::MapUpdate, &mut attr) }.map(drop).map_err(|e| self.error("update", e))
    }

    /// Maps an array of `T` into memory: readers in the kernel see stores at once.
    pub fn mapped<T: Shared>(&self) -> Result<Mapped<T>, Error> {
        self.mapped_as(ProtFlags::PROT_READ | ProtFlags::PROT_WRITE)
    }

    /// Writes an array's first elements, one after the other, in its memory. The array is one that can be mapped.
    pub fn write_elements(&self, bytes: &[u8]) -> Result<(), Error> {
        let mut mapped = self.map_elements::<u64>(ProtFlags::PROT_READ | ProtFlags::PROT_WRITE)?;
        let words =
            bytes.chunks_exact(8).map(|word| u64::from_ne_bytes(word.try_into().expect("eight bytes")));
        assert!(
            words.len() * 8 == bytes.len() && words.len() <= mapped.len(),
            "sizes of map {}",
            self.spec.name
        );
        mapped.iter_mut().zip(words).for_each(|(to, word)| *to = word);
        Ok(())
    }

    fn mapped_as<T: Shared>(&self, protection: ProtFlags) -> Result<Mapped<T>, Error> {
        self.expect_sizes(4, size_of::<T>());
        self.map_elements(protection)
    }

    /// The memory of an array as so many `T` as fit.
    fn map_elements<T: Shared>(&self, protection: ProtFlags) -> Result<Mapped<T>, Error> {
        let bytes = self.spec.value_size as usize * self.spec.max_entries as usize;
        assert!(
            size_of::<T>().is_multiple_of(8) && self.spec.value_size.is_multiple_of(8),
            "elements are padded to eight bytes"
        );
        let elements = bytes / size_of::<T>();
        let page = 4096;
        let bytes = NonZeroUsize::new((elements * size_of::<T>()).next_multiple_of(page))
            .expect("arrays are not empty");
        // SAFETY: a fresh mapping at an address of the kernel's choice.
        let start = unsafe { mmap(None, bytes, protection, MapFlags::MAP_SHARED, self.fd(), 0) }
            .map_err(|e| self.error("mmap", e.into()))?;
        Ok(Mapped { start: start.cast(), elements, bytes: bytes.get(), kind: PhantomData })
    }

    /// Looks at the memory of an array of `T`, which programs may be writing to.
    pub fn look<T: Shared, R>(&self, look: impl FnOnce(&[T]) -> R) -> Result<R, Error> {
        let mapped = self.mapped_as::<T>(ProtFlags::PROT_READ)?;
        Ok(look(&mapped))
    }

    /// A wrong size would let the kernel write past our buffer, so it is a bug worth stopping for.
    fn expect_sizes(&self, key: usize, value: usize) {
        assert!(
            self.spec.key_size as usize == key && self.spec.value_size as usize == value,
            "map {}: key {} and value {} bytes, asked as {key} and {value}",
            self.spec.name,
            self.spec.key_size,
            self.spec.value_size,
        );
    }

    fn error(&self, operation: &'static str, source: io::Error) -> Error {
        Error::Map { name: self.spec.name.clone(), operation, source }
    }
}

/// An array map's memory.
#[derive(Debug)]
pub struct Mapped<T> {
    start: NonNull<T>,
    elements: usize,
    bytes: usize,
    kind: PhantomData<T>,
}

// SAFETY: the mapping is ordinary shared memory without thread affinity.
unsafe impl<T: Send> Send for Mapped<T> {}

impl<T: Shared> std::ops::Deref for Mapped<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: the mapping is `elements` long and lives as long as self; any bytes are a T.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.elements) }
    }
}

impl<T: Shared> std::ops::DerefMut for Mapped<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`; of the processes, only ours has this map.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.elements) }
    }
}

impl<T: Shared> AsRef<[T]> for Mapped<T> {
    fn as_ref(&self) -> &[T] {
        self
    }
}

impl<T: Shared> AsMut<[T]> for Mapped<T> {
    fn as_mut(&mut self) -> &mut [T] {
        self
    }
}

impl<T> Drop for Mapped<T> {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and no reference outlives self. Failure leaks address space, nothing else.
        let _ = unsafe { munmap(self.start.cast(), self.bytes) };
    }
}
