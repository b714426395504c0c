//! A gateway on a host of its own, which is gone when the test ends, however it ends.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::net::UnixDatagram,
    process::Command,
    sync::mpsc::{self, Receiver},
    time::{Duration, Instant},
};

use agent::{gateway::look, place::Place, record::Record};
use engine::{Map, Program, data_path::PinnedLink};
use lab::{Host, Lab, Topology};

use crate::support::{self, Background, Ended, Scratch, Tool, lab, patience, senko};

/// The interface that most tests serve.
pub const PORT: &str = "to-h1";

/// A pair of hosts: `h1` sends, `h2` is the gateway.
pub struct Gateway {
    pub lab: Lab,
    pub scratch: Scratch,
    pub place: Place,
}

/// What must not change where nothing is to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ids {
    pub generation: u64,
    pub link: u32,
    pub program: u32,
    pub maps: BTreeMap<String, u32>,
}

impl Gateway {
    pub fn new(word: &str) -> Self {
        let lab = lab(word, Topology::Pair);
        let place = place(lab.host("h2"));
        Self { lab, scratch: Scratch::new(word), place }
    }

    pub fn host(&self) -> &Host {
        self.lab.host("h2")
    }

    pub fn peer(&self) -> &Host {
        self.lab.host("h1")
    }

    pub fn config(&self) -> String {
        self.scratch.file("senko.toml")
    }

    /// Writes the configuration: this, on the interface to `h1`.
    pub fn write(&self, mode: &str, text: &str) -> String {
        let text = format!("[[interface]]\nname = \"{PORT}\"\nmode = \"{mode}\"\n\n{text}");
        self.scratch.write("senko.toml", text)
    }

    /// Senko with this gateway's configuration, not started.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = senko(self.host(), args);
        command.env("SENKO_CONFIG", self.config());
        command
    }

    #[track_caller]
    pub fn senko(&self, args: &[&str]) -> Ended {
        Tool::spawn(&mut self.command(args)).end()
    }

    /// Writes the configuration and makes it live.
    #[track_caller]
    pub fn apply(&self, mode: &str, text: &str) -> Ended {
        self.write(mode, text);
        self.senko(&["apply"]).ok()
    }

    /// Starts the daemon and waits until it says that it is ready.
    #[track_caller]
    pub fn run(&self) -> Daemon {
        let path = self.scratch.path().join("notify");
        let _ = fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path).expect("a socket");
        let mut command = self.command(&["run"]);
        command.env("NOTIFY_SOCKET", &path);
        let (begun, tool) = (Instant::now(), Tool::spawn(&mut command));
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
        let (sender, messages) = mpsc::channel();
        // As the service manager does: who does not read stops the daemon.
        let reader = Background::repeat(move || {
            let mut buffer = [0; 4096];
            if let Ok(length) = socket.recv(&mut buffer) {
                let _ = sender.send(String::from_utf8_lossy(&buffer[..length]).into_owned());
            }
        });
        let mut daemon = Daemon { tool, messages, _reader: reader, took: Duration::ZERO };
        daemon.wait_for("READY=1");
        daemon.took = begun.elapsed();
        daemon
    }

    #[track_caller]
    pub fn record(&self) -> Record {
        look(&self.place).expect("it can be read").expect("a gateway is live")
    }

    #[track_caller]
    pub fn ids(&self) -> Ids {
        ids(self.host(), &self.place, PORT)
    }

    /// Asserts that nothing of the gateway is left in kernel and files.
    #[track_caller]
    pub fn assert_gone(&self) {
        support::assert_clean(&self.lab);
        assert!(!self.place.pins.exists(), "{}", self.place.pins.display());
        assert!(!self.place.run.exists(), "{}", self.place.run.display());
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        remove(self.host(), &self.place);
    }
}

/// Takes a gateway away with all that a failed test may have left of it.
pub fn remove(host: &Host, place: &Place) {
    let _ = senko(host, &["stop", "--detach"]).output();
    let _ = fs::remove_dir_all(&place.pins);
    let _ = fs::remove_dir_all(&place.run);
}

/// Where the gateway of a host has its things.
pub fn place(host: &Host) -> Place {
    host.run(Place::here).expect("the namespace is there").expect("it has a key")
}

/// What the pins of an interface lead to; the interface runs exactly that program.
#[track_caller]
pub fn ids(host: &Host, place: &Place, interface: &str) -> Ids {
    let record = look(place).expect("it can be read").expect("a gateway is live");
    let known = record.interface(interface).expect("it is configured");
    let directory = place.pins.join(format!("generation-{}", record.generation));
    let ifindex =
        host.run(|| engine::ifindex(interface)).expect("the namespace is there").expect("it is there");
    let pin = place.pins.join(format!("links/{ifindex}"));
    // A link is attached before it is pinned, and a daemon may be between the two.
    support::wait_until("the link is pinned", || PinnedLink::open(&pin).expect("it opens").is_some());
    let link = PinnedLink::open(&pin).expect("it opens");
    let facts = link.expect("the link is pinned").facts().expect("it has facts");
    let pinned = Program::open_pinned(&directory.join(format!("program-{}", known.slot))).expect("it opens");
    let pinned = pinned.expect("the program is pinned").id().expect("it has an id");
    let running: Vec<u32> = support::programs(host, interface).iter().map(|p| p.program_id).collect();
    assert_eq!((running, facts.program_id), (vec![pinned], pinned), "{interface} runs what is pinned");
    let maps = fs::read_dir(directory.join("maps")).expect("maps are pinned").map(|entry| {
        let entry = entry.expect("it can be read");
        let map = Map::open_at(&entry.path()).expect("it opens").expect("it is there");
        (entry.file_name().to_string_lossy().into_owned(), map.id().expect("it has an id"))
    });
    Ids { generation: record.generation, link: facts.id, program: pinned, maps: maps.collect() }
}

/// A running `senko run`; killed when dropped.
pub struct Daemon {
    pub tool: Tool,
    messages: Receiver<String>,
    _reader: Background,
    /// From start to READY=1.
    pub took: Duration,
}

impl Daemon {
    /// The next message to the service manager that has these words, which must come.
    #[track_caller]
    pub fn wait_for(&mut self, words: &str) -> String {
        let (deadline, mut seen) = (Instant::now() + patience(), Vec::new());
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(text) = self.messages.recv_timeout(left) else {
                panic!("no `{words}` for the service manager, but {seen:?}");
            };
            if text.contains(words) {
                return text;
            }
            seen.push(text);
        }
    }

    /// As `kill -9` does, and its end.
    pub fn kill(self) {
        self.tool.signal(nix::sys::signal::Signal::SIGKILL);
        self.tool.end();
    }
}
