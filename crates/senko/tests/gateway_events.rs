//! `senko events`: what the gateway drops, told as it happens. Needs root.

mod support;

use lab::{Host, Topology, raw_send};
use nix::sys::signal::Signal;
use support::{Gateway, Tool, frames, lab, wait_until};

const CONFIG: &str = "[[interface]]\nname = \"to-h1\"\n[firewall]\ndrop = [\"198.51.100.0/24\"]\n";

fn udp(from: &Host, to: &Host, last: u8) -> Vec<u8> {
    frames::udp4_from([198, 51, 100, last], from, to, 53, b"dropped")
}

fn follow(host: &Host) -> Tool {
    let mut tool = Tool::spawn(&mut support::senko(host, &["events", "-f", "--json"]));
    tool.wait_err("reading");
    tool
}

#[test]
fn drops_are_told_with_their_reason() {
    let lab = lab("events", Topology::Pair);
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    let gateway = Gateway::apply(h2, CONFIG);
    let mut tool = follow(h2);
    raw_send(h1, "to-h2", &[udp(h1, h2, 7)]).expect("it is sent");
    let row = tool.wait_row(|row| row["source"] == "198.51.100.7");
    assert_eq!((&row["reason"], &row["verdict"]), (&"firewall_drop".into(), &"drop".into()), "{row}");
    assert_eq!((&row["interface"], &row["destination_port"]), (&"to-h1".into(), &53.into()), "{row}");
    let age = agent::gateway::now() - row["time"].as_f64().expect("a time");
    assert!((-1.0..15.0).contains(&age), "{age}");

    // A flood is a few lines that stand for all of it.
    let flood: Vec<Vec<u8>> = (0..20_000).map(|n| udp(h1, h2, (n % 250) as u8)).collect();
    raw_send(h1, "to-h2", &flood).expect("they are sent");
    wait_until("all are judged", || {
        gateway.json(&["stats"])["interfaces"][0]["drops"].as_u64() >= Some(20_001)
    });
    // One more ends what each CPU has not told yet.
    wait_until("a line stands for many", || {
        raw_send(h1, "to-h2", &[udp(h1, h2, 8)]).expect("it is sent");
        tool.wait_row(|row| row["drops"].as_u64().is_some())["drops"].as_u64() > Some(10)
    });

    // Blocks are drops, too, and the reader goes on through new generations.
    gateway.text(&["block", "192.0.2.0/24"]);
    gateway.reapply(&format!("{CONFIG}[counter]\n")).ok();
    let blocked = frames::udp4_from([192, 0, 2, 1], h1, h2, 53, b"blocked");
    wait_until("a block is told", || {
        raw_send(h1, "to-h2", &[&blocked]).expect("it is sent");
        let row = tool.wait_row(|_| true);
        row["reason"] == "blocked" && row["source"] == "192.0.2.1"
    });
    let ended = tool.stop().ok();
    assert!(ended.rows().len() < 5_000, "{} lines of some 20 000 drops", ended.rows().len());
}

#[test]
fn there_is_one_reader() {
    let lab = lab("events", Topology::Pair);
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    let _gateway = Gateway::apply(h2, CONFIG);
    let first = follow(h2);
    let pid = first.pid().to_string();
    Tool::run(h2, &["events", "-f"]).refused(1, &["the events are being read already, by process", &pid]);
    first.signal(Signal::SIGKILL);
    assert_eq!(first.end().code, None);
    // Its place is free, and nothing was kept of what it read.
    let kept = Tool::run(h2, &["events"]).ok().says(&["no drop was sampled"]);
    assert_eq!(kept.out, "");
    raw_send(h1, "to-h2", &[udp(h1, h2, 9)]).expect("it is sent");
    let mut kept = String::new();
    wait_until("what came meanwhile is kept", || {
        kept += &Tool::run(h2, &["events"]).ok().out;
        !kept.is_empty()
    });
    assert!(kept.contains("to-h1 firewall_drop: udp 198.51.100.9:4000 > "), "{kept}");
    // To the followers it is of the past.
    raw_send(h1, "to-h2", &[udp(h1, h2, 9)]).expect("it is sent");
    let ended = Tool::run(h2, &["events", "--duration", "50ms"]).ok();
    assert_eq!(ended.out, "");
}

#[test]
fn who_drops_nothing_has_no_events() {
    let lab = lab("events", Topology::Pair);
    let h2 = lab.host("h2");
    Tool::run(h2, &["events"]).refused(1, &["no gateway runs"]);
    let _gateway = Gateway::apply(h2, "[[interface]]\nname = \"to-h1\"\n[counter]\n");
    Tool::run(h2, &["events"]).refused(1, &["this gateway drops nothing", "[firewall]"]);
}
