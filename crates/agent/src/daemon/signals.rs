//! Signals, as events.

use std::{sync::mpsc::Sender, thread};

use nix::sys::signal::{SigSet, Signal};

use super::Event;
use crate::error::Error;

/// Blocks the signals that are waited for, in this thread and all that it starts.
pub fn block() -> Result<SigSet, Error> {
    let mut set = SigSet::empty();
    for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM] {
        set.add(signal);
    }
    set.thread_block().map_err(|errno| Error::io("watch for signals")(errno.into()))?;
    Ok(set)
}

/// SIGHUP reloads, the others stop.
pub fn wait(set: SigSet, events: Sender<Event>) {
    thread::spawn(move || {
        while let Ok(signal) = set.wait() {
            let event = if signal == Signal::SIGHUP { Event::Reload } else { Event::Stop };
            if events.send(event).is_err() {
                return;
            }
        }
    });
}
