//! From the kernel's errno to a cause and a remedy.

use crate::Error;

/// Exit codes of the binary.
pub mod exit {
    pub const FAILED: u8 = 1;
    pub const USAGE: u8 = 2;
    pub const NOT_PERMITTED: u8 = 3;
    pub const NOT_SUPPORTED: u8 = 4;
    pub const CONFLICT: u8 = 5;
    pub const DIFFERS: u8 = 7;
}

/// What a user needs to know about an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// What happened and why, one sentence.
    pub cause: String,
    /// What to do about it, with the exact command where there is one.
    pub remedy: Option<String>,
    pub exit_code: u8,
}

/// Explains an error.
pub fn diagnose(error: &Error) -> Diagnosis {
    let errno = match error {
        Error::Attach { source, .. }
        | Error::ProgramLoad { source, .. }
        | Error::MapCreate { source, .. }
        | Error::System { source, .. }
        | Error::Map { source, .. } => source.raw_os_error(),
        _ => None,
    };
    let exit_code = match (error, errno) {
        (Error::Attach { .. }, Some(libc::EBUSY | libc::EEXIST)) => exit::CONFLICT,
        (_, Some(libc::EPERM | libc::EACCES)) => exit::NOT_PERMITTED,
        (Error::Attach { .. }, Some(_)) => exit::NOT_SUPPORTED,
        _ => exit::FAILED,
    };
    let remedy = (errno == Some(libc::EPERM)).then(|| "run it as root".into());
    Diagnosis { cause: error.to_string(), remedy, exit_code }
}
