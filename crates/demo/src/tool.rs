//! A `senko` that runs beside the traffic.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use nix::{
    sys::signal::{SigSet, SigmaskHow, Signal, kill, pthread_sigmask},
    unistd::Pid,
};
use std::os::unix::process::CommandExt as _;

use crate::stage::Stage;

const PATIENCE: Duration = Duration::from_secs(10);

pub struct Tool {
    child: Child,
    errors: Receiver<String>,
    seen: Vec<String>,
}

impl Tool {
    /// Starts `senko -N <host's namespace> args…` and returns when it is attached to `interfaces` interfaces.
    pub fn start(stage: &Stage, host: &str, args: &[&str], interfaces: usize) -> Result<Self> {
        println!("  $ senko {}", args.join(" "));
        let mut child = command(stage, host, args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let stderr = child.stderr.take().context("a pipe was asked for")?;
        let (sender, errors) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut tool = Self { child, errors, seen: Vec::new() };
        for _ in 0..interfaces {
            tool.wait_for("attached")?;
        }
        Ok(tool)
    }

    fn wait_for(&mut self, words: &str) -> Result<()> {
        loop {
            match self.errors.recv_timeout(PATIENCE) {
                Ok(line) => {
                    let found = line.contains(words);
                    self.seen.push(line);
                    if found {
                        return Ok(());
                    }
                }
                Err(_) => bail!("senko did not get as far as `{words}`: {}", self.seen.join(" / ")),
            }
        }
    }

    /// Ctrl-C, and what it printed.
    pub fn stop(mut self) -> Result<String> {
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGINT)?;
        self.finish()
    }

    /// Waits for it to end by itself.
    pub fn finish(&mut self) -> Result<String> {
        let mut stdout: ChildStdout = self.child.stdout.take().context("a pipe was asked for")?;
        let mut text = String::new();
        stdout.read_to_string(&mut text)?;
        let status = self.child.wait()?;
        if !status.success() {
            self.seen.extend(self.errors.try_iter());
            bail!("senko ended with {status}: {}", self.seen.join(" / "));
        }
        Ok(text)
    }
}

/// Runs `senko` once, to its end.
pub fn run(stage: &Stage, host: &str, args: &[&str]) -> Result<()> {
    output(stage, host, args).map(drop)
}

/// As [`run`], and returns what it printed.
pub fn output(stage: &Stage, host: &str, args: &[&str]) -> Result<String> {
    println!("  $ senko {}", args.join(" "));
    let out = command(stage, host, args).output()?;
    if !out.status.success() {
        bail!("senko {}: {}", args.join(" "), String::from_utf8_lossy(&out.stderr));
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

fn command(stage: &Stage, host: &str, args: &[&str]) -> Command {
    let mut command = Command::new(&stage.senko);
    command.args(["--netns", stage.host(host).ns_name()]).args(args).stdin(Stdio::null());
    // We block the signals that end us; a child must not inherit that.
    // SAFETY: pthread_sigmask is async-signal-safe, and nothing else is called between fork and exec.
    unsafe {
        command.pre_exec(|| Ok(pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?));
    }
    command
}
