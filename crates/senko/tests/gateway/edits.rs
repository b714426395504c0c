//! Live edits: elements of sets, and blocks.

use std::time::Instant;

use serde_json::Value;

use crate::{
    atomic::{SOURCES, rules},
    fixture::Gateway,
    probe::Probe,
    stream::Stream,
    support::{Background, wait_until},
};

const OFFICE: &str = "[sets]\noffice = [\"192.0.2.0/28\"]\n\n[firewall]\ndrop = [\"@office\"]\n";
const OUTSIDE: [&str; 3] = ["192.0.2.100", "2001:db8:5::1", "192.0.2.1"];

#[test]
fn elements_come_and_go_and_survive_reload_restart_and_kill() {
    let gateway = Gateway::new("sets");
    let probe = Probe::of(&gateway);
    gateway.senko(&["set", "list", "office"]).refused(1, &["no gateway", "senko apply"]);
    gateway.apply("native", OFFICE);
    let before = gateway.ids();
    assert_eq!(probe.passing(&OUTSIDE), OUTSIDE[..2]);
    gateway
        .senko(&["set", "add", "office", "192.0.2.64/26", "2001:db8:5::/48"])
        .ok()
        .says(&["2 added to @office"]);
    assert_eq!(probe.passing(&OUTSIDE), [""; 0]);
    assert_eq!(gateway.ids(), before, "no new generation");
    let list = gateway.senko(&["set", "list", "office"]).ok().out;
    assert_eq!(list.lines().collect::<Vec<_>>(), ["192.0.2.0/28", "192.0.2.64/26", "2001:db8:5::/48"]);
    gateway.senko(&["apply"]).ok().says(&["nothing to change"]);
    gateway.senko(&["plan"]).ok();
    assert_eq!(gateway.ids(), before);

    // What is refused changes nothing.
    for (args, code, words) in [
        (&["add", "ofice", "192.0.2.1"][..], 1, &["no set `ofice`", "office"][..]),
        (&["add", "office", "10.0.0.1", "192.0.2.65/26"], 2, &["192.0.2.64/26"]),
        (
            &["remove", "office", "192.0.2.64/26", "10.0.0.1"],
            1,
            &["10.0.0.1/32", "not in set `office`", "nothing was changed"],
        ),
        (&["list", "ofice"], 1, &["no set `ofice`", "office"]),
    ] {
        gateway.senko(&[&["set"], args].concat()).refused(code, words);
    }
    assert_eq!(gateway.senko(&["set", "list", "office"]).ok().out, list);

    // A generation that is made anew, a daemon, its end, another one.
    gateway.apply("native", &format!("{OFFICE}allow = [\"203.0.113.1\"]\n"));
    assert_eq!(probe.passing(&OUTSIDE), [""; 0], "after a reload");
    let daemon = gateway.run();
    let ids = gateway.ids();
    daemon.kill();
    assert_eq!(probe.passing(&OUTSIDE), [""; 0], "without a daemon");
    let daemon = gateway.run();
    assert_eq!((probe.passing(&OUTSIDE), gateway.ids()), (vec![], ids), "after a restart");
    gateway.senko(&["set", "remove", "office", "192.0.2.64/26"]).ok().says(&["1 removed from @office"]);
    assert_eq!(probe.passing(&OUTSIDE), OUTSIDE[..1]);
    drop(daemon);
    // Also one that the file has.
    gateway.senko(&["set", "remove", "office", "192.0.2.0/28", "2001:db8:5::/48"]).ok();
    assert_eq!(probe.passing(&OUTSIDE), OUTSIDE);
    gateway.senko(&["apply"]).ok();
    assert_eq!(probe.passing(&OUTSIDE), OUTSIDE);
    gateway.senko(&["set", "add", "office", "192.0.2.0/28"]).ok();
    assert_eq!(probe.passing(&OUTSIDE), OUTSIDE[..2]);
}

