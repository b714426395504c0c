//! Who owns an interface's hook: conflicts, replacing, unloading, and what is left after a crash.

mod pair;
mod program;

use std::{
    net::UdpSocket,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use engine::Map;
use pair::{NEAR_V4, Pair, must, run, until};
use program::object;

fn text(path: &std::path::Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn a_busy_hook_names_its_owner() {
    let pair = Pair::new();
    let path = object("filter");
    let running = pair.start(&["load", &pair.port, text(&path)]);
    let held = format!("held by pid {} `senko`", running.pid());
    for mode in ["native", "generic", "auto"] {
        pair.senko(&["load", &pair.port, text(&path), "--mode", mode])
            .expect(5, &["`filter` (id ", "native mode, link ", &held, "--replace"]);
    }
    pair.senko(&["unload", &pair.port]).expect(5, &[&held, "--force"]);
    assert!(!pair.is_free());
    pair.senko(&["unload", &pair.port, "--force"]).expect(0, &["removed the XDP program `filter`"]);
    assert!(pair.is_free());
    pair.senko(&["unload", &pair.port]).expect(1, &["has no XDP program"]);
}

#[test]
fn a_killed_loader_leaves_nothing() {
    let pair = Pair::new();
    let path = object("filter");
    pair.start(&["load", &pair.port, text(&path), "-g", "drop_ipv4=1"]).kill();
    assert!(until(|| pair.is_free()));
    assert!(pair.answers(NEAR_V4));
}

#[test]
fn a_taken_link_goes_back_or_ends_with_its_last_owner() {
    let pair = Pair::new();
    let (drop, pass) = (object("filter"), object("named"));
    let first = pair.start(&["load", &pair.port, text(&drop), "-g", "drop_ipv4=1"]);
    let second = pair.start(&["load", &pair.port, text(&pass), "-n", "first", "--replace"]);
    assert!(pair.answers(NEAR_V4));
    second.interrupt().expect(0, &[]);
    assert!(!pair.answers(NEAR_V4), "the former program is back");

    let second = pair.start(&["load", &pair.port, text(&pass), "-n", "first", "--replace"]);
    first.kill();
    let status = pair.status();
    assert!(status.contains("\"name\": \"first\"") && status.contains(&second.pid().to_string()), "{status}");
    second.interrupt().expect(0, &[]);
    assert!(pair.is_free());
}

#[test]
fn replacing_under_traffic_loses_nothing() {
    let pair = Pair::new();
    let path = object("filter");
    let counter = |status: &str| {
        let status: serde_json::Value = serde_json::from_str(status).expect("JSON");
        let maps = status[0]["programs"][0]["maps"].as_array().expect("maps").clone();
        let id = maps.iter().find(|map| map["name"] == "packets").expect("the map")["id"].as_u64();
        Map::from_id(id.expect("an id") as u32).expect("the map is there")
    };
    let arguments = ["load", &pair.port, text(&path), "-g", "drop_ipv4=1"];
    let mut replacing = arguments.to_vec();
    replacing.push("--replace");
    // Nothing but our datagrams may be IPv4, so nobody need ask for an address.
    let nowhere = "02:00:00:00:00:01";
    must("ip", &["-n", &pair.far, "neigh", "add", NEAR_V4, "lladdr", nowhere, "dev", &pair.peer]);

    let mut running = vec![pair.start(&arguments)];
    let mut counters = vec![counter(&pair.status())];
    let traffic = Traffic::start(&pair.far);
    for _ in 0..5 {
        let before = counters.last().map(dropped);
        assert!(until(|| counters.last().map(dropped) > before), "traffic arrives");
        running.push(pair.start(&replacing));
        counters.push(counter(&pair.status()));
    }
    let sent = traffic.stop();
    let each = || -> Vec<u64> { counters.iter().map(dropped).collect() };
    // What the pair itself lost for want of room in its ring never came to a program.
    let lost = || transmit_drops(&pair);
    assert!(
        until(|| each().iter().sum::<u64>() + lost() == sent),
        "{sent} sent, {} lost on the way, dropped by program: {:?}",
        lost(),
        each()
    );
    assert!(each().iter().all(|count| *count > 0), "{:?}", each());
}

/// Datagrams, one each twenty microseconds, from a network namespace.
struct Traffic {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Traffic {
    fn start(netns: &str) -> Self {
        let netns = std::fs::File::open(format!("/run/netns/{netns}")).expect("the namespace");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            nix::sched::setns(netns, nix::sched::CloneFlags::CLONE_NEWNET).expect("root");
            let socket = UdpSocket::bind("10.77.0.2:0").expect("a socket");
            let mut sent = 0;
            while !stopped.load(Ordering::Relaxed) {
                socket.send_to(b"senko", (NEAR_V4, 9)).expect("sent");
                sent += 1;
                let next = Instant::now() + Duration::from_micros(20);
                while Instant::now() < next {
                    std::hint::spin_loop();
                }
            }
            sent
        });
        Self { stop, thread }
    }

    fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the sender")
    }
}

fn transmit_drops(pair: &Pair) -> u64 {
    let json = must("ip", &["-n", &pair.far, "-s", "-j", "link", "show", &pair.peer]);
    let links: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    links[0]["stats64"]["tx"]["dropped"].as_u64().expect("a count")
}

/// Frames that the program dropped.
fn dropped(map: &Map) -> u64 {
    map.get_per_cpu::<u32, u64>(&1).expect("read").iter().sum()
}

#[test]
fn what_was_attached_over_netlink_is_exchanged_over_netlink() {
    let pair = Pair::new();
    let path = object("filter");
    let foreign = || {
        must(
            "ip",
            &[
                "-n",
                &pair.near,
                "link",
                "set",
                "dev",
                &pair.port,
                "xdpgeneric",
                "obj",
                text(&path),
                "sec",
                "xdp",
            ],
        )
    };
    foreign();
    pair.senko(&["load", &pair.port, text(&path)]).expect(5, &["`filter`", "attached over netlink"]);
    pair.senko(&["load", &pair.port, text(&path), "--replace", "--mode", "native"])
        .expect(5, &["generic mode", "unload"]);
    pair.senko(&["unload", &pair.port]).expect(5, &["not senko's to remove", "--force"]);

    let running = pair.start(&["load", &pair.port, text(&path), "-g", "drop_ipv4=1", "--replace"]);
    assert!(pair.status().contains("\"attached_by\": \"netlink\""));
    assert!(!pair.answers(NEAR_V4));
    running.interrupt().expect(0, &["attached over netlink, so this one is too"]);
    assert!(pair.is_free());

    foreign();
    pair.senko(&["unload", &pair.port, "--force"]).expect(0, &["removed"]);
    assert!(pair.is_free());
}

#[test]
fn an_interface_that_goes_away_ends_the_loader() {
    let pair = Pair::new();
    let path = object("filter");
    let child = pair
        .command(&["load", &pair.port, text(&path)])
        .stderr(Stdio::piped())
        .spawn()
        .expect("senko starts");
    assert!(until(|| !pair.is_free()));
    assert!(run("ip", &["-n", &pair.near, "link", "del", &pair.port]).status.success());
    let said = pair::Said::of(&child.wait_with_output().expect("it ends"));
    said.expect(1, &["disappeared"]);
}
