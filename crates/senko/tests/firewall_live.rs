//! `senko firewall IFACE add|remove|list` while packets flow. Needs root.

mod support;

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use lab::{Host, Topology, raw_listen, raw_send, udp_send, udp_sink};
use support::{Background, Tool, assert_clean, frames, ip, lab, last, senko, totals, wait_until};

const PORT: u16 = 7007;

/// A second address of h1, which is dropped while the first is not.
const BAD_V4: &str = "10.255.9.9";

fn ask(host: &Host, verb: &str, prefixes: &[&str]) -> support::Ended {
    Tool::run(host, &[&["firewall", "to-h1", verb], prefixes].concat())
}

#[test]
fn prefixes_come_and_go_without_a_restart() {
    let lab = lab("change", Topology::Pair);
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    for mode in ["native", "generic"] {
        let tool =
            Tool::start(h2, &["firewall", "to-h1", "--drop", "192.0.2.0/24", "--json", "--mode", mode], 1);
        let answered = || {
            let ping = |address: IpAddr| lab::ping(h1, address, 2).expect("ping runs").received;
            (ping(h2.ipv4().into()), ping(h2.ipv6().into()))
        };
        let (v4, v6) = (h1.ipv4().to_string(), h1.ipv6().to_string());
        assert_eq!(answered(), (2, 2), "{mode}");
        ask(h2, "add", &[&v4, &v6]).ok().says(&["to-h1: 2 added"]);
        assert_eq!(answered(), (0, 0), "{mode}");
        ask(h2, "remove", &[&v6]).ok().says(&["to-h1: 1 removed"]);
        assert_eq!(answered(), (0, 2), "{mode}");
        // A longer prefix allows inside; taken out again, the shorter one counts again.
        ask(h2, "remove", &[&v4]).ok();
        ask(h2, "add", &["10.0.0.0/8", "--allow", &v4]).ok().says(&["2 added"]);
        assert_eq!(answered(), (2, 2), "{mode}");
        let rows = ask(h2, "list", &["--json"]).ok().rows();
        let shown: Vec<(&str, &str, &str)> = rows
            .iter()
            .map(|row| {
                let text = |field: &str| row[field].as_str().expect("text");
                (text("prefix"), text("action"), text("list"))
            })
            .collect();
        let host = format!("{v4}/32");
        assert_eq!(
            shown,
            [
                ("10.0.0.0/8", "drop", "added"),
                (host.as_str(), "allow", "added"),
                ("192.0.2.0/24", "drop", "--drop")
            ]
        );
        assert!(totals(last(&rows, |row| row["prefix"] == host)).0 >= 2, "{rows:?}");
        ask(h2, "remove", &[&v4]).ok();
        assert_eq!(answered(), (0, 2), "{mode}");

        // For people.
        let text = ask(h2, "list", &[]).ok().out;
        assert!(text.lines().any(|line| line.starts_with("drop") && line.contains("10.0.0.0/8")), "{text}");

        // What is refused changes nothing.
        for (verb, prefixes, code, words) in [
            (
                "add",
                &["198.51.100.1", "192.0.2.0/24"][..],
                1,
                &["192.0.2.0/24", "already", "nothing was changed"][..],
            ),
            ("add", &["198.51.100.1", "198.51.100.1/32"], 1, &["named twice", "nothing was changed"]),
            ("add", &["198.51.100.1", "198.51.100.1/24"], 2, &["did you mean 198.51.100.0/24"]),
            ("remove", &["192.0.2.0/24", "198.51.100.1"], 1, &["not in the tables", "nothing was changed"]),
            ("add", &[], 2, &["prefixes"]),
            ("list", &["10.0.0.0/8"], 2, &["nothing more"]),
        ] {
            ask(h2, verb, prefixes).refused(code, words);
        }
        assert_eq!(ask(h2, "list", &["--json"]).ok().rows().len(), 2, "{mode}");
        tool.stop().ok();
        assert_clean(&lab);
        ask(h2, "list", &[]).refused(1, &["no `senko firewall` runs on to-h1", "start one"]);
    }
}

/// An address that no change is about loses nothing while 200 prefixes come and go.
#[test]
fn others_are_not_interrupted() {
    let lab = lab("steady", Topology::Pair);
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    let tool = Tool::start(h2, &["firewall", "to-h1", "--drop", "192.0.2.0/24", "--json"], 1);
    let mut ping = h1.command("ping");
    ping.args(["-n", "-q", "-i", "0.005", &h2.ipv4().to_string()]).env("LC_ALL", "C");
    let ping = Tool::spawn(&mut ping);
    // Neighbours in the table of the address that is pinged from, too.
    let [a, b, c, _] = h1.ipv4().octets();
    for n in 0..100 {
        let near = format!("{a}.{b}.{c}.{}", 100 + n);
        ask(h2, "add", &[&near, &format!("2001:db8:{n:x}::/48")]).ok();
        ask(h2, "remove", &[&near]).ok();
    }
    let report = ping.stop().out;
    let line = report.lines().find(|line| line.contains("packets transmitted")).expect("a summary");
    let numbers: Vec<u32> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
    assert!(line.contains(" 0% packet loss") && numbers[0] >= 100 && numbers[0] == numbers[1], "{line}");
    assert_eq!(ask(h2, "list", &["--json"]).ok().rows().len(), 101);
    tool.stop().ok();
}

