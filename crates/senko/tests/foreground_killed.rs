//! `kill -9` of each tool at the calls by which it loads and attaches: the kernel takes back what it had, nothing is left
//! pinned, and the next one starts. A file of its own: it waits for any child, as who traces threads must. Needs root.

mod support;

use std::{
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
};

use agent::place::Place;
use lab::{Host, Topology};
use nix::{
    sys::{
        ptrace::{self, Options},
        signal::{Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};
use support::{Tool, assert_clean, lab, programs, senko, wait_until};

const TOOLS: [&[&str]; 5] = [
    &["count", "to-h1"],
    &["dump", "to-h1"],
    &["firewall", "to-h1", "--drop", "192.0.2.0/24"],
    &["redirect", "to-h1", "--reflect", "icmp"],
    &["redirect", "to-h1", "--to", "to-h2"],
];

/// `BPF_LINK_CREATE` of `enum bpf_cmd`.
const LINK_CREATE: u64 = 28;

/// What a traced thread is about to call.
fn call(thread: Pid) -> Option<(i64, u64)> {
    let info = ptrace::syscall_info(thread).ok()?;
    // SAFETY: `op` says which member is valid.
    (info.op == libc::PTRACE_SYSCALL_INFO_ENTRY)
        .then(|| unsafe { (info.u.entry.nr as i64, info.u.entry.args[0]) })
}

/// Runs a command until `stop` says so of one of its calls of bpf(2), by their number and the command; then it is killed.
fn kill_when(command: &mut Command, mut stop: impl FnMut(u32, u64) -> bool) {
    // SAFETY: one system call.
    unsafe { command.pre_exec(|| Ok(ptrace::traceme()?)) };
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let pid = Pid::from_raw(child.id().cast_signed());
    waitpid(pid, None).expect("it stops at its first instruction");
    let options = Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_TRACECLONE | Options::PTRACE_O_EXITKILL;
    ptrace::setoptions(pid, options).expect("it is traced");
    ptrace::syscall(pid, None).expect("it goes on");
    let (mut calls, mut is_killed) = (0, false);
    loop {
        let status = waitpid(None, Some(WaitPidFlag::__WALL)).expect("there are children");
        match status {
            WaitStatus::PtraceSyscall(thread) => {
                if let Some((libc::SYS_bpf, which)) = call(thread) {
                    calls += 1;
                    if !is_killed && stop(calls, which) {
                        kill(pid, Signal::SIGKILL).expect("it is there");
                        is_killed = true;
                    }
                }
                let _ = ptrace::syscall(thread, None);
            }
            // A new thread's first stop, and signals to be handed on.
            WaitStatus::Stopped(thread, Signal::SIGSTOP | Signal::SIGTRAP)
            | WaitStatus::PtraceEvent(thread, ..) => {
                let _ = ptrace::syscall(thread, None);
            }
            WaitStatus::Stopped(thread, signal) => {
                let _ = ptrace::syscall(thread, signal);
            }
            WaitStatus::Exited(ended, code) => {
                assert_ne!(ended, pid, "it was to be killed, and ended with {code} after {calls} calls");
            }
            WaitStatus::Signaled(ended, ..) if ended == pid => return,
            _ => {}
        }
    }
}

/// Where what is pinned in a host's namespace would be.
fn place_of(host: &Host) -> Place {
    host.run(Place::here).expect("the namespace is there").expect("it has a key")
}

fn is_free(host: &Host) -> bool {
    ["to-h1", "to-h2"].iter().all(|interface| programs(host, interface).is_empty())
}

#[test]
fn a_tool_killed_at_any_step_leaves_nothing() {
    let lab = lab("steps", Topology::Router);
    let r = lab.host("r");
    for args in TOOLS {
        let mut attaches = 0;
        kill_when(&mut senko(r, args), |number, which| {
            attaches = number;
            which == LINK_CREATE
        });
        assert!(attaches > 10, "{args:?}: loads and maps come before");
        wait_until("nothing was attached", || is_free(r));
        // The first calls probe and make maps; the last load the program and attach it. Behind it reads go on.
        let near = attaches - 6..=attaches + 3;
        let (mut seen, mut places) = (0, vec![1, attaches / 4, attaches / 2]);
        places.extend(near);
        for number in places {
            kill_when(&mut senko(r, args), |now, _| {
                let is_here = now == number;
                seen += u32::from(is_here && !is_free(r));
                is_here
            });
            wait_until("the interfaces are free", || is_free(r));
            assert!(!place_of(r).pins.exists(), "{args:?}, killed at call {number} of {attaches}");
        }
        assert!(seen > 0, "{args:?}: it was never killed with its program attached");
        Tool::run(r, &[args, &["--duration", "50ms"]].concat()).ok();
        assert_clean(&lab);
    }
}
