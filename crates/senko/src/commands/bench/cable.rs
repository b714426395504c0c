//! Live frames over veth: a sender, the device under test, a sink, all on one CPU.
//!
//! ```text
//! h1 (sender) ── to-h1 r to-h2 ── h2 (sink: drops)
//! ```

use std::time::{Duration, Instant};

use abi::{Action, shared};
use engine::{LoadChoices, LoadedObject, Mode, Program, attach};
use lab::{Host, Lab, Topology};

use super::{frames, trace};
use crate::failure::Failure;

shared! {
    /// `struct bpf_devmap_val`.
    pub struct Port {
        pub ifindex: u32,
        pub program: u32,
    }
}

/// Frames in one figure. Many, because the end of a run is noticed only at a timer tick (4 ms here).
pub const FRAMES: u32 = 1_000_000;

/// Frames of them that must arrive.
pub const LEAST: u32 = FRAMES / 100 * 95;

/// Nothing more arrives when nothing has for so long.
const QUIET: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(5);

pub struct Cable {
    lab: Lab,
}

impl Cable {
    pub fn new() -> Result<Self, Failure> {
        let name = format!("bench-{}", std::process::id());
        Ok(Self { lab: Lab::builder(name).topology(Topology::Router).hosts(2).build()? })
    }

    pub fn host(&self, name: &str) -> &Host {
        self.lab.host(name)
    }

    pub fn router(&self) -> &Host {
        self.lab.host("r")
    }

    /// Lets h1 send to r and returns ns a frame that arrives at `interface` of `host`.
    ///
    /// Now and then the scheduler lets the sender fill veth's ring of 256 before the receiver runs; a few such losses
    /// are the machine's, more would be ours.
    pub fn time(&self, sender: &Sender, host: &str, interface: &str) -> Result<f64, Failure> {
        self.time_frames(sender, host, interface, FRAMES)
    }

    /// As [`time`](Self::time), of so many frames.
    pub fn time_frames(
        &self,
        sender: &Sender,
        host: &str,
        interface: &str,
        frames: u32,
    ) -> Result<f64, Failure> {
        let h1 = self.lab.host("h1");
        let frame = frames::udp_v4(self.router().interface("to-h1").mac);
        let before = self.received(host, interface)?;
        let begun = Instant::now();
        h1.run(|| sender.program().live_run(&frame, h1.ifindex(), frames))??;
        let (mut arrived, mut at) = (0, begun);
        while arrived < u64::from(frames)
            && (arrived == 0 || at.elapsed() < QUIET)
            && begun.elapsed() < PATIENCE
        {
            let now = self.received(host, interface)? - before;
            if now != arrived {
                (arrived, at) = (now, Instant::now());
            }
        }
        if arrived < u64::from(frames / 100 * 95) {
            return Err(Failure::failed(format!("only {arrived} of {frames} live frames arrived"), None));
        }
        Ok((at - begun).as_nanos() as f64 / arrived as f64)
    }

    /// Frames that an interface has received, dropped ones included, as the kernel counts them.
    fn received(&self, host: &str, interface: &str) -> Result<u64, Failure> {
        let failed = || Failure::failed(format!("no statistics of {interface}"), None);
        // The thread's own file: the process may be in another network namespace.
        let table = self.lab.host(host).run(|| std::fs::read_to_string("/proc/thread-self/net/dev"))?;
        let table = table.map_err(|_| failed())?;
        let line = table.lines().find_map(|line| line.trim().strip_prefix(interface)?.strip_prefix(':'));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).ok_or_else(failed)
    }

    /// The program that h1 sends with.
    pub fn sender(&self) -> Result<Sender, Failure> {
        let h1 = self.lab.host("h1");
        let object = h1.run(|| bare_redirect(h1.ifindex()))??;
        Ok(Sender { object, program: "bare_redirect" })
    }

    /// The program that h1 sends the packets of a trace with.
    pub fn trace_sender(&self, packets: &[[u32; 5]]) -> Result<Sender, Failure> {
        let h1 = self.lab.host("h1");
        let object = h1.run(|| trace::redirecting(packets, h1.ifindex()))??;
        Ok(Sender { object, program: trace::REDIRECT })
    }

    /// A program that drops what arrives at h2.
    pub fn sink(&self) -> Result<engine::Attachment, Failure> {
        let h2 = self.lab.host("h2");
        Ok(h2.run(|| {
            let floor = engine::floor(Action::Drop)?;
            attach(&floor, h2.iface(), Mode::Native)
        })??)
    }
}

/// `bpf_redirect_map` to one port, and nothing else but what the frame is to be.
pub struct Sender {
    object: LoadedObject,
    program: &'static str,
}

impl Sender {
    pub fn program(&self) -> &Program {
        self.object.program(self.program).expect("it was chosen")
    }
}

pub fn bare_redirect(ifindex: u32) -> Result<LoadedObject, engine::Error> {
    let choices = LoadChoices { programs: vec!["bare_redirect".into()], ..LoadChoices::default() };
    let object = engine::load_rivals(&choices)?;
    object.map("PORT")?.set(&0_u32, &Port { ifindex, program: 0 })?;
    Ok(object)
}