#[test]
fn an_element_of_a_long_list_is_quick() {
    let gateway = Gateway::new("long");
    let probe = Probe::of(&gateway);
    let list: String =
        (0..100_000_u32).map(|n| format!("20.{}.{}.{}/31\n", n / 16_384, n / 64 % 256, n % 64 * 4)).collect();
    gateway.scratch.write("list.txt", list);
    gateway.apply("native", "[sets]\nlist = { file = \"list.txt\" }\n[firewall]\ndrop = [\"@list\"]\n");
    let sources = ["20.3.3.5", "20.3.3.2", "192.0.2.1"];
    assert_eq!(probe.passing(&sources), sources[1..]);
    let before = gateway.ids();
    let begun = Instant::now();
    gateway.senko(&["set", "add", "list", "20.3.3.2"]).ok();
    let alone = begun.elapsed();
    assert_eq!((probe.passing(&sources), gateway.ids()), (vec!["192.0.2.1"], before.clone()));
    let daemon = gateway.run();
    let begun = Instant::now();
    gateway.senko(&["set", "remove", "list", "20.3.3.2"]).ok();
    let by_daemon = begun.elapsed();
    println!(
        "one element of 100 000: {alone:?} alone, {by_daemon:?} by the daemon, ready after {:?}",
        daemon.took
    );
    assert_eq!((probe.passing(&sources), gateway.ids()), (sources[1..].to_vec(), before));
}

/// Every command takes over the tables that packets are read in, and changes them beside what they read.
#[test]
fn edits_without_a_daemon_disturb_nobody() {
    let gateway = Gateway::new("churn");
    let text = "[sets]\nb = [\"2001:db8:b::/48\"]\n\n[firewall]\ndrop = [\"203.0.113.1\", \"@b\"]\n";
    gateway.apply("native", text);
    gateway.senko(&["block", "192.0.2.200"]).ok();
    let generation = gateway.ids().generation;
    let stream = Stream::start(&gateway, SOURCES);
    for n in 0..8 {
        // Around what packets are looked up in, so that its lines are written anew and freed.
        let near: Vec<String> = (0..20)
            .flat_map(|m| {
                let host = n * 20 + m + 2;
                [format!("203.0.113.{host}"), format!("192.0.2.{host}"), format!("2001:db8:1{host:02x}::/48")]
            })
            .collect();
        let near: Vec<&str> = near.iter().map(String::as_str).collect();
        gateway.senko(&[&["set", "add", "b"], &near[..]].concat()).ok();
        gateway.senko(&["block", &format!("192.0.2.{}", 201 + n)]).ok();
        gateway.senko(&[&["set", "remove", "b"], &near[..40]].concat()).ok();
    }
    let account = stream.end();
    let past = account.rounds.iter().filter(|round| round[0] || round[1]).count();
    assert_eq!((past, account.lost()), (0, 0), "of {} rounds", account.rounds.len());
    assert_eq!(gateway.ids().generation, generation, "there was room");
    assert!(account.rounds.len() > 1000);
}

