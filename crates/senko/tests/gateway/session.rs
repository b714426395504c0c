//! Whoever would cut off the session that a command is run in is warned, and told of the way back.

use std::process::Command;

use serde_json::Value;

use crate::{
    fixture::{Gateway, PORT},
    support::{Ended, Tool},
};

const BAD: &str = "[firewall]\nrules = [\n  \"accept icmp\",\n  \"drop tcp port 22\",\n]\n";
const WORDS: [&str; 5] =
    ["warning", "`drop tcp port 22` cuts off the SSH session", PORT, "senko.toml:8", "--confirm"];

/// What sshd on the gateway's host would say of a session from its peer.
fn connection(gateway: &Gateway, v6: bool) -> String {
    let (peer, host) = (gateway.peer(), gateway.host());
    match v6 {
        false => format!("{} 50000 {} 22", peer.ipv4(), host.ipv4()),
        true => format!("{} 50000 {} 22", peer.ipv6(), host.ipv6()),
    }
}

#[track_caller]
fn in_session(gateway: &Gateway, args: &[&str], connection: &str) -> Ended {
    Tool::spawn(gateway.command(args).env("SSH_CONNECTION", connection)).end()
}

#[test]
fn a_rule_that_cuts_off_the_session_is_warned_of() {
    let gateway = Gateway::new("session");
    gateway.write("native", BAD);
    for v6 in [false, true] {
        let connection = connection(&gateway, v6);
        in_session(&gateway, &["check"], &connection).ok().says(&WORDS);
        let plan = in_session(&gateway, &["plan"], &connection).says(&WORDS);
        assert_eq!(plan.code, Some(7), "{}", plan.err);
    }
    let v4 = connection(&gateway, false);
    let checked = in_session(&gateway, &["check", "--json"], &v4).ok();
    let checked: Value = serde_json::from_str(&checked.out).expect("a document");
    assert_eq!((&checked["warnings"], &checked["valid"]), (&1.into(), &true.into()), "{checked:#}");
    let applied = in_session(&gateway, &["apply", "--json"], &v4).ok().says(&WORDS);
    let applied: Value = serde_json::from_str(&applied.out).expect("a document");
    assert!(applied["warnings"].as_str().is_some_and(|text| text.contains("cuts off")), "{applied:#}");
    let daemon = gateway.run();
    in_session(&gateway, &["apply"], &v4).ok().says(&WORDS);
    drop(daemon);

    // Blocks are not in the file.
    gateway.write("native", "[counter]\n");
    gateway.senko(&["block", &gateway.peer().ipv4().to_string()]).ok();
    in_session(&gateway, &["check"], &v4).ok().says(&["senko block", "cuts off the SSH session"]);
}

#[test]
fn a_session_that_goes_on_is_not_warned_of() {
    let gateway = Gateway::new("goes-on");
    let quiet = |connection: Option<&str>| {
        let mut command = gateway.command(&["check"]);
        command.env_remove("SSH_CONNECTION");
        connection.map(|text| command.env("SSH_CONNECTION", text));
        let ended = Tool::spawn(&mut command).end().ok();
        assert!(!ended.err.contains("cuts off"), "{connection:?}: {}", ended.err);
    };
    let v4 = connection(&gateway, false);
    let accept =
        format!("[firewall]\nrules = [\"accept from {}\", \"drop tcp port 22\"]\n", gateway.peer().ipv4());
    gateway.write("native", &accept);
    quiet(Some(&v4));
    gateway.write("native", BAD);
    // Of another host, without a way back, and not written by sshd.
    for other in
        ["192.0.2.1 5 192.0.2.2 22", &format!("192.0.2.1 5 {} 22", gateway.host().ipv4()), "nonsense"]
    {
        quiet(Some(other));
    }
}

/// `sudo` keeps the variable from senko, but not from the shell it is typed in.
#[test]
fn the_session_is_found_behind_sudo() {
    let gateway = Gateway::new("session-sudo");
    gateway.write("native", BAD);
    let own = gateway.command(&["check"]);
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "env -u SSH_CONNECTION \"$@\"; exit $?", "sh"])
        .arg(own.get_program())
        .args(own.get_args());
    for (name, value) in own.get_envs() {
        if let Some(value) = value {
            shell.env(name, value);
        }
    }
    shell.env("SSH_CONNECTION", connection(&gateway, false));
    Tool::spawn(&mut shell).end().ok().says(&WORDS);
}

#[test]
fn a_session_that_goes_on_by_what_is_sent_is_told_that_no_other_comes_in() {
    let gateway = Gateway::new("replies-only");
    let replies = "[firewall]\ndefault = \"drop\"\nrules = [\"accept established\"]\n";
    gateway.write("native", replies);
    let v4 = connection(&gateway, false);
    let checked = in_session(&gateway, &["check"], &v4).ok();
    let checked = checked.says(&["`default = \"drop\"` lets no new SSH session in", PORT, "--confirm"]);
    assert!(!checked.err.contains("cuts off"), "{}", checked.err);
    gateway.write("native", &replies.replace("established\"", "established\", \"accept tcp port 22\""));
    let checked = in_session(&gateway, &["check"], &v4).ok();
    assert!(!checked.err.contains("SSH"), "{}", checked.err);
}
