//! Failures at the edge: what is printed, and the exit code.

use std::{io, process::ExitCode};

use engine::{Diagnosis, diagnose, exit};

use crate::render::say;

/// Why a command ends early.
#[derive(Debug)]
pub enum Failure {
    /// Explained already.
    Explained(Diagnosis),
    /// The reader of our output went away (`| head`): no failure at all.
    ClosedPipe,
}

impl Failure {
    pub fn new(exit_code: u8, cause: impl Into<String>, remedy: Option<&str>) -> Self {
        Self::Explained(Diagnosis { cause: cause.into(), remedy: remedy.map(Into::into), exit_code })
    }

    pub fn usage(cause: impl Into<String>, remedy: Option<&str>) -> Self {
        Self::new(exit::USAGE, cause, remedy)
    }

    pub fn failed(cause: impl Into<String>, remedy: Option<&str>) -> Self {
        Self::new(exit::FAILED, cause, remedy)
    }

    /// Prints the explanation on standard error.
    pub fn report(&self) -> ExitCode {
        match self {
            Self::ClosedPipe => ExitCode::SUCCESS,
            Self::Explained(diagnosis) => {
                let remedy = diagnosis.remedy.iter().flat_map(|remedy| remedy.lines());
                say(remedy.fold(diagnosis.cause.clone(), |text, line| text + "\n  " + line));
                ExitCode::from(diagnosis.exit_code)
            }
        }
    }
}

impl From<engine::Error> for Failure {
    fn from(error: engine::Error) -> Self {
        Self::Explained(diagnose(&error))
    }
}

impl From<lab::LabError> for Failure {
    fn from(error: lab::LabError) -> Self {
        Self::new(error.exit_code(), error.to_string(), None)
    }
}

/// Of writing to standard output.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::ClosedPipe
        } else {
            Self::failed(format!("cannot write the output: {error}"), None)
        }
    }
}