#[test]
fn blocks_hold_at_once_end_in_time_and_survive() {
    let gateway = Gateway::new("blocks");
    let probe = Probe::of(&gateway);
    let [a, b, c] = ["203.0.113.9", "2001:db8:9::1", "203.0.113.10"];
    let sources = [a, b, c];
    gateway.apply("native", "[firewall]\nallow = [\"203.0.113.9\"]\n");
    assert_eq!(gateway.senko(&["blocks"]).ok().out, "nothing is blocked\n");
    // Under traffic, and whatever the rules say.
    let traffic = {
        let (from, to) = (gateway.peer().clone(), gateway.host().clone());
        let frame = crate::probe::udp(a, &from, &to, 9, b"x");
        Background::repeat(move || {
            lab::raw_send(&from, "to-h2", &vec![&frame; 50]).expect("it is sent");
        })
    };
    gateway.senko(&["block", a, "--why", "port scan"]).ok().says(&["203.0.113.9 is blocked"]);
    assert_eq!(probe.passing(&sources), [b, c]);
    drop(traffic);
    gateway.senko(&["block", "2001:db8:9::/48", "--for", "1h"]).ok().says(&["for 60 min", "no daemon runs"]);
    assert_eq!(probe.passing(&sources), [c]);
    let rows = |gateway: &Gateway| -> Value {
        serde_json::from_str(&gateway.senko(&["blocks", "--json"]).ok().out).expect("JSON")
    };
    let shown = rows(&gateway);
    assert_eq!(
        (&shown[0]["prefix"], &shown[0]["why"], &shown[0]["until"]),
        (&"203.0.113.9/32".into(), &"port scan".into(), &Value::Null)
    );
    assert_eq!(shown[1]["prefix"], "2001:db8:9::/48");
    assert!(shown[1]["until"].as_f64() > shown[1]["since"].as_f64().map(|since| since + 3500.0), "{shown}");
    gateway
        .senko(&["unblock", a, "192.0.2.1"])
        .refused(1, &["192.0.2.1/32 is not blocked", "nothing was changed"]);
    gateway.senko(&["block", "203.0.113.9/24"]).refused(2, &["203.0.113.0/24"]);

    gateway.apply("native", "[firewall]\nallow = [\"203.0.113.11\"]\n");
    assert_eq!(probe.passing(&sources), [c], "after a reload");
    let daemon = gateway.run();
    gateway.senko(&["block", c, "--for", "1s"]).ok().says(&["for 1 s"]);
    assert_eq!(probe.passing(&sources), [""; 0]);
    wait_until("the block is over", || probe.passing(&sources) == [c]);
    assert_eq!(rows(&gateway), shown);
    daemon.kill();
    assert_eq!(probe.passing(&sources), [c], "without a daemon");
    // One that ends while no daemon runs, ends with the next.
    gateway.senko(&["block", c, "--for", "100ms"]).ok();
    assert_eq!(probe.passing(&sources), [""; 0]);
    let _daemon = gateway.run();
    wait_until("the block is over", || probe.passing(&sources) == [c]);
    gateway.senko(&["unblock", a, "2001:db8:9::/48"]).ok().says(&["2 unblocked"]);
    assert_eq!(probe.passing(&sources), sources);
    assert_eq!(rows(&gateway), Value::Array(Vec::new()));
}

/// More than the tables have room for: a new generation has it, which is said, and nothing is lost meanwhile.
#[test]
fn a_set_that_outgrows_its_table_gets_a_larger_one() {
    let gateway = Gateway::new("grows");
    gateway.apply("native", &rules(false));
    let [rule, ..] = SOURCES;
    let stream = Stream::start(&gateway, [rule, "2001:db8:dead::1", SOURCES[2]]);
    let mut told = 0;
    for batch in 0..5_u32 {
        // Fifty to a /16, which a line does not hold.
        let prefixes: Vec<String> =
            (0..1000_u32).map(|n| format!("{}.{}.{}.64/26", 20 + batch, n / 50, n % 50 * 5)).collect();
        let args: Vec<&str> = prefixes.iter().map(String::as_str).collect();
        let said =
            gateway.senko(&[&["set", "add", "b"], &args[..]].concat()).ok().says(&["1000 added to @b"]);
        told += said.err.matches("a new generation").count();
    }
    let account = stream.end();
    let past = account.rounds.iter().filter(|round| round[0]).count();
    assert_eq!((past, account.lost()), (0, 0), "of {} rounds", account.rounds.len());
    let generation = gateway.ids().generation;
    assert!(
        told > 0 && generation == 1 + told as u64,
        "{told} new generations were told of, {generation} is live"
    );
    assert_eq!(gateway.senko(&["set", "list", "b"]).ok().out.lines().count(), 5001);
    let probe = Probe::of(&gateway);
    let sources = ["20.0.0.70", "22.7.100.127", "24.19.245.64", "20.0.0.63", "24.19.244.64", "25.0.0.70"];
    assert_eq!(probe.passing(&sources), sources[3..]);
}
