//! The way back: by hand, and by itself when nobody confirms.

use agent::{confirm::Awaited, gateway::now};
use nix::sys::signal::Signal;

use crate::{
    atomic::{SOURCES, rules},
    fixture::Gateway,
    probe::Probe,
    support::{Tool, programs, wait_until},
};

/// What passes before the flip and after it.
fn expected(flipped: bool) -> Vec<&'static str> {
    vec![SOURCES[usize::from(!flipped)]]
}

fn judged(probe: &Probe) -> Vec<&'static str> {
    probe.passing(&SOURCES[..2])
}

#[test]
fn a_rollback_leads_back_and_a_second_one_returns() {
    let gateway = Gateway::new("back");
    let probe = Probe::of(&gateway);
    gateway.senko(&["rollback"]).refused(1, &["no gateway", "senko apply"]);
    gateway.apply("native", &rules(false));
    let first = gateway.ids();
    gateway.senko(&["rollback"]).refused(1, &["no configuration before this one"]);
    assert_eq!(gateway.ids(), first);
    gateway.apply("native", &rules(true));
    assert_eq!(judged(&probe), expected(true));
    // The files are as they were applied, wherever they are now.
    std::fs::remove_file(gateway.config()).expect("it was written");
    gateway.senko(&["rollback"]).ok().says(&["generation 3 is live"]);
    assert_eq!(judged(&probe), expected(false));
    gateway.senko(&["rollback"]).ok().says(&["generation 4 is live"]);
    assert_eq!(judged(&probe), expected(true));
    assert_eq!(gateway.ids().link, first.link);
}

/// Applies with `--confirm` and returns when it waits.
fn waiting(gateway: &Gateway, time: &str) -> Tool {
    let mut tool = Tool::spawn(&mut gateway.command(&["apply", "--confirm", time]));
    tool.wait_err("rolled back in");
    tool
}

#[test]
fn what_nobody_confirms_is_rolled_back() {
    let gateway = Gateway::new("confirm");
    let probe = Probe::of(&gateway);
    gateway.senko(&["confirm"]).refused(1, &["no gateway"]);

    // Of the first generation that is all there is.
    gateway.write("native", &rules(false));
    let first = waiting(&gateway, "1s");
    assert_eq!(judged(&probe), expected(false));
    first.end().code(1).says(&["nobody confirmed", "without"]);
    assert!(programs(gateway.host(), "to-h1").is_empty());
    gateway.assert_gone();

    gateway.apply("native", &rules(false));
    gateway.senko(&["confirm"]).refused(1, &["no generation waits"]);
    gateway.write("native", &rules(true));
    let second = waiting(&gateway, "1s");
    assert_eq!(judged(&probe), expected(true));
    second.end().code(1).says(&["nobody confirmed", "the generation before is live again"]);
    assert_eq!(judged(&probe), expected(false));

    let kept = waiting(&gateway, "30s");
    gateway.senko(&["confirm"]).ok().says(&["is confirmed"]);
    kept.end().ok().says(&["is confirmed"]);
    assert_eq!(judged(&probe), expected(true));

    // Who waits is killed: the next command that may change something does it.
    gateway.write("native", &rules(false));
    let killed = waiting(&gateway, "1s");
    killed.signal(Signal::SIGKILL);
    killed.end();
    assert_eq!(judged(&probe), expected(false));
    let until = Awaited::read(&gateway.place).expect("it is awaited").until;
    wait_until("the time is over", || now() > until);
    gateway.senko(&["block", "192.0.2.99"]).ok().says(&["rolled back"]);
    assert_eq!(judged(&probe), expected(true));
}

#[test]
fn the_daemon_rolls_back_what_nobody_confirms_also_after_a_restart() {
    let gateway = Gateway::new("await");
    let probe = Probe::of(&gateway);
    gateway.write("native", &rules(false));
    let daemon = gateway.run();
    gateway.write("native", &rules(true));
    let unconfirmed = waiting(&gateway, "1s");
    assert_eq!(judged(&probe), expected(true));
    unconfirmed.end().code(1).says(&["the generation before is live again"]);
    assert_eq!(judged(&probe), expected(false));

    let kept = waiting(&gateway, "30s");
    gateway.senko(&["confirm"]).ok();
    kept.end().ok().says(&["is confirmed"]);
    assert_eq!(judged(&probe), expected(true));

    gateway.write("native", &rules(false));
    let restarted = waiting(&gateway, "2s");
    assert_eq!(judged(&probe), expected(false));
    daemon.kill();
    let _daemon = gateway.run();
    restarted.end().code(1);
    assert_eq!(judged(&probe), expected(true));
}
