//! What `bpf(2)` does with programs and maps.

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
    thread,
};

use nix::sched::{CloneFlags, unshare};

use super::{Answer, is_denied, load::xdp};
use crate::{
    Error, MMAPABLE, Map, MapKind, MapSpec,
    capability::Capability,
    sys::{self, Attr, Command},
};

/// A thing that senko does with programs and maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Many keys of a map in one call (5.6).
    Batch,
    /// Arrays mapped into memory (5.5).
    MappedArray,
    /// Attaching XDP by `bpf_link`, which detaches by itself and can be replaced atomically (5.9).
    Link,
    /// Running a program on bytes of ours.
    TestRun,
    /// The same as if an interface had received them (5.15).
    TestRunOn,
    /// Running a program on frames that then go where it says (5.18).
    LiveFrames,
}

impl Operation {
    pub const ALL: [Self; 6] =
        [Self::Link, Self::TestRun, Self::TestRunOn, Self::LiveFrames, Self::Batch, Self::MappedArray];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Batch => "map_batch",
            Self::MappedArray => "mmap_array",
            Self::Link => "bpf_link",
            Self::TestRun => "test_run",
            Self::TestRunOn => "test_run_on",
            Self::LiveFrames => "live_frames",
        }
    }
}

const NET: &[Capability] = &[Capability::Bpf, Capability::NetAdmin];
const DROP: i32 = 1;
const PASS: i32 = 2;
const LIVE: u32 = 1 << 1;

/// Whether it works.
pub fn operation(operation: Operation) -> Answer {
    match operation {
        Operation::Batch => batch(),
        Operation::MappedArray => mapped_array(),
        Operation::Link => link(),
        Operation::TestRun => test_run(0, false),
        Operation::TestRunOn => test_run(0, true),
        Operation::LiveFrames => test_run(LIVE, false),
    }
}

fn map(kind: MapKind, flags: u32) -> Result<Map, Answer> {
    let spec = MapSpec {
        name: "senko_probe".into(),
        kind,
        key_size: 4,
        value_size: 8,
        max_entries: 2,
        flags,
        extra: 0,
    };
    Map::create(spec, None, None).map_err(|error| match error {
        Error::MapCreate { source, .. } if is_denied(&source) => Answer::denied(&[Capability::Bpf]),
        _ => Answer::No,
    })
}

fn batch() -> Answer {
    let map = match map(MapKind::HASH, 0) {
        Ok(map) => map,
        Err(answer) => return answer,
    };
    let (keys, values) = ([1_u32, 2], [1_u64, 2]);
    // in_batch, out_batch, keys, values, count, map_fd, elem_flags, flags.
    let mut attr = Attr::new(56)
        .ptr(16, keys.as_ptr())
        .ptr(24, values.as_ptr())
        .u32(32, keys.len() as u32)
        .fd(36, map.fd());
    // SAFETY: two keys of four and two values of eight bytes, as the map's.
    Answer::of(&unsafe { sys::bpf(Command::MapUpdateBatch, &mut attr) }, NET)
}

fn mapped_array() -> Answer {
    match map(MapKind::ARRAY, MMAPABLE) {
        Ok(map) if map.mapped::<u64>().is_ok() => Answer::Yes,
        Ok(_) => Answer::No,
        Err(answer) => answer,
    }
}

fn test_run(flags: u32, with_context: bool) -> Answer {
    // Live frames that are dropped go nowhere.
    let program = match xdp(DROP, 0) {
        Ok(program) => program,
        Err(error) => return Answer::of::<()>(&Err(error), NET),
    };
    let frame = [0_u8; 64];
    let mut attr = Attr::new(80)
        .fd(0, program.as_fd())
        .u32(8, frame.len() as u32)
        .ptr(16, frame.as_ptr())
        .u32(32, 1)
        .u32(64, flags);
    // `struct xdp_md`: only where the frame begins and ends.
    let context = [0, frame.len() as u32, 0, 0, 0, 0];
    if with_context {
        attr = attr.u32(40, size_of_val(&context) as u32).ptr(48, context.as_ptr());
    }
    // SAFETY: frame and context live through the call; nothing is written back without an output buffer.
    Answer::of(&unsafe { sys::bpf(Command::ProgTestRun, &mut attr) }, NET)
}

/// Attaches to the loopback device of a network namespace that exists for this one attempt: nobody's traffic is
/// touched. An invalid interface would not tell, since kernels that know no XDP links answer EINVAL as well.
fn link() -> Answer {
    let program = match xdp(PASS, 0) {
        Ok(program) => program,
        Err(error) => return Answer::of::<()>(&Err(error), NET),
    };
    let attempt = thread::spawn(move || -> Option<io::Result<OwnedFd>> {
        unshare(CloneFlags::CLONE_NEWNET).ok()?;
        let loopback = 1;
        let generic = 1 << 1;
        let mut attr = Attr::new(48).fd(0, program.as_fd()).u32(4, loopback).u32(8, 37).u32(12, generic);
        // SAFETY: no addresses; the command returns a descriptor.
        Some(unsafe { sys::bpf_fd(Command::LinkCreate, &mut attr) })
    });
    match attempt.join() {
        Ok(Some(result)) => Answer::of(&result, NET),
        // No namespace without `CAP_SYS_ADMIN`. XDP links came with 5.9, and nobody takes them out.
        _ if crate::kernel_release() >= (5, 9) => Answer::Yes,
        _ => Answer::Unknown,
    }
}
