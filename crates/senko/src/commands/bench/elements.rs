//! One element into a live set: by the API, as a program that blocks sources does it, and as a command.

use std::{fmt::Write as _, fs, time::Instant};

use agent::{
    api::Client,
    request::{Request, SetEdit},
};
use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
    sys::{
        signal::Signal,
        statfs::{TMPFS_MAGIC, statfs},
    },
    unistd::Pid,
};

use super::{
    gateway::{Bench, unwritable},
    lists, measure,
    report::{Report, Row},
    suite::write_list,
};
use crate::{failure::Failure, render::say};

const ROUNDS: u32 = 31;

const API: &str = "gateway: one element into a set of 100 000 in `drop`, by the API";
const RULES: &str = "gateway: one element into a set of 100 000 that rules name, by the API";
const COMMAND: &str = "gateway: one element into a set of 100 000 that rules name, whole command";

pub fn run(report: &mut Report) -> Result<(), Failure> {
    if ![API, RULES, COMMAND].iter().any(|name| report.wants(name)) {
        return Ok(());
    }
    // On one CPU the client, the API's thread and the gateway's would wait for each other's time slices.
    measure::use_every_cpu()?;
    let done = rows(report);
    measure::pin_to_one_cpu()?;
    done
}

/// Where senko's files are in memory, as systemd has /run. Where they are on a disk, its time would be most of the figure.
fn run_in_memory() -> Result<(), Failure> {
    const RUN: &str = "/run/senko";
    let failed = |error: &dyn std::fmt::Display| {
        Failure::failed(format!("cannot have {RUN} in memory: {error}"), None)
    };
    fs::create_dir_all(RUN).map_err(|error| failed(&error))?;
    if statfs(RUN).map_err(|error| failed(&error))?.filesystem_type() == TMPFS_MAGIC {
        return Ok(());
    }
    // For this process and those that it starts alone.
    unshare(CloneFlags::CLONE_NEWNS).map_err(|error| failed(&error))?;
    let nothing = None::<&str>;
    mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing)
        .and_then(|()| mount(Some("tmpfs"), RUN, Some("tmpfs"), MsFlags::empty(), nothing))
        .map_err(|error| failed(&error))?;
    say(format_args!(
        "{RUN} is on a disk here: the next rows are measured with one in memory, as systemd has it"
    ));
    Ok(())
}

fn rows(report: &mut Report) -> Result<(), Failure> {
    run_in_memory()?;
    let bench = Bench::new()?;
    write_list(&bench.directory.join("live.txt"), &lists::random_v4(100_000))?;
    if report.wants(API) {
        configure(&bench, "drop = [\"@live\"]\n")?;
        by_the_api(&bench, report, API)?;
    }
    let mut rules = String::from("rules = [\"drop from @live\",\n");
    for n in 0..100 {
        let _ =
            writeln!(rules, "\"accept tcp from @office port {}\", \"drop udp to @live port {n}\",", 1000 + n);
    }
    rules += "]\n";
    configure(&bench, &rules)?;
    if report.wants(RULES) {
        by_the_api(&bench, report, RULES)?;
    }
    if report.wants(COMMAND) {
        let daemon = bench.running()?;
        let mut times = Vec::new();
        for round in 0..ROUNDS {
            let mut command = bench.senko(&["set", "add", "live", &element(round + 100)])?;
            let begun = Instant::now();
            let status = command.status().map_err(|error| Failure::failed(error.to_string(), None))?;
            times.push(begun.elapsed().as_secs_f64() * 1e3);
            if !status.success() {
                return Err(Failure::failed(format!("senko set add: {status}"), None));
            }
        }
        drop(daemon);
        report.push(Row::at_most(COMMAND, median(times), "ms", 10.0));
    }
    Ok(())
}

fn configure(bench: &Bench, firewall: &str) -> Result<(), Failure> {
    let sets = "[sets]\nlive = { file = \"live.txt\" }\noffice = [\"192.0.2.0/24\"]\n";
    let text = format!("[[interface]]\nname = \"to-h1\"\n[counter]\n{sets}[firewall]\n{firewall}");
    fs::write(bench.file(), text).map_err(|error| unwritable(&bench.file(), &error))?;
    bench.apply().map(drop)
}

fn by_the_api(bench: &Bench, report: &mut Report, name: &str) -> Result<(), Failure> {
    let daemon = bench.running()?;
    let client = Client::connect(&bench.place()?.socket())?;
    let mut client = client.ok_or_else(|| Failure::failed("the daemon does not answer", None))?;
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        let edit = SetEdit { add: vec![element(round)], remove: Vec::new() };
        let request = Request::EditSet("live".into(), edit);
        let begun = Instant::now();
        client.perform(&request)?.map_err(crate::gateway::tell::refusal)?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    drop(daemon);
    report.push(Row::at_most(name, median(times), "ms", 1.0));
    Ok(())
}

/// An address that no round has had.
fn element(round: u32) -> String {
    format!("203.0.{}.{}", round / 250, round % 250)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// A daemon that ends with this.
pub struct Running(pub std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = nix::sys::signal::kill(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGKILL);
        let _ = self.0.wait();
    }
}
