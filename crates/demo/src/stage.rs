//! The lab the demo plays in, and its removal, also on Ctrl-C.

use std::{
    cell::Cell,
    path::PathBuf,
    sync::{Arc, Mutex},
    thread,
};

use anyhow::{Context as _, Result, bail};
use lab::{Host, Lab, Topology};
use nix::sys::signal::{SigSet, Signal};

/// Where the signal thread finds the lab; `Lab` removes itself when the last holder lets go.
static LAB: Mutex<Option<Arc<Lab>>> = Mutex::new(None);

pub struct Stage {
    pub senko: PathBuf,
    lab: Arc<Lab>,
    checks: Cell<u32>,
}

impl Stage {
    /// Two hosts with a router between them: h1 ─ r ─ h2.
    pub fn set(senko: PathBuf) -> Result<Self> {
        remove_on_signals()?;
        let name = format!("demo-{}", std::process::id());
        println!("building a lab of network namespaces: h1 ── r ── h2");
        let lab = Lab::builder(name)
            .topology(Topology::Router)
            .hosts(2)
            .build()
            .context("the lab cannot be built")?;
        let lab = Arc::new(lab);
        *LAB.lock().expect("nobody panics with it") = Some(lab.clone());
        Ok(Self { senko, lab, checks: Cell::new(0) })
    }

    pub fn host(&self, name: &str) -> &Host {
        self.lab.host(name)
    }

    /// Prints what was seen, and fails unless it is as it should be.
    pub fn check(&self, holds: bool, seen: impl AsRef<str>) -> Result<()> {
        let seen = seen.as_ref();
        if !holds {
            bail!("{seen}");
        }
        println!("  ok  {seen}");
        self.checks.set(self.checks.get() + 1);
        Ok(())
    }

    pub fn checks(&self) -> u32 {
        self.checks.get()
    }
}

/// Removes the lab.
pub fn clear() {
    if let Some(lab) = LAB.lock().expect("nobody panics with it").take() {
        // The stage has let go of it; on a signal it may still hold it, and then the next line is what counts.
        match Arc::try_unwrap(lab) {
            Ok(lab) => drop(lab),
            Err(shared) => remove_shared(&shared),
        }
    }
}

fn remove_shared(lab: &Lab) {
    if let Ok(again) = Lab::open(lab.name())
        && let Err(error) = again.remove()
    {
        eprintln!("the lab is not removed: {error}; run `senko lab down --leftovers`");
    }
}

/// Ctrl-C and its kin end the demo, not the cleaning up.
fn remove_on_signals() -> Result<()> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        signals.add(signal);
    }
    signals.thread_block()?;
    thread::spawn(move || {
        if let Ok(signal) = signals.wait() {
            println!("\n{signal}: removing the lab");
            clear();
            std::process::exit(128 + signal as i32);
        }
    });
    Ok(())
}
