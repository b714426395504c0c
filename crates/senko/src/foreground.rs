//! Tools that run until Ctrl-C: attaching, waiting, and noticing that an interface went away.

use std::{
    os::fd::{AsFd as _, BorrowedFd},
    time::{Duration, Instant},
};

use engine::{Attachment, Mode, Pipeline, PipelineBuilder};
use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{SigSet, Signal},
        signalfd::{SfdFlags, SignalFd},
    },
};

use crate::{args::ToolArgs, failure::Failure};

/// A data path on one interface.
pub struct Running {
    pub pipeline: Pipeline,
    pub attachment: Attachment,
}

impl Running {
    /// Loads and attaches, and says on standard error which mode it became.
    pub fn start(builder: &PipelineBuilder, interface: &str, tool: &ToolArgs) -> Result<Self, Failure> {
        let (pipeline, attachment) = builder.attach(interface, tool.mode.into())?;
        announce(&attachment);
        Ok(Self { pipeline, attachment })
    }

    /// Whether the interface is still there; says so when it is not.
    pub fn stays(&self) -> bool {
        let alive = self.is_alive();
        if !alive {
            eprintln!("senko: {} disappeared; its program went with it", self.attachment.interface);
        }
        alive
    }

    /// Whether the interface is still there, under whatever name.
    pub fn is_alive(&self) -> bool {
        engine::ifindex_exists(self.attachment.ifindex)
    }
}

/// Says which mode it became.
pub fn announce(attachment: &Attachment) {
    let Attachment { interface, mode, fallback, .. } = attachment;
    match fallback {
        Some(why) => eprintln!("senko: {interface}: generic mode, slower than native: {why}"),
        None if *mode == Mode::Generic => eprintln!("senko: {interface}: attached in generic mode"),
        None => eprintln!("senko: {interface}: attached in {mode} mode; Ctrl-C detaches"),
    }
}

/// Refuses two of the same name before anything is attached.
pub fn distinct(interfaces: &[String]) -> Result<(), Failure> {
    for (at, name) in interfaces.iter().enumerate() {
        if interfaces[..at].contains(name) {
            return Err(Failure::usage(format!("interface `{name}` is named twice"), None));
        }
    }
    Ok(())
}

/// Time and signals: when to look again and when to stop.
pub struct Clock {
    signals: SignalFd,
    deadline: Option<Instant>,
}

impl Clock {
    /// Takes over SIGINT, SIGTERM and SIGHUP, so that every way of stopping detaches in order.
    pub fn new(duration: Option<Duration>) -> Result<Self, Failure> {
        let mut set = SigSet::empty();
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            set.add(signal);
        }
        let system = |errno: nix::Error| Failure::failed(format!("cannot watch for signals: {errno}"), None);
        set.thread_block().map_err(system)?;
        let signals =
            SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC).map_err(system)?;
        Ok(Self { signals, deadline: duration.map(|duration| Instant::now() + duration) })
    }

    /// Waits until `at`, or less when it is time to stop. `false`: stop now.
    pub fn wait_until(&self, at: Instant) -> bool {
        matches!(self.wait(at, std::iter::empty()), Ok(Wake::Time))
    }

    /// Waits until `at`, until it is time to stop, or until one of `fds` can be read.
    pub fn wait<'a>(
        &'a self,
        at: Instant,
        fds: impl Iterator<Item = BorrowedFd<'a>>,
    ) -> Result<Wake, Failure> {
        let until = self.deadline.map_or(at, |deadline| deadline.min(at));
        let mut fds: Vec<PollFd<'_>> = std::iter::once(self.signals.as_fd())
            .chain(fds)
            .map(|fd| PollFd::new(fd, PollFlags::POLLIN))
            .collect();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            // Rounded up: waking early would only mean polling again.
            let milliseconds = left.as_micros().div_ceil(1000);
            let timeout = PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX);
            match poll(&mut fds, timeout) {
                Ok(0) if Instant::now() < until => {}
                Ok(0) if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) => {
                    return Ok(Wake::Stop);
                }
                Ok(0) => return Ok(Wake::Time),
                Ok(_) if fds[0].any() == Some(true) => return Ok(Wake::Stop),
                Ok(_) => return Ok(Wake::Ready),
                Err(nix::Error::EINTR) => {}
                Err(errno) => return Err(Failure::failed(format!("cannot wait: {errno}"), None)),
            }
        }
    }
}

/// Why waiting ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    Time,
    Stop,
    Ready,
}
