//! Programs: loading, and what the verifier says.

use std::{
    ffi::CStr,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use aya_obj::generated::bpf_insn;

use crate::{
    Error,
    sys::{self, Attr, Command},
};

/// `enum bpf_prog_type`, as far as senko loads them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum ProgramKind {
    Classifier = 3,
    Xdp = 6,
    RawTracepoint = 17,
}

/// `BPF_F_XDP_HAS_FRAGS`.
pub const HAS_FRAGS: u32 = 1 << 5;

/// What is handed to the verifier.
pub struct ProgramSpec<'a> {
    pub name: &'a str,
    pub kind: ProgramKind,
    pub license: &'a CStr,
    pub instructions: &'a [bpf_insn],
    pub flags: u32,
    /// `expected_attach_type`: 37 for XDP (5.9), 0 else.
    pub attach_type: u32,
    /// BTF of the object, with function and line records: (bytes, record size).
    pub btf: Option<BorrowedFd<'a>>,
    pub function_info: (&'a [u8], usize),
    pub line_info: (&'a [u8], usize),
    /// Binds the program to one device (hardware offload).
    pub ifindex: u32,
}

/// A refusal: the kernel's errno and the verifier's words.
#[derive(Debug)]
pub struct Refusal {
    pub source: io::Error,
    pub log: String,
}

/// A loaded program.
#[derive(Debug)]
pub struct Program {
    fd: OwnedFd,
    frags: bool,
    /// The verifier's closing statistics, when the kernel wrote them.
    statistics: String,
}

const LOG_STATS: u32 = 4;
const LOG_VERBOSE: u32 = 1;

impl Program {
    /// Loads a program. Only a refused program is verified a second time with a full log, because writing the log
    /// takes most of the time.
    pub fn load(spec: &ProgramSpec<'_>) -> Result<Self, Refusal> {
        match load_once(spec, LOG_STATS, 1 << 12) {
            (Ok(fd), statistics) => Ok(Self { fd, frags: spec.flags & HAS_FRAGS != 0, statistics }),
            (Err(first), _) => {
                let mut size = 1 << 20;
                loop {
                    match load_once(spec, LOG_VERBOSE | LOG_STATS, size) {
                        (Ok(fd), statistics) => {
                            return Ok(Self { fd, frags: spec.flags & HAS_FRAGS != 0, statistics });
                        }
                        // The log did not fit: the last lines, which matter, are the missing ones.
                        (Err(error), _) if error.raw_os_error() == Some(libc::ENOSPC) && size < 1 << 28 => {
                            size <<= 2
                        }
                        (Err(_), log) => return Err(Refusal { source: first, log }),
                    }
                }
            }
        }
    }

    /// A program that somebody loaded before.
    pub(crate) fn from_fd(fd: OwnedFd) -> Self {
        Self { fd, frags: false, statistics: String::new() }
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Whether it takes frames of several buffers.
    pub fn has_frags(&self) -> bool {
        self.frags
    }

    /// The verifier's closing words: instructions walked, stack and states.
    pub fn verifier_statistics(&self) -> &str {
        &self.statistics
    }

    pub fn pin(&self, path: &CStr) -> Result<(), Error> {
        sys::pin(self.fd(), path).map_err(Error::system("pin the program"))
    }

    /// Instructions the verifier walked through, which its budget of a million bounds.
    pub fn verified_instructions(&self) -> Option<u64> {
        // 7.2 tells of each function in a line before, which ends with such words.
        let words = self.statistics.lines().find_map(|line| line.strip_prefix("processed "))?;
        words.split_whitespace().next()?.parse().ok()
    }

    /// The kernel's id.
    pub fn id(&self) -> Result<u32, Error> {
        let mut info = [0; 232];
        sys::info(self.fd(), &mut info).map_err(Error::system("program info"))?;
        Ok(u32::from_ne_bytes([info[4], info[5], info[6], info[7]]))
    }

    /// Bytes of the translated and of the jitted program.
    pub fn sizes(&self) -> Result<(u32, u32), Error> {
        let mut info = [0; 232];
        sys::info(self.fd(), &mut info).map_err(Error::system("program info"))?;
        let word = |at: usize| u32::from_ne_bytes([info[at], info[at + 1], info[at + 2], info[at + 3]]);
        Ok((word(20), word(16)))
    }

    /// Attaches to a raw tracepoint for as long as the returned descriptor lives.
    pub fn attach_raw_tracepoint(&self, name: &CStr) -> Result<OwnedFd, Error> {
        let mut attr = Attr::new(16).ptr(0, name.as_ptr()).fd(8, self.fd());
        // SAFETY: the name is a live C string; the command returns a descriptor.
        unsafe { sys::bpf_fd(Command::RawTracepointOpen, &mut attr) }
            .map_err(Error::system(format!("tracepoint {}", name.to_string_lossy())))
    }
}

fn load_once(spec: &ProgramSpec<'_>, log_level: u32, log_size: usize) -> (io::Result<OwnedFd>, String) {
    let mut log = vec![0_u8; log_size];
    let mut attr = Attr::new(128)
        .u32(0, spec.kind as u32)
        .u32(4, spec.instructions.len() as u32)
        .ptr(8, spec.instructions.as_ptr())
        .ptr(16, spec.license.as_ptr())
        .u32(24, log_level)
        .u32(28, log.len() as u32)
        .ptr(32, log.as_mut_ptr())
        .u32(44, spec.flags)
        .name(48, spec.name)
        .u32(64, spec.ifindex)
        .u32(68, spec.attach_type);
    if let Some(btf) = spec.btf {
        attr = attr.fd(72, btf);
        let (functions, size) = spec.function_info;
        if size != 0 && !functions.is_empty() {
            attr = attr
                .u32(76, size as u32)
                .ptr(80, functions.as_ptr())
                .u32(88, (functions.len() / size) as u32);
        }
        let (lines, size) = spec.line_info;
        if size != 0 && !lines.is_empty() {
            attr = attr.u32(92, size as u32).ptr(96, lines.as_ptr()).u32(104, (lines.len() / size) as u32);
        }
    }
    // SAFETY: instructions, license, log and records live through the call and their sizes are true.
    let result = unsafe { sys::bpf_fd(Command::ProgLoad, &mut attr) };
    let end = log.iter().position(|b| *b == 0).unwrap_or(log.len());
    (result, String::from_utf8_lossy(&log[..end]).into_owned())
}
