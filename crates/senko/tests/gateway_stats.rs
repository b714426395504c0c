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

#[test]
fn drops_are_counted_by_rule_and_stay_when_the_rules_go() {
    let lab = lab("stats", Topology::Pair);
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    let firewall = "[sets]\nbad = [\"198.51.100.0/24\"]\n[firewall]\ndrop = [\"@bad\", \"203.0.113.9\"]\n";
    let gateway = Gateway::apply(h2, &format!("{COUNTER}{firewall}"));
    gateway.text(&["block", "192.0.2.0/24", "--why", "scans"]);
    let udp = |source| support::frames::udp4_from(source, h1, h2, 9, b"dropped");
    let all = [udp([198, 51, 100, 1]), udp([198, 51, 100, 2]), udp([203, 0, 113, 9]), udp([192, 0, 2, 1])];
    lab::raw_send(h1, "to-h2", &all).expect("they are sent");
    wait_until("all are judged", || gateway.json(&["stats"])["interfaces"][0]["drops"] == 4);
    let stats = gateway.json(&["stats"]);
    let (set, rule, block) = (&stats["sets"][0], &stats["rules"][0], &stats["blocks"][0]);
    let bytes = all[0].len() as u64;
    assert_eq!(
        (&set["set"], &set["packets"], &set["bytes"]),
        (&"@bad".into(), &2.into(), &(2 * bytes).into())
    );
    assert_eq!((&set["elements"], &set["action"]), (&1.into(), &"drop".into()), "{stats:#}");
    assert_eq!(
        (&rule["rule"], &rule["packets"], &rule["line"]),
        (&"203.0.113.9".into(), &1.into(), &7.into())
    );
    assert_eq!((&block["prefix"], &block["packets"]), (&"192.0.2.0/24".into(), &1.into()), "{stats:#}");
    assert_eq!(block["why"], "scans");
    let reason =
        |name: &str| row(&stats["interfaces"][0]["reasons"], |row| row["reason"] == name)["packets"].clone();
    assert_eq!((reason("firewall_drop"), reason("blocked")), (3.into(), 1.into()), "{stats:#}");
    let text = agent::metrics::text(
        &h2.run(|| agent::view::View::open(&gateway.place).and_then(|mut view| view.read()))
            .expect("the namespace is there")
            .expect("it is live"),
        &agent::metrics::Reloads::default(),
    );
    for line in [
        r#"senko_drops_total{interface="to-h1",reason="firewall_drop"} 3"#,
        r#"senko_rule_packets_total{section="firewall",rule="drop @bad"} 2"#,
        "senko_block_entries 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }

    gateway.text(&["unblock", "192.0.2.0/24"]);
    gateway.reapply(COUNTER).ok();
    let after = gateway.json(&["stats"]);
    let packets = |stats: &Value| stats["interfaces"][0]["packets"].as_u64().expect("a number");
    assert_eq!(after["interfaces"][0]["drops"], 4, "{after:#}");
    assert!(packets(&after) >= packets(&stats), "counters never fall: {after:#}");
    // None of the four is counted twice. Between two reads of maps the neighbours may talk.
    wait_until("the protocols come to all packets", || {
        let stats = gateway.json(&["stats"]);
        let rows = stats["protocols"].as_array().expect("rows").clone();
        let protocols = rows.iter().filter(|row| row["by"] == "protocol");
        protocols.map(|row| row["packets"].as_u64().expect("a number")).sum::<u64>() == packets(&stats)
    });
}

#[test]
fn top_wants_a_terminal_and_prints_lines_to_programs() {
    let lab = lab("top", Topology::Pair);
    let h2 = lab.host("h2");
    Tool::run(h2, &["top"]).refused(1, &["no gateway runs"]);
    let _gateway = Gateway::apply(h2, COUNTER);
    Tool::run(h2, &["top"]).refused(2, &["`senko top` wants a terminal", "`senko stats --interval 1s`"]);
    let mut tool = Tool::spawn(&mut support::senko(h2, &["top", "--json", "--interval", "20ms"]));
    let first = tool.wait_row(|row| row["generation"] == 1);
    tool.wait_row(|row| row["time"].as_f64() > first["time"].as_f64());
    tool.stop().ok();
}
