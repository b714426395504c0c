//! `senko stats` of a gateway that judges real packets. Needs root.

mod support;

use lab::{Topology, ping};
use serde_json::Value;
use support::{Gateway, Tool, lab, wait_until};

const COUNTER: &str = "[[interface]]\nname = \"to-h1\"\n[counter]\n";

fn row(rows: &Value, wanted: impl Fn(&Value) -> bool) -> &Value {
    rows.as_array().expect("rows").iter().find(|row| wanted(row)).unwrap_or(&Value::Null)
}

#[test]
fn what_is_counted_is_shown_and_goes_on_through_a_new_generation() {
    let lab = lab("stats", Topology::Pair);
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    let gateway = Gateway::apply(h2, COUNTER);
    assert_eq!(ping(h1, h2.ipv4().into(), 5).expect("ping runs").received, 5);
    let stats = gateway.json(&["stats"]);
    let interface = &stats["interfaces"][0];
    assert_eq!((&interface["interface"], &interface["mode"]), (&"to-h1".into(), &"native".into()));
    assert_eq!(interface["stages"], serde_json::json!(["counter"]));
    assert_eq!(stats["health"]["state"], "ok", "{stats:#}");
    let icmp = |stats: &Value| {
        row(&stats["protocols"], |row| row["by"] == "protocol" && row["protocol"] == "icmp").clone()
    };
    assert_eq!((&icmp(&stats)["packets"], &icmp(&stats)["bytes"]), (&5.into(), &490.into()), "{stats:#}");
    assert_eq!(icmp(&stats)["ip_version"], 4);
    // ARP and the neighbours' talk are there, too.
    assert!(interface["packets"].as_u64() > Some(5), "{stats:#}");
    let text = gateway.text(&["stats"]);
    assert!(text.starts_with("ok  generation 1, applied "), "{text}");
    assert!(text.lines().any(|line| line.starts_with("to-h1") && line.contains("native")), "{text}");

    gateway.reapply(&format!("{COUNTER}icmp_types = true\n")).ok();
    assert_eq!(ping(h1, h2.ipv4().into(), 2).expect("ping runs").received, 2);
    let stats = gateway.json(&["stats"]);
    assert_eq!((&stats["generation"], &icmp(&stats)["packets"]), (&2.into(), &7.into()), "{stats:#}");
    let echo = row(&stats["protocols"], |row| row["by"] == "icmp_type" && row["icmp_type"] == 8);
    assert_eq!(echo["packets"], 2, "{stats:#}");
}

#[test]
fn a_running_view_follows_the_generations() {
    let lab = lab("stats", Topology::Pair);
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    let gateway = Gateway::apply(h2, COUNTER);
    let args = ["--netns", h2.ns_name(), "stats", "--json", "--interval", "20ms"];
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_senko"));
    let mut tool = Tool::spawn(command.args(args));
    tool.wait_row(|row| row["generation"] == 1);
    assert_eq!(ping(h1, h2.ipv4().into(), 3).expect("ping runs").received, 3);
    let before = tool.wait_row(|row| row["interfaces"][0]["packets"].as_u64() >= Some(3));
    for generation in 2..6 {
        let types = generation % 2 == 0;
        gateway.reapply(&format!("{COUNTER}icmp_types = {types}\n")).ok();
        let row = tool.wait_row(|row| row["generation"] == generation);
        let packets = |row: &Value| row["interfaces"][0]["packets"].as_u64();
        assert!(packets(&row) >= packets(&before), "{before} {row}");
    }
    tool.stop().ok();
}

#[test]
fn an_interface_that_goes_is_told() {
    let lab = lab("stats", Topology::Pair);
    let h2 = lab.host("h2");
    let gateway = Gateway::apply(h2, &format!("{COUNTER}[[interface]]\nname = \"nosuch0\"\n"));
    let stats = gateway.json(&["stats"]);
    assert_eq!(stats["health"]["state"], "degraded");
    assert_eq!(stats["health"]["why"][0], "nosuch0 is not attached");
    support::ip(h2, "link del to-h1");
    wait_until("the link is gone", || gateway.json(&["stats"])["health"]["state"] == "down");
    let interface = &gateway.json(&["stats"])["interfaces"][0];
    assert_eq!((&interface["attached"], &interface["mode"]), (&false.into(), &Value::Null));
}

#[test]
fn without_a_gateway_it_says_so() {
    let lab = lab("stats", Topology::Pair);
    let words = ["no gateway runs in this network namespace", "`senko apply`"];
    Tool::run(lab.host("h1"), &["stats"]).refused(1, &words);
}

#[test]
fn status_says_one_word_first() {
    let lab = lab("status", Topology::Pair);
    let h2 = lab.host("h2");
    let gateway = Gateway::apply(h2, COUNTER);
    let text = gateway.text(&["status"]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "ok", "{text}");
    assert!(lines[1].starts_with("gateway  generation 1, 0 s ago by apply, "), "{text}");
    assert!(lines[1].ends_with("; no daemon runs"), "{text}");
    assert!(lines.iter().any(|line| line.starts_with("to-h1      native  counter")), "{text}");
    assert!(!text.contains("held by"), "the gateway's program is not listed once more: {text}");
    let status = gateway.json(&["status"]);
    assert_eq!((&status["state"], &status["gateway"]["daemon"]), (&"ok".into(), &false.into()));
    assert_eq!(status["gateway"]["interfaces"][0]["mode"], "native");
    assert_eq!(status["interfaces"][0]["programs"][0]["name"], "senko");
    // Of an interface it is what it always was.
    assert!(gateway.json(&["status", "to-h1"]).is_array());

    gateway.reapply(&format!("{COUNTER}[[interface]]\nname = \"nosuch0\"\n")).ok();
    let text = gateway.text(&["status"]);
    assert!(text.starts_with("degraded\n  nosuch0 is not attached\n"), "{text}");
}
