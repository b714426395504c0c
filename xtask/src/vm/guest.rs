//! One run of QEMU: from the image to what the guest said.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use nix::sys::{prctl::set_pdeathsig, signal::Signal};

use super::image::Image;

/// How a run ended, with the lines of the console if it was not well.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    Done,
    /// The guest ended before it had said that it was done.
    Died(String),
    /// The guest had not ended by then.
    TooSlow(Duration, String),
}

/// As old as one of 64 bits can be. For any later one the kernel clears and copies pages by one repeated instruction, of which
/// each round is emulated by itself.
const PROCESSOR: &str = "qemu64,+rdrand,family=15,model=1,stepping=1";

/// Boots a guest and hands on its lines as they come.
pub fn run(
    image: &Image,
    archive: &Path,
    dir: &Path,
    patience: Duration,
    mut line: impl FnMut(&str),
) -> Result<End> {
    let console = dir.join(format!("{}.console", image.series.name()));
    File::create(&console)?;
    let mut child = Qemu(
        command(image, archive, &console)
            .spawn()
            .context("qemu-system-x86_64 does not start: `cargo xtask setup`")?,
    );
    let out = child.0.stdout.take().context("a pipe was asked for")?;
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(out).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned();
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    let deadline = Instant::now() + patience;
    let mut done = false;
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(text) => {
                done |= text == "@done";
                line(&text);
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => return Ok(End::TooSlow(patience, tail(&console))),
        }
    }
    Ok(if done { End::Done } else { End::Died(tail(&console)) })
}

/// Emulated, since nested virtualisation is rare where tests run. One thread for both processors: with one each, text that
/// the kernel patches while it runs makes the guest fall over.
///
/// Its clock counts instructions, a nanosecond each, and jumps over what would be waiting: a guest that this machine leaves
/// no time has all its deadlines none the less, and a pause costs nothing.
fn command(image: &Image, archive: &Path, console: &Path) -> Command {
    let mut command = Command::new("qemu-system-x86_64");
    command
        .args(["-accel", "tcg,thread=single", "-cpu", PROCESSOR, "-smp", "2", "-m", "1536"])
        .args(["-icount", "shift=0,sleep=off"])
        .args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"])
        .arg("-kernel")
        .arg(&image.vmlinuz)
        .arg("-initrd")
        .arg(archive)
        .args(["-append", "console=ttyS0 panic=-1 quiet random.trust_cpu=on"])
        .arg("-serial")
        .arg(format!("file:{}", console.display()))
        .args(["-serial", "stdio"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    // SAFETY: between fork and exec, one system call. A guest does not outlive whoever killed us.
    unsafe { command.pre_exec(|| set_pdeathsig(Signal::SIGKILL).map_err(Into::into)) };
    command
}

/// The console's last lines.
fn tail(console: &PathBuf) -> String {
    let text = fs::read(console).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// Ended when dropped.
struct Qemu(Child);

impl Drop for Qemu {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
