//! Where a capture's records wait for user space: the ring buffer, or the perf buffer on kernels whose programs cannot copy
//! a frame into a ring.

use std::sync::OnceLock;

use crate::{
    PerfReader, RingReader,
    probe::{Answer, Helper, helper},
    ring::Records,
};

/// The kind of buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordBuffer {
    /// A record holds the frame as it came in.
    Ring,
    /// A record holds the frame as it left.
    Perf,
}

impl RecordBuffer {
    /// The ring where the kernel can do it. Rings are of 5.8, but only since 5.18 can a program copy a frame into one.
    pub fn of_running_kernel() -> Self {
        static ANSWER: OnceLock<RecordBuffer> = OnceLock::new();
        *ANSWER.get_or_init(|| match helper(Helper { id: 189, name: "xdp_load_bytes" }) {
            Answer::No => Self::Perf,
            _ => Self::Ring,
        })
    }
}

/// The one reader of a pipeline's records.
#[derive(Debug)]
pub enum RecordReader {
    Ring(RingReader),
    Perf(PerfReader),
}

impl Records for RecordReader {
    fn drain(&mut self, each: &mut dyn FnMut(&[u8])) -> usize {
        match self {
            Self::Ring(ring) => ring.drain(each),
            Self::Perf(perf) => perf.drain(each),
        }
    }
}
