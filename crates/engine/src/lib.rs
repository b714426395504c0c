//! The kernel, as senko uses it: the only crate that names aya and the only one that holds file descriptors.

mod attach;
mod btf;
pub mod capability;
mod cpu;
mod diagnose;
mod error;
pub mod ethtool;
pub mod kernel_config;
mod map;
pub mod mount;
pub mod netlink;
pub mod netns;
mod object;
mod pipeline;
pub mod policy;
pub mod probe;
mod program;
pub mod program_info;
mod ring;
mod sys;
mod test_run;
pub mod trial;
pub mod veth;

pub use attach::{Attachment, Mode, attach, ifindex, ifindex_exists};
pub use btf::release as kernel_release;
pub use cpu::possible_cpus;
pub use diagnose::{Diagnosis, diagnose, exit};
pub use error::Error;
pub use map::{MMAPABLE, Map, MapKind, MapSpec, Mapped};
pub use object::{Globals, LoadChoices, LoadedObject, MapChoice, ObjectFile};
pub use pipeline::{Judged, Pipeline, PipelineBuilder};
pub use program::{Program, ProgramKind, Refusal};
pub use ring::{Records, RingReader};
pub use test_run::{LiveRun, TestRun};
