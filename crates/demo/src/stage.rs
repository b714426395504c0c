//! The lab the demo plays in, and its removal, also on Ctrl-C.

use std::{
    cell::Cell,
    path::PathBuf,
    process::Command,
    sync::{Arc, Mutex},
    thread,
};

use anyhow::{Context as _, Result, bail};
use lab::{Host, Lab, Topology};
use nix::sys::signal::{SigSet, Signal};

/// Where the signal thread finds the lab; `Lab` removes itself when the last holder lets go.
static LAB: Mutex<Option<Arc<Lab>>> = Mutex::new(None);

/// The gateway that a scene has made: its pins would outlive the lab.
static GATEWAY: Mutex<Option<(PathBuf, String)>> = Mutex::new(None);

pub struct Stage {
    pub senko: PathBuf,
    files: PathBuf,
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
        let files = std::env::temp_dir().join(format!("senko-demo-{}", std::process::id()));
        Ok(Self { senko, files, lab, checks: Cell::new(0) })
    }

    pub fn host(&self, name: &str) -> &Host {
        self.lab.host(name)
    }

    /// A file of a scene's own.
    pub fn file(&self, name: &str) -> Result<PathBuf> {
        std::fs::create_dir_all(&self.files)?;
        Ok(self.files.join(name))
    }

    /// Removes the gateway that a scene makes in a host, when the result is dropped or the demo is stopped.
    pub fn gateway(&self, host: &str) -> RemoveGateway {
        let place = (self.senko.clone(), self.host(host).ns_name().to_owned());
        *GATEWAY.lock().expect("nobody panics with it") = Some(place);
        RemoveGateway
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

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.files);
    }
}

pub struct RemoveGateway;

impl Drop for RemoveGateway {
    fn drop(&mut self) {
        remove_gateway();
    }
}

fn remove_gateway() {
    if let Some((senko, namespace)) = GATEWAY.lock().expect("nobody panics with it").take() {
        // The scene has usually done so already.
        let _ = Command::new(senko).args(["--netns", &namespace, "stop", "--detach"]).output();
    }
}

/// Removes the lab.
pub fn clear() {
    remove_gateway();
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
