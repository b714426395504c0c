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

/// Runs a command until `stop` says so of one of its system calls: of bpf(2) it is told the command. Then it is killed.
#[expect(clippy::zombie_processes, reason = "waited for as any child, among its threads")]
fn kill_when(command: &mut Command, mut stop: impl FnMut(Option<u64>) -> bool) {
    // SAFETY: one system call.
    unsafe { command.pre_exec(|| Ok(ptrace::traceme()?)) };
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let pid = Pid::from_raw(child.id().cast_signed());
    waitpid(pid, None).expect("it stops at its first instruction");
    let options = Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_TRACECLONE | Options::PTRACE_O_EXITKILL;
    ptrace::setoptions(pid, options).expect("it is traced");
    ptrace::syscall(pid, None).expect("it goes on");
    let mut is_killed = false;
    loop {
        let status = waitpid(None, Some(WaitPidFlag::__WALL)).expect("there are children");
        match status {
            WaitStatus::PtraceSyscall(thread) => {
                if let Some((number, first)) = call(thread)
                    && !is_killed
                    && stop((number == libc::SYS_bpf).then_some(first))
                {
                    kill(pid, Signal::SIGKILL).expect("it is there");
                    is_killed = true;
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
                assert_ne!(ended, pid, "it was to be killed, and ended with {code}");
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

#[track_caller]
fn assert_nothing(host: &Host, when: &str) {
    wait_until(when, || is_free(host));
    assert!(!place_of(host).pins.exists(), "{when}");
}

#[test]
fn a_tool_killed_at_any_step_leaves_nothing() {
    let lab = lab("steps", Topology::Router);
    let r = lab.host("r");
    for args in TOOLS {
        let mut loads = 0;
        kill_when(&mut senko(r, args), |call| {
            loads += u32::from(call.is_some());
            call == Some(LINK_CREATE)
        });
        assert!(loads > 10, "{args:?}: maps and programs come before");
        wait_until("nothing was attached", || is_free(r));
        // The first of these calls probe and make maps; the last load the program and attach it.
        let before = [1, loads / 4, loads / 2].into_iter().chain(loads - 4..loads);
        for last in before {
            let mut calls = 0;
            kill_when(&mut senko(r, args), |call| {
                calls += u32::from(call.is_some());
                calls == last
            });
            assert_nothing(r, &format!("{args:?}, killed at call {last} of {loads} of bpf(2)"));
        }
        for behind in [1, 2, 4, 8, 16] {
            let (mut is_attached, mut calls) = (false, 0);
            kill_when(&mut senko(r, args), |call| {
                calls += u32::from(is_attached);
                is_attached |= call == Some(LINK_CREATE);
                calls == behind
            });
            assert_nothing(r, &format!("{args:?}, killed {behind} calls after it attached"));
        }
        Tool::run(r, &[args, &["--duration", "50ms"]].concat()).ok();
        assert_clean(&lab);
    }
}
