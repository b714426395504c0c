//! A `senko` that runs beside the test.

use std::{
    io::{BufRead as _, BufReader, Read},
    os::unix::process::ExitStatusExt as _,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Instant,
};

use lab::Host;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use super::patience;

/// `senko --netns <host's> args…`, not started.
pub fn senko(host: &Host, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_senko"));
    command.args(["--netns", host.ns_name()]).args(args).stdin(Stdio::null());
    command
}

/// A running child; killed when dropped.
pub struct Tool {
    child: Child,
    what: String,
    out: Lines,
    err: Lines,
}

/// A child that has ended.
#[derive(Debug)]
pub struct Ended {
    what: String,
    /// `None`: by a signal.
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Tool {
    /// Starts senko in a host and returns when it has attached to `interfaces` interfaces.
    #[track_caller]
    pub fn start(host: &Host, args: &[&str], interfaces: usize) -> Self {
        let mut tool = Self::spawn(&mut senko(host, args));
        for _ in 0..interfaces {
            tool.wait_err("attached");
        }
        tool
    }

    #[track_caller]
    pub fn spawn(command: &mut Command) -> Self {
        let what = format!("{command:?}");
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let out = Lines::of(child.stdout.take().expect("a pipe was asked for"));
        let err = Lines::of(child.stderr.take().expect("a pipe was asked for"));
        Self { child, what, out, err }
    }

    /// Runs senko in a host to its own end.
    #[track_caller]
    pub fn run(host: &Host, args: &[&str]) -> Ended {
        Self::spawn(&mut senko(host, args)).end()
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    /// Waits for a line on standard error that has these words in it.
    #[track_caller]
    pub fn wait_err(&mut self, words: &str) -> String {
        match self.err.find(|line| line.contains(words)) {
            Some(line) => line,
            None => panic!("{}: no `{words}` in: {}", self.what, self.err.seen.join(" / ")),
        }
    }

    /// Waits for a line on standard output.
    #[track_caller]
    pub fn wait_out(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        match self.out.find(wanted) {
            Some(line) => line,
            None => panic!("{}: the line did not come: {}", self.what, self.out.seen.join(" / ")),
        }
    }

    /// Waits for a JSON row on standard output.
    #[track_caller]
    pub fn wait_row(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        let parse = |line: &str| serde_json::from_str::<Value>(line).expect("a JSON line");
        parse(&self.wait_out(|line| wanted(&parse(line))))
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("it runs");
    }

    /// Ctrl-C, and its end.
    #[track_caller]
    pub fn stop(self) -> Ended {
        self.signal(Signal::SIGINT);
        self.end()
    }

    /// Waits for it to end by itself.
    #[track_caller]
    pub fn end(mut self) -> Ended {
        let deadline = Instant::now() + patience();
        while self.child.try_wait().expect("it is our child").is_none() {
            assert!(Instant::now() < deadline, "{} does not end: {}", self.what, self.err.all());
            // Between two looks; a child's end cannot be polled for beside others.
            thread::sleep(std::time::Duration::from_millis(2));
        }
        let status = self.child.wait().expect("it is our child");
        let code = if status.signal().is_some() { None } else { status.code() };
        Ended { what: self.what.clone(), code, out: self.out.all(), err: self.err.all() }
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// Asserts exit code 0.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.code(0)
    }

    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}: {}{}", self.what, self.out, self.err);
        self
    }

    /// The JSON lines of standard output.
    #[track_caller]
    pub fn rows(&self) -> Vec<Value> {
        let parse =
            |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{}: {e}: {line}", self.what));
        self.out.lines().map(parse).collect()
    }

    /// Asserts that standard error has all of these words.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.err.contains(word), "{}: no `{word}` in: {}", self.what, self.err);
        }
        self
    }

    /// Asserts a failure as a user should meet it: this exit code, these words, said once, nothing on standard
    /// output and no panic.
    #[track_caller]
    pub fn refused(self, code: i32, words: &[&str]) -> Self {
        let ended = self.code(code).says(words);
        let messages =
            ended.err.lines().filter(|line| line.starts_with("senko: ") || line.starts_with("error: "));
        assert_eq!(messages.count(), 1, "{}: one message, not: {}", ended.what, ended.err);
        assert!(!ended.err.contains("panicked") && ended.out.is_empty(), "{}: {ended:?}", ended.what);
        ended
    }
}

/// Lines as they come, read by a thread so that the child never waits for us.
struct Lines {
    coming: Receiver<String>,
    seen: Vec<String>,
}

impl Lines {
    fn of(stream: impl Read + Send + 'static) -> Self {
        let (sender, coming) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { coming, seen: Vec::new() }
    }

    /// The next line that is wanted; those passed over are kept.
    fn find(&mut self, wanted: impl Fn(&str) -> bool) -> Option<String> {
        let deadline = Instant::now() + patience();
        loop {
            let line = self.coming.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()?;
            self.seen.push(line.clone());
            if wanted(&line) {
                return Some(line);
            }
        }
    }

    /// Everything, once the child has closed its end.
    fn all(&mut self) -> String {
        let deadline = Instant::now() + patience();
        while let Ok(line) = self.coming.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            self.seen.push(line);
        }
        self.seen.iter().flat_map(|line| [line, "\n"]).collect()
    }
}
