//! Tools that run until Ctrl-C: attaching, waiting, and noticing that an interface went away.

use std::{
    cell::OnceCell,
    os::fd::{AsFd as _, BorrowedFd},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use engine::{Attachment, Pipeline, PipelineBuilder};
use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{SigSet, Signal},
        signalfd::{SfdFlags, SignalFd},
    },
};

use crate::{args::ToolArgs, failure::Failure, render::say};

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

    /// That the interface is not there any more.
    pub fn disappeared(&self) -> Failure {
        let name = &self.attachment.interface;
        Failure::failed(
            format!("{name} disappeared, and its program with it"),
            Some(&format!("start again when {name} is back: `ip link show dev {name}`")),
        )
    }

    /// Whether the interface is still there, under whatever name.
    pub fn is_alive(&self) -> bool {
        engine::ifindex_exists(self.attachment.ifindex)
    }
}

/// Goes on with the ports whose interfaces are still there; a failure when none is.
pub fn keep_present<P>(ports: &mut Vec<P>, running: impl Fn(&P) -> &Running) -> Result<(), Failure> {
    let (present, gone): (Vec<P>, Vec<P>) =
        std::mem::take(ports).into_iter().partition(|port| running(port).is_alive());
    *ports = present;
    for port in &gone {
        let failure = running(port).disappeared();
        if ports.is_empty() {
            return Err(failure);
        }
        let _ = failure.report();
    }
    Ok(())
}

/// Says which mode it became.
pub fn announce(attachment: &Attachment) {
    let Attachment { interface, mode, fallback, .. } = attachment;
    match fallback {
        Some(why) => {
            say(format_args!(
                "{interface}: attached in generic mode, slower than native, which was refused: {why}"
            ));
        }
        None => say(format_args!("{interface}: attached in {mode} mode; Ctrl-C detaches")),
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

/// How often it is looked whether the interfaces are still there.
const GLANCE: Duration = Duration::from_secs(1);

/// Time and signals: when to look again and when to stop.
pub struct Clock {
    signals: SignalFd,
    duration: Option<Duration>,
    /// When waiting began: attaching, and loading a long list before it, do not count.
    begun: OnceCell<Instant>,
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
        Ok(Self { signals, duration, begun: OnceCell::new() })
    }

    /// Waits until `at`, or less when it is time to stop. `false`: stop now.
    pub fn wait_until(&self, at: Instant) -> bool {
        self.wait_while(at, || true)
    }

    /// As `wait_until`, but ends early when an interface goes away: `at` may be an hour ahead.
    pub fn wait_while(&self, at: Instant, alive: impl Fn() -> bool) -> bool {
        matches!(self.wait(at, std::iter::empty(), alive), Ok(Wake::Time))
    }

    /// Waits until `at`, until it is time to stop, until one of `fds` can be read, or until `alive` is false, which it
    /// is asked every now and then and which counts as `at`.
    pub fn wait<'a>(
        &'a self,
        at: Instant,
        fds: impl Iterator<Item = BorrowedFd<'a>>,
        alive: impl Fn() -> bool,
    ) -> Result<Wake, Failure> {
        let stop = self.duration.map(|duration| *self.begun.get_or_init(Instant::now) + duration);
        let mut fds: Vec<PollFd<'_>> = std::iter::once(self.signals.as_fd())
            .chain(fds)
            .map(|fd| PollFd::new(fd, PollFlags::POLLIN))
            .collect();
        loop {
            let now = Instant::now();
            if stop.is_some_and(|stop| now >= stop) {
                return Ok(Wake::Stop);
            }
            let until = stop.map_or(at, |stop| stop.min(at)).min(now + GLANCE);
            // Rounded up: waking early would only mean polling again.
            let milliseconds = until.saturating_duration_since(now).as_micros().div_ceil(1000);
            let timeout = PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX);
            match poll(&mut fds, timeout) {
                Ok(0) if Instant::now() >= at || !alive() => return Ok(Wake::Time),
                Ok(0) => {}
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

/// Nanoseconds from the kernel's monotonic clock to the time since 1970.
pub fn wall_clock_offset() -> i128 {
    let monotonic = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC)
        .map_or(0, |t| i128::from(t.tv_sec()) * 1_000_000_000 + i128::from(t.tv_nsec()));
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as i128;
    wall - monotonic
}
