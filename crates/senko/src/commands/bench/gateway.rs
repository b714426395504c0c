//! The gateway's rows: what its program costs when idle, how long changes take, and what the daemon needs.

use std::{
    fs,
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use abi::Stage;
use agent::{api::Client, place::Place};
use engine::{Map, PipelineBuilder, Program};
use lab::raw_send;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{
    cable::Cable,
    configured::Configured,
    elements::Running,
    frames, lists, measure,
    report::{Report, Row},
    suite::write_list,
};
use crate::failure::Failure;

const OFF: &str = "gateway, every stage off";
const COUNTER: &str = "gateway, only counter on";
const SMALL: &str = "gateway: apply, small change, whole command";
const MILLION: &str = "gateway: apply, a set of 1 000 000 prefixes, whole command";
const READY: &str = "gateway: daemon ready after kill -9, 1 000 000 prefixes live";
const MEMORY: &str = "gateway: daemon resident, 1 000 000 prefixes live";
const ELEMENT: &str = "gateway: one element into a set of 1 000 000, by the API";
const SCRAPE: &str = "gateway: scrape, 1 000 000 prefixes live, slowest of 50";
const BESIDE: &str = "gateway: API answer while it is scraped, slowest of 50";
const LOST: &str = "gateway: 50 applies under traffic, packets that were not judged";

pub fn run(report: &mut Report) -> Result<(), Failure> {
    if report.wants(OFF) || report.wants(COUNTER) {
        idle_rows(report)?;
    }
    let live = [SMALL, MILLION, READY, MEMORY, ELEMENT, SCRAPE, BESIDE, LOST];
    if live.iter().any(|name| report.wants(name)) { live_rows(report) } else { Ok(()) }
}

fn idle_rows(report: &mut Report) -> Result<(), Failure> {
    let interface = "[[interface]]\nname = \"bench\"\n";
    let off = program(interface)?;
    let counter = program(&format!("{interface}[counter]\n"))?;
    let count = PipelineBuilder::new(&[Stage::Counter]).load()?;
    let (floor, figures) =
        measure::in_turn(&[&off, &counter, count.program()], &frames::udp_v4([2, 0, 0, 0, 0, 2]))?;
    report.push(Row::over_floor(OFF.into(), figures[0], floor, Some(0.0)));
    let difference = (figures[1] - figures[2]).abs();
    let mut row = Row::ratio(COUNTER, figures[1], "senko count", figures[2], None);
    row.bar = Some("senko count ± 1 ns".into());
    row.holds = Some(difference.round() <= 1.0);
    report.push(row);
    Ok(())
}

/// The program of the one interface of a configuration, as the gateway would load it.
fn program(text: &str) -> Result<Program, Failure> {
    Ok(Configured::new(text)?.program)
}

fn live_rows(report: &mut Report) -> Result<(), Failure> {
    let bench = Bench::new()?;
    write_list(&bench.directory.join("million.txt"), &lists::random_v4(1_000_000))?;
    bench.configure(&["198.51.100.7"], false)?;
    bench.apply()?;
    if report.wants(SMALL) {
        let mut times = Vec::new();
        for round in 0..7 {
            bench.configure(&[["198.51.100.8", "198.51.100.9"][round % 2]], false)?;
            times.push(bench.apply()?.as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        report.push(Row::at_most(SMALL, times[times.len() / 2], "ms", 150.0));
    }
    if report.wants(LOST) {
        bench.flip_under_traffic(report)?;
    }
    bench.configure(&["@million"], true)?;
    let took = bench.apply()?;
    report.push(Row::at_most(MILLION, took.as_secs_f64(), "s", 3.0));

    // Once to begin with, once killed and started again.
    let (mut first, _) = bench.daemon()?;
    kill_now(&mut first)?;
    let (mut daemon, ready) = bench.daemon()?;
    report.push(Row::at_most(READY, ready.as_secs_f64(), "s", 1.0));
    let result = bench.ask_daemon(report, daemon.id());
    kill_now(&mut daemon)?;
    result
}

fn kill_now(child: &mut Child) -> Result<(), Failure> {
    let failed =
        |error: &dyn std::fmt::Display| Failure::failed(format!("a daemon does not end: {error}"), None);
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL).map_err(|error| failed(&error))?;
    child.wait().map(drop).map_err(|error| failed(&error))
}

/// A gateway in a lab of its own.
pub struct Bench {
    cable: Cable,
    pub directory: PathBuf,
}

impl Bench {
    pub fn new() -> Result<Self, Failure> {
        let directory = std::env::temp_dir().join(format!("senko-bench-{}", std::process::id()));
        fs::create_dir_all(&directory).map_err(|error| unwritable(&directory, &error))?;
        Ok(Self { cable: Cable::new()?, directory })
    }

    pub fn file(&self) -> PathBuf {
        self.directory.join("senko.toml")
    }

    fn configure(&self, drop: &[&str], million: bool) -> Result<(), Failure> {
        let mut text = String::from("[[interface]]\nname = \"to-h1\"\n[counter]\n");
        if million {
            text += "[sets]\nmillion = { file = \"million.txt\" }\n";
        }
        text += &format!("[firewall]\ndrop = {drop:?}\n");
        fs::write(self.file(), text).map_err(|error| unwritable(&self.file(), &error))
    }

    pub fn senko(&self, args: &[&str]) -> Result<Command, Failure> {
        let own = std::env::current_exe().map_err(|error| Failure::failed(error.to_string(), None))?;
        let mut command = Command::new(own);
        command.args(["--netns", self.cable.router().ns_name()]).args(args);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(command)
    }

    /// The time of the whole command, as a user waits for it.
    pub fn apply(&self) -> Result<Duration, Failure> {
        let file = self.file();
        let mut command = self.senko(&["apply", "-c", &file.to_string_lossy()])?;
        let begun = Instant::now();
        let status = command.status().map_err(|error| Failure::failed(error.to_string(), None))?;
        if !status.success() {
            return Err(Failure::failed(format!("senko apply: {status}"), None));
        }
        Ok(begun.elapsed())
    }

    /// Starts the daemon and waits until it says that it is ready.
    fn daemon(&self) -> Result<(Child, Duration), Failure> {
        let failed = |error: &dyn std::fmt::Display| Failure::failed(format!("senko run: {error}"), None);
        let path = self.directory.join("notify");
        let _ = fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path).map_err(|error| failed(&error))?;
        socket.set_read_timeout(Some(Duration::from_secs(20))).map_err(|error| failed(&error))?;
        let file = self.file();
        let mut command = self.senko(&["run", "-c", &file.to_string_lossy()])?;
        let begun = Instant::now();
        let child = command.env("NOTIFY_SOCKET", &path).spawn().map_err(|error| failed(&error))?;
        let mut message = [0; 512];
        loop {
            let length = socket.recv(&mut message).map_err(|error| failed(&error))?;
            if message[..length].starts_with(b"READY=1") {
                return Ok((child, begun.elapsed()));
            }
        }
    }

    pub fn running(&self) -> Result<Running, Failure> {
        Ok(Running(self.daemon()?.0))
    }

    pub fn place(&self) -> Result<Place, Failure> {
        Ok(self.cable.router().run(Place::here)??)
    }

    fn ask_daemon(&self, report: &mut Report, daemon: u32) -> Result<(), Failure> {
        let status = fs::read_to_string(format!("/proc/{daemon}/status")).unwrap_or_default();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next());
        let kilobytes: f64 = resident.and_then(|number| number.parse().ok()).unwrap_or(f64::INFINITY);
        report.push(Row::at_most(MEMORY, kilobytes * 1024.0 / 1e6, "MB", 250.0));

        let socket = self.place()?.socket();
        let connect = || {
            let client = Client::connect(&socket)?;
            client.ok_or_else(|| Failure::failed("the daemon does not answer", None))
        };
        let mut client = connect()?;
        let mut times = Vec::new();
        for round in 0..21 {
            let prefix = format!("203.0.113.{round}");
            let request = agent::request::Request::EditSet(
                "million".into(),
                agent::request::SetEdit { add: vec![prefix], remove: Vec::new() },
            );
            let begun = Instant::now();
            client.perform(&request)?.map_err(crate::gateway::tell::refusal)?;
            times.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        report.push(Row::measured(ELEMENT, times[times.len() / 2], "ms"));

        let done = AtomicBool::new(false);
        let (scrape, beside) = thread::scope(|scope| {
            let scraping = scope.spawn(|| {
                let slowest = slowest(&mut connect()?, "/v1/metrics");
                done.store(true, Ordering::Relaxed);
                slowest
            });
            let beside = slowest(&mut client, "/v1/blocks");
            let scrape = scraping.join().unwrap_or_else(|_| Err(Failure::failed("the scrape failed", None)));
            (scrape, beside)
        });
        report.push(Row::at_most(SCRAPE, scrape?, "ms", 100.0));
        report.push(Row::at_most(BESIDE, beside?, "ms", 100.0));
        Ok(())
    }

    /// A sender of about 100 000 frames a second, 50 applies that each flip a rule, and a count of what was judged.
    fn flip_under_traffic(&self, report: &mut Report) -> Result<(), Failure> {
        let h1 = self.cable.host("h1");
        let frame = frames::udp_v4(self.cable.router().interface("to-h1").mac);
        let burst = vec![frame.as_slice(); BURST];
        let (sent, done) = (AtomicU64::new(0), AtomicBool::new(false));
        let before = self.judged()?;
        let begun = Instant::now();
        let applied = thread::scope(|scope| {
            let sending = scope.spawn(|| {
                measure::use_every_cpu()?;
                let mut next = Instant::now();
                while !done.load(Ordering::Relaxed) {
                    raw_send(h1, h1.iface(), &burst)?;
                    sent.fetch_add(BURST as u64, Ordering::Relaxed);
                    next += PAUSE;
                    thread::sleep(next.saturating_duration_since(Instant::now()));
                }
                Ok::<(), Failure>(())
            });
            let flips = (0..50).try_for_each(|round| {
                self.configure(&[["198.51.100.8", "198.51.100.9"][round % 2]], false)?;
                self.apply().map(drop)
            });
            done.store(true, Ordering::Relaxed);
            let sending = sending.join().map_err(|_| Failure::failed("the sender failed", None))?;
            sending?;
            flips
        });
        applied?;
        let seconds = begun.elapsed().as_secs_f64();
        // What is in a queue is judged in a moment.
        thread::sleep(Duration::from_millis(200));
        let (sent, judged) = (sent.load(Ordering::Relaxed), self.judged()? - before);
        eprintln!(
            "senko: {sent} frames at {:.0} kpps while 50 generations followed",
            sent as f64 / seconds / 1e3
        );
        report.push(Row::at_most(LOST, sent as f64 - judged as f64, "packets", 0.0));
        Ok(())
    }

    /// Frames that the gateway has judged on its interface.
    fn judged(&self) -> Result<u64, Failure> {
        let path = self.place()?.pins.join(agent::executor::CURRENT).join("maps/REASONS");
        let map = Map::open_at(&path)?.ok_or_else(|| Failure::failed("no counters of reasons", None))?;
        Ok(engine::reasons(&map, 0)?.values().map(|judged| judged.packets).sum())
    }
}

const BURST: usize = 2000;
const PAUSE: Duration = Duration::from_millis(20);

impl Drop for Bench {
    fn drop(&mut self) {
        // The lab's namespaces end with the cable; the pins would not.
        if let Ok(mut command) = self.senko(&["stop", "--detach"]) {
            let _ = command.status();
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Milliseconds of the slowest of 50 questions.
fn slowest(client: &mut Client, path: &str) -> Result<f64, Failure> {
    let mut slowest = 0.0_f64;
    for _ in 0..50 {
        let begun = Instant::now();
        client.get_text(path)?.map_err(crate::gateway::tell::refusal)?;
        slowest = slowest.max(begun.elapsed().as_secs_f64() * 1e3);
    }
    Ok(slowest)
}

pub fn unwritable(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::failed(format!("cannot write {}: {error}", path.display()), None)
}
