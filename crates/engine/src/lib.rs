//! The kernel, as senko uses it: the only crate that names aya and the only one that holds file descriptors.

mod attach;
mod btf;
mod cpu;
mod diagnose;
mod error;
mod floor;
mod map;
pub mod netlink;
pub mod netns;
mod object;
mod perf;
mod pipeline;
mod program;
mod ring;
mod sys;
mod test_run;

pub use attach::{Attachment, Mode, attach, ifindex, ifindex_exists};
pub use btf::release as kernel_release;
pub use cpu::possible_cpus;
pub use diagnose::{Diagnosis, diagnose, exit};
pub use error::Error;
pub use floor::floor;
pub use map::{MMAPABLE, Map, MapKind, MapSpec, Mapped};
pub use object::{Globals, LoadChoices, LoadedObject, MapChoice, ObjectFile};
pub use perf::PerfReader;
pub use pipeline::{Judged, Pipeline, PipelineBuilder, pipeline_object};
pub use program::{Program, ProgramKind, Refusal};
pub use ring::{Records, RingReader};
pub use test_run::{LiveRun, TestRun};
