//! `BPF_PROG_TEST_RUN`: a program run on given bytes, without an interface, or with live frames.

use crate::{
    Error, Program,
    sys::{Attr, Command, bpf},
};

const LIVE_FRAMES: u32 = 1 << 1;

/// One run, or the mean of many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestRun {
    /// The XDP action.
    pub action: u32,
    /// The frame afterwards.
    pub frame: Vec<u8>,
    /// What the program put before it, where the run had a context.
    pub metadata: Vec<u8>,
    /// Mean time of a run, nanoseconds.
    pub nanoseconds: u32,
}

/// What a live run made.
#[derive(Debug, Clone, Copy)]
pub struct LiveRun {
    pub frames: u32,
}

impl Program {
    /// Runs the program `repeat` times on `frame` (at least 14 bytes), as if loopback had received it.
    pub fn test_run(&self, frame: &[u8], repeat: u32) -> Result<TestRun, Error> {
        self.run_once(frame, None, repeat)
    }

    /// As [`test_run`](Self::test_run), as if interface `ifindex` of this network namespace had received the frame on its
    /// first queue (0: loopback); kernel 5.14. A veth wants a program attached natively, or it has no XDP queue (`EINVAL`).
    pub fn test_run_on(&self, frame: &[u8], ifindex: u32, repeat: u32) -> Result<TestRun, Error> {
        self.run_once(frame, Some(context(frame, ifindex)), repeat)
    }

    /// As [`test_run`](Self::test_run), of a frame that comes with metadata.
    pub fn test_run_behind(&self, metadata: &[u8], frame: &[u8]) -> Result<TestRun, Error> {
        let all = [metadata, frame].concat();
        let mut context = context(&all, 0);
        context[0] = metadata.len() as u32;
        self.run_once(&all, Some(context), 1)
    }

    fn run_once(&self, frame: &[u8], mut context: Option<[u32; 6]>, repeat: u32) -> Result<TestRun, Error> {
        // Room for programs that grow the frame.
        let mut out = vec![0_u8; frame.len() + 512];
        let mut attr = Attr::new(80)
            .fd(0, self.fd())
            .u32(8, frame.len() as u32)
            .u32(12, out.len() as u32)
            .ptr(16, frame.as_ptr())
            .ptr(24, out.as_mut_ptr())
            .u32(32, repeat);
        if let Some(context) = &mut context {
            let size = size_of_val(context) as u32;
            attr = attr.u32(40, size).u32(44, size).ptr(48, context.as_ptr()).ptr(56, context.as_mut_ptr());
        }
        // SAFETY: both buffers and the context live through the call and their sizes are true. The kernel reads the context
        // before it writes it.
        unsafe { bpf(Command::ProgTestRun, &mut attr) }.map_err(Error::system("test run"))?;
        out.truncate(attr.get_u32(12) as usize);
        // The kernel writes metadata and frame, and the context says where the frame begins.
        let frame = out.split_off(context.map_or(0, |[data, ..]| data as usize).min(out.len()));
        Ok(TestRun { action: attr.get_u32(4), frame, metadata: out, nanoseconds: attr.get_u32(36) })
    }

    /// Runs the program on `frames` copies of `frame` as if interface `ifindex` had received them, and lets what it
    /// decides happen (kernel 5.18).
    pub fn live_run(&self, frame: &[u8], ifindex: u32, frames: u32) -> Result<LiveRun, Error> {
        let context = context(frame, ifindex);
        let mut attr = Attr::new(80)
            .fd(0, self.fd())
            .u32(8, frame.len() as u32)
            .ptr(16, frame.as_ptr())
            .u32(32, frames)
            .u32(40, size_of_val(&context) as u32)
            .ptr(48, context.as_ptr())
            .u32(64, LIVE_FRAMES);
        // SAFETY: frame and context live through the call and their sizes are true.
        unsafe { bpf(Command::ProgTestRun, &mut attr) }.map_err(Error::system("live run"))?;
        Ok(LiveRun { frames })
    }
}

/// `struct xdp_md`: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex.
fn context(frame: &[u8], ifindex: u32) -> [u32; 6] {
    [0, frame.len() as u32, 0, ifindex, 0, 0]
}
