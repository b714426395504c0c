//! One bash for the whole tour, as a reader has it: background jobs, `wait` and `kill $!` work.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Write as _},
    os::{fd::OwnedFd, unix::process::CommandExt as _},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::{Pid, pipe},
};

use crate::script::{Step, missing};

/// Long enough for the first build of an eBPF crate, which builds `core` as well.
const PATIENCE: Duration = Duration::from_secs(400);
/// What a job in the background says, it says soon.
const SOON: Duration = Duration::from_secs(20);
const MARK: &str = "@@ tour";

pub struct Shell {
    bash: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
    /// Output since the last command that went to the background.
    since_background: Vec<String>,
}

impl Shell {
    pub fn start(folder: &Path, senko: &Path) -> Self {
        let path = std::env::var("PATH").unwrap_or_default();
        let (reader, writer) = pipe().expect("a pipe");
        // One pipe for both streams keeps them in the order of a terminal.
        let both = |fd: &OwnedFd| Stdio::from(fd.try_clone().expect("a descriptor"));
        let mut bash = Command::new("bash")
            .args(["--noprofile", "--norc"])
            .current_dir(folder)
            .env("PATH", format!("{}:{path}:/usr/sbin:/sbin", senko.display()))
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::piped())
            .stdout(both(&writer))
            .stderr(writer)
            .process_group(0)
            .spawn()
            .expect("bash is there");
        let stdin = bash.stdin.take().expect("a pipe was asked for");
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(File::from(reader)).lines().map_while(Result::ok) {
                if sender.send(line.trim_end().to_owned()).is_err() {
                    break;
                }
            }
        });
        Self { bash, stdin, lines, since_background: Vec::new() }
    }

    /// Runs a command and compares exit code and output with the document.
    pub fn run(&mut self, step: &Step) -> Result<(), String> {
        if step.background {
            self.since_background.clear();
        }
        // The mark on a line of its own, whatever was printed before it. Commands must not read our script.
        writeln!(self.stdin, "{{ {}\n}} < /dev/null\nprintf '\\n{MARK} %s\\n' $?", step.command)
            .map_err(|error| error.to_string())?;
        let mut lines = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        let exit = loop {
            match self.next(deadline) {
                Some(line) => match line.strip_prefix(MARK) {
                    Some(code) => break code.trim().to_owned(),
                    None => lines.push(line),
                },
                None => return Err(report(step, "did not end", &lines)),
            }
        };
        if exit != step.exit.to_string() {
            return Err(report(step, &format!("ended with {exit} and not with {}", step.exit), &lines));
        }
        self.since_background.extend(lines.iter().cloned());
        if step.command == "wait" {
            // What a job printed may have come while another command ran.
            lines.clone_from(&self.since_background);
        }
        let deadline = Instant::now() + SOON;
        while let Some(pattern) = missing(&step.expected, &lines) {
            let next = if step.background { self.next(deadline) } else { None };
            let Some(line) = next else {
                return Err(report(step, &format!("did not print, at its place: {pattern}"), &lines));
            };
            self.since_background.push(line.clone());
            lines.push(line);
        }
        Ok(())
    }

    fn next(&mut self, deadline: Instant) -> Option<String> {
        loop {
            let line = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()?;
            if !line.is_empty() {
                return Some(line);
            }
        }
    }

    /// Leaves the shell; its process group is all that it started.
    pub fn end(mut self) -> Pid {
        let _ = writeln!(self.stdin, "exit");
        let _ = self.bash.wait();
        Pid::from_raw(self.bash.id().cast_signed())
    }
}

/// Also when a command was not what it should be: nothing outlives the test.
impl Drop for Shell {
    fn drop(&mut self) {
        if matches!(self.bash.try_wait(), Ok(None)) {
            let _ = killpg(Pid::from_raw(self.bash.id().cast_signed()), Signal::SIGKILL);
            let _ = self.bash.wait();
        }
    }
}

fn report(step: &Step, what: &str, lines: &[String]) -> String {
    format!("`{}` {what}\noutput:\n{}", step.command, lines.join("\n"))
}