/// More prefixes than there is head-room: the tables are built anew and the programs swapped, on both interfaces, while
/// a dropped address sends. Not one of its packets gets past, before, during or after.
#[test]
fn tables_grow_under_traffic_and_nothing_gets_past() {
    let lab = lab("grow", Topology::Pair);
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    ip(h1, &format!("addr add {BAD_V4}/32 dev lo"));
    for mode in ["native", "generic"] {
        let args = ["firewall", "to-h1", "--json", "--mode", mode, "--interval", "50ms", "--drop", BAD_V4];
        let mut tool = Tool::start(h2, &args, 1);
        let mut sink = udp_sink(h2, 0).expect("a port is free");
        let bad = frames::udp4_from([10, 255, 9, 9], h1, h2, sink.port(), b"bad");
        let good = frames::udp4_from(h1.ipv4().octets(), h1, h2, sink.port(), b"good");
        let (sender, sent) = (h1.clone(), Arc::new(AtomicUsize::new(0)));
        let steady = Background::repeat({
            let sent = Arc::clone(&sent);
            move || {
                raw_send(&sender, "to-h2", &vec![&bad; 200]).expect("it is sent");
                sent.fetch_add(200, Ordering::Relaxed);
            }
        });
        tool.wait_row(|row| row["packets"].as_u64() >= Some(200));
        for round in 0..5_u8 {
            let prefixes: Vec<String> = (0..1000_u32)
                .map(|n| {
                    let [_, _, high, low] = n.to_be_bytes();
                    format!("{}.{}.{}.64/26", 20 + round, high * 7 + 1, low)
                })
                .collect();
            let args: Vec<&str> = prefixes.iter().map(String::as_str).collect();
            ask(h2, "add", &args).ok().says(&["1000 added"]);
        }
        assert_eq!(ask(h2, "list", &["--json"]).ok().rows().len(), 5001, "{mode}");
        drop(steady);
        let sent = sent.load(Ordering::Relaxed) as u64;
        // The counter went along: every one of them is in it.
        tool.wait_row(|row| row["prefix"] == format!("{BAD_V4}/32") && row["packets"] == sent);
        raw_send(h1, "to-h2", &[good]).expect("it is sent");
        wait_until("the good packet arrives", || sink.count() > 0);
        assert_eq!(
            (sink.count(), sink.last()),
            (1, &b"good"[..]),
            "{mode}: of {sent} bad ones none got past"
        );

        // All that was added works.
        let sources: Vec<[u8; 4]> =
            (0..5_u8).flat_map(|round| [0, 97, 255].map(|low| [20 + round, 1, low, 77])).collect();
        let listener = raw_listen(h2, "to-h1").expect("root may listen");
        for source in &sources {
            raw_send(h1, "to-h2", &[frames::udp4_from(*source, h1, h2, PORT, b"x")]).expect("it is sent");
        }
        let end = frames::udp4_from([20, 1, 97, 63], h1, h2, PORT, b"beside the prefix");
        raw_send(h1, "to-h2", &[&end]).expect("it is sent");
        let mut past = 0;
        while let Some(frame) = listener.next(support::patience())
            && frame != end
        {
            past += usize::from(sources.iter().any(|source| frame.get(26..30) == Some(source)));
        }
        assert_eq!(past, 0, "{mode}");
        tool.stop().ok();
    }
    assert_clean(&lab);
}

/// A caller that opens the socket and says nothing must not stop the others for long.
#[test]
fn a_silent_caller_does_not_block_the_firewall() {
    let lab = lab("silent", Topology::Pair);
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    let tool = Tool::start(h2, &["firewall", "to-h1", "--drop", "192.0.2.0/24"], 1);
    let path = support::sockets(h2).pop().expect("its socket");
    let _silent = std::os::unix::net::UnixStream::connect(&path).expect("root may");
    udp_send(h1, h2.ipv4().into(), PORT, b"x", 1).expect("it is sent");
    ask(h2, "add", &["198.51.100.0/24"]).ok();
    // A second firewall on the same hook finds the first, and its socket stays.
    let second = Tool::spawn(&mut senko(h2, &["firewall", "to-h1", "--drop", "10.0.0.0/8"])).end();
    second.refused(5, &["to-h1"]);
    ask(h2, "remove", &["198.51.100.0/24"]).ok();
    tool.stop().ok();
    assert_clean(&lab);
}

/// After a kill -9 the socket file stays, perhaps of a namespace that is gone: the next firewall, anywhere, removes it.
#[test]
fn sockets_of_killed_firewalls_are_swept() {
    let lab = lab("swept", Topology::Pair);
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    let tool = Tool::start(h2, &["firewall", "to-h1", "--drop", "192.0.2.0/24"], 1);
    tool.signal(nix::sys::signal::Signal::SIGKILL);
    assert_eq!(tool.end().code, None);
    let left = support::sockets(h2).pop().expect("its socket").display().to_string();
    ask(h2, "list", &[]).refused(1, &["no `senko firewall` runs on to-h1"]);
    support::inside(h1, "touch", &["-h", "-d", "1 minute ago", &left]);
    Tool::run(h1, &["firewall", "to-h2", "--drop", "192.0.2.0/24", "--duration", "10ms"]).ok();
    assert_clean(&lab);
}
