//! The kernel, as senko uses it: the only crate that names aya and the only one that holds file descriptors.

#[macro_use]
mod embedded;

mod attach;
pub mod bpffs;
mod btf;
pub mod capability;
mod cpu;
pub mod data_path;
mod diagnose;
mod elf;
mod error;
pub mod ethtool;
mod floor;
mod guard;
pub mod inventory;
mod kernel_btf;
pub mod kernel_config;
mod map;
pub mod mount;
pub mod netlink;
pub mod netns;
mod object;
mod occupancy;
mod owner;
mod perf;
pub mod pin;
mod pipeline;
pub mod policy;
pub mod probe;
mod program;
mod redirect_errors;
mod ring;
mod rivals;
mod sys;
mod test_run;
pub mod trial;
pub mod veth;

pub use attach::{Attachment, Circumstances, Mode, attach, detach, ifindex, ifindex_exists, take_over};
pub use btf::{kernel_field_offset, release as kernel_release};
pub use cpu::{possible_cpus, wait_for_packets};
pub use diagnose::{Diagnosis, describe, diagnose, exit};
pub use error::Error;
pub use floor::floor;
pub use inventory::{Inventory, Occupant, ProgramFacts, XdpLink};
pub use map::{MMAPABLE, Map, MapKind, MapSpec, Mapped};
pub use object::{Globals, LoadChoices, LoadedObject, MapChoice, ObjectFile};
pub use occupancy::{MapUse, map_use};
pub use owner::Holder;
pub use perf::PerfReader;
pub use pipeline::{Pipeline, PipelineBuilder, pipeline_object, reasons};
pub use program::{Program, ProgramKind, Refusal};
pub use redirect_errors::RedirectErrors;
pub use ring::{Records, RingReader};
pub use rivals::load_rivals;
pub use test_run::{LiveRun, TestRun};
