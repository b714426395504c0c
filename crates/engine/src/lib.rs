//! The kernel, as senko uses it: the only crate that names aya and the only one that holds file descriptors.

mod attach;
pub mod bpffs;
mod btf;
mod cpu;
mod diagnose;
mod elf;
mod error;
mod guard;
pub mod inventory;
mod map;
pub mod netlink;
pub mod netns;
mod object;
mod occupancy;
mod owner;
pub mod pin;
mod pipeline;
mod program;
mod ring;
mod sys;
mod test_run;

pub use attach::{Attachment, Circumstances, Mode, attach, detach, ifindex, ifindex_exists, take_over};
pub use btf::{kernel_field_offset, release as kernel_release};
pub use cpu::possible_cpus;
pub use diagnose::{Diagnosis, describe, diagnose, exit};
pub use error::Error;
pub use inventory::{Inventory, Occupant, ProgramFacts, XdpLink};
pub use map::{MMAPABLE, Map, MapKind, MapSpec, Mapped};
pub use object::{Globals, LoadChoices, LoadedObject, MapChoice, ObjectFile};
pub use occupancy::{MapUse, map_use};
pub use owner::Holder;
pub use pipeline::{Judged, Pipeline, PipelineBuilder};
pub use program::{Program, ProgramKind, Refusal};
pub use ring::{Records, RingReader};
pub use test_run::{LiveRun, TestRun};
