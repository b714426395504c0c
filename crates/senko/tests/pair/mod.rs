//! Two hosts: network namespaces joined by a veth pair, with addresses. They go when the test ends, however it ends.

#![allow(dead_code, reason = "each test file that includes this uses another part of it")]

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Instant,
};

/// `near` is where senko works, `far` sends to it.
pub struct Pair {
    pub near: String,
    pub far: String,
    /// The interface in `near`; in `far` it is `peer`.
    pub port: String,
    pub peer: String,
}

pub const NEAR_V4: &str = "10.77.0.1";
pub const NEAR_V6: &str = "fd77::1";

pub fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"))
}

pub fn must(program: &str, arguments: &[&str]) -> String {
    let output = run(program, arguments);
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

impl Pair {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let unique = format!("{}x{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let pair = Self {
            near: format!("snl{unique}n"),
            far: format!("snl{unique}f"),
            port: format!("ld{unique}"),
            peer: format!("lp{unique}"),
        };
        must("ip", &["netns", "add", &pair.near]);
        must("ip", &["netns", "add", &pair.far]);
        let (near, far) = (pair.near.as_str(), pair.far.as_str());
        must(
            "ip",
            &[
                "-n", near, "link", "add", &pair.port, "type", "veth", "peer", "name", &pair.peer, "netns",
                far,
            ],
        );
        for (netns, device, v4, v6) in [
            (near, &pair.port, "10.77.0.1/24", "fd77::1/64"),
            (far, &pair.peer, "10.77.0.2/24", "fd77::2/64"),
        ] {
            must("ip", &["-n", netns, "addr", "add", v4, "dev", device]);
            must("ip", &["-n", netns, "addr", "add", v6, "dev", device, "nodad"]);
            must("ip", &["-n", netns, "link", "set", device, "up"]);
        }
        pair
    }

    /// The command line of senko in `near`.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_senko"));
        command.args(["--netns", &self.near]).args(arguments).stdin(Stdio::null());
        command
    }

    pub fn senko(&self, arguments: &[&str]) -> Said {
        Said::of(&self.command(arguments).output().expect("senko starts"))
    }

    /// Starts a senko that stays, and waits until it has attached.
    pub fn start(&self, arguments: &[&str]) -> Running {
        let mut child = self
            .command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("senko starts");
        let pid = child.id();
        let attached = until(|| {
            let status = self.status();
            let held = status.contains(&format!("\"pid\": {pid},"));
            held || child.try_wait().expect("wait").is_some()
        });
        assert!(attached, "senko {arguments:?} does not attach");
        if child.try_wait().expect("wait").is_some() {
            let said = Said::of(&child.wait_with_output().expect("wait"));
            panic!("senko {arguments:?} ended: {said:?}");
        }
        Running { child: Some(child) }
    }

    /// `senko status --json` of the port.
    pub fn status(&self) -> String {
        self.senko(&["status", &self.port, "--json"]).out
    }

    pub fn is_free(&self) -> bool {
        self.status().contains("\"programs\": []")
    }

    /// Whether one ping from `far` is answered.
    pub fn answers(&self, address: &str) -> bool {
        run("ip", &["netns", "exec", &self.far, "ping", "-c", "1", "-W", "1", address]).status.success()
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        for netns in [&self.near, &self.far] {
            run("ip", &["netns", "del", netns]);
        }
    }
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    pub fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Checks the exit code and that standard error has every one of these.
    #[track_caller]
    pub fn expect(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        for word in words {
            assert!(self.err.contains(word), "`{word}` is not in {self:?}");
        }
        self
    }
}

/// A senko in the foreground. Ended hard if the test forgets.
pub struct Running {
    child: Option<Child>,
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("runs").id()
    }

    /// As Ctrl-C does.
    pub fn interrupt(mut self) -> Said {
        let child = self.child.take().expect("runs");
        // SAFETY: a signal to a process that we started and have not waited for.
        unsafe { libc::kill(child.id() as i32, libc::SIGINT) };
        Said::of(&child.wait_with_output().expect("wait"))
    }

    /// As `kill -9` does.
    pub fn kill(mut self) {
        let mut child = self.child.take().expect("runs");
        child.kill().expect("it is ours");
        child.wait().expect("wait");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Polls a condition for ten seconds.
pub fn until(mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + testkit::guest::patience(10);
    while Instant::now() < deadline {
        if condition() {
            return true;
        }
        std::thread::yield_now();
    }
    false
}

/// A bpffs of the test's own.
pub struct Bpffs {
    pub path: PathBuf,
}

impl Bpffs {
    pub fn mount() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("bpffs-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).expect("a directory");
        must("mount", &["-t", "bpf", "bpf", path.to_str().expect("UTF-8")]);
        Self { path }
    }

    pub fn join(&self, name: &str) -> String {
        self.path.join(name).to_str().expect("UTF-8").into()
    }

    /// Everything in it, relative, but for the two files that the kernel puts into a new one.
    pub fn files(&self) -> Vec<String> {
        let found = must(
            "find",
            &[
                self.path.to_str().expect("UTF-8"),
                "-mindepth",
                "1",
                "-not",
                "-name",
                "*.debug",
                "-printf",
                "%P\n",
            ],
        );
        let mut files: Vec<String> = found.lines().map(Into::into).collect();
        files.sort();
        files
    }
}

impl Drop for Bpffs {
    fn drop(&mut self) {
        run("umount", &[self.path.to_str().expect("UTF-8")]);
        let _ = std::fs::remove_dir(&self.path);
    }
}
