//! Replies to what was sent, and nothing else, under a default that drops.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    time::Duration,
};

use abi::Direction;
use lab::{Host, ping, tcp_echo_server, tcp_exchange, udp_sink};
use serde_json::Value;

use crate::{
    fixture::Gateway,
    probe::{Probe, udp},
    support::{Tool, frames, patience},
};

const RULES: &str = "[firewall]\ndefault = \"drop\"\nrules = [\"accept established\"]\n";

/// What tells tests on new kernels to do as old ones do.
const WITHOUT_LINKS: &str = "SENKO_TEST_NO_TCX";

fn both(host: &Host) -> [IpAddr; 2] {
    [host.ipv4().into(), host.ipv6().into()]
}

/// Applies as kernels with links for it do, or as those without.
fn apply(gateway: &Gateway, mode: &str, text: &str, links: bool) {
    gateway.write(mode, text);
    let mut command = gateway.command(&["apply"]);
    if !links {
        command.env(WITHOUT_LINKS, "1");
    }
    Tool::spawn(&mut command).end().ok();
}

/// Programs that see what a host's interface sends.
fn watching(host: &Host) -> String {
    let ids = host
        .run(|| engine::classifier::programs(Direction::Egress, host.ifindex()))
        .expect("the namespace is there");
    let name = |id: &u32| engine::inventory::program(*id).expect("a program").name;
    ids.expect("the kernel says").iter().map(name).collect::<Vec<_>>().join(" ")
}

fn qdiscs(host: &Host) -> String {
    let out = host.command("tc").args(["qdisc", "show"]).output().expect("tc runs");
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// A UDP socket in the host, and the peer's that it asks.
fn pair(from: &Host, to: &Host, address: IpAddr) -> (UdpSocket, UdpSocket) {
    let any: IpAddr = if address.is_ipv4() { [0; 4].into() } else { [0_u16; 8].into() };
    let bind = |host: &Host| host.run(|| UdpSocket::bind((any, 0))).expect("the namespace").expect("a port");
    let (own, other) = (bind(from), bind(to));
    own.connect((address, other.local_addr().expect("bound").port())).expect("it is there");
    for socket in [&own, &other] {
        socket.set_read_timeout(Some(patience())).expect("a timeout");
    }
    (own, other)
}

fn gone(socket: &UdpSocket) -> bool {
    socket.set_read_timeout(Some(Duration::from_millis(200))).expect("a timeout");
    socket.recv(&mut [0; 64]).is_err()
}

#[test]
fn replies_come_through_and_nothing_else_does() {
    for (mode, links) in [("native", true), ("generic", true), ("native", false)] {
        let what = format!("{mode}, links {links}");
        let gateway = Gateway::new("replies");
        let (h1, h2) = (gateway.peer(), gateway.host());
        let probe = Probe::of(&gateway);
        apply(&gateway, mode, RULES, links);

        // TCP, begun here; and not there.
        let server = tcp_echo_server(h1, 0).expect("a port");
        let closed = tcp_echo_server(h2, 0).expect("a port");
        for (here, there) in both(h2).into_iter().zip(both(h1)) {
            tcp_exchange(h2, (there, server.port()), 200_000, patience())
                .unwrap_or_else(|error| panic!("{what}: {error}"));
            let asked = tcp_exchange(h1, (here, closed.port()), 1, Duration::from_millis(300));
            assert!(asked.is_err(), "{what}: nobody asked for it");

            // UDP.
            let (own, other) = pair(h2, h1, there);
            own.send(b"question").expect("it is sent");
            let (length, from) = other.recv_from(&mut [0; 64]).expect("it comes");
            assert_eq!(length, 8, "{what}");
            other.send_to(b"answer", from).expect("it is sent");
            assert_eq!(own.recv(&mut [0; 64]).expect("the answer comes"), 6, "{what}");
            // Another port of the same host answers nothing.
            let stranger = h1.run(|| UdpSocket::bind((there, 0))).expect("the namespace").expect("a port");
            stranger.send_to(b"answer", from).expect("it is sent");
            let mut sink = udp_sink(h2, 0).expect("a port");
            stranger.send_to(b"push", (here, sink.port())).expect("it is sent");
            assert!(gone(&own), "{what}");
            assert_eq!(sink.count(), 0, "{what}");

            // A closed port: the error is about what was sent.
            let (own, other) = pair(h2, h1, there);
            drop(other);
            own.send(b"question").expect("it is sent");
            let error = own.recv(&mut [0; 64]).expect_err("nobody is there");
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused, "{what}: {error}");

            assert_eq!(ping(h2, there, 3).expect("ping runs").received, 3, "{what}: {there}");
            assert_eq!(ping(h1, here, 2).expect("ping runs").received, 0, "{what}: {here}");
        }
        assert_eq!(closed.bytes(), 0, "{what}");
        // What only looks like an answer.
        let (v4, v6) = (udp("192.0.2.9", h1, h2, 7000, b"x"), udp("2001:db8:6::9", h1, h2, 9, b"x"));
        let error = frames::ipv4(h1, h2, 1, &[&[3, 3, 0, 0, 0, 0, 0, 0][..], &v4[14..42]].concat());
        assert_eq!(probe.come(&[v4, v6, error]), [false; 3], "{what}");

        let shown = watching(h2);
        assert!(shown.contains("senko_egress"), "{what}: {shown}");
        assert_eq!(qdiscs(h2).contains("clsact"), !links, "{what}");
        gateway.senko(&["stop", "--detach"]).ok();
        let shown = watching(h2);
        assert!(!shown.contains("senko"), "{what}: {shown}");
        assert!(!qdiscs(h2).contains("clsact"), "{what}");
        gateway.assert_gone();
    }
}

/// A connection that is open all the while.
struct Open(TcpStream, TcpStream);

impl Open {
    fn new(from: &Host, to: &Host) -> Self {
        let listener = to.run(|| TcpListener::bind((to.ipv4(), 0))).expect("the namespace").expect("a port");
        let address: SocketAddr = listener.local_addr().expect("bound");
        let own = from.run(|| TcpStream::connect_timeout(&address, patience())).expect("the namespace");
        let own = own.expect("it connects");
        let (other, _) = listener.accept().expect("it was connected");
        for stream in [&own, &other] {
            stream.set_read_timeout(Some(patience())).expect("a timeout");
            stream.set_nodelay(true).expect("an option");
        }
        Self(own, other)
    }

    /// The other side speaks first: what comes answers what was sent before.
    fn speaks(&mut self) -> bool {
        let mut byte = [0];
        self.1.write_all(b"x").is_ok() && self.0.read_exact(&mut byte).is_ok()
    }
}

#[test]
fn connections_go_on_from_generation_to_generation() {
    for links in [true, false] {
        let gateway = Gateway::new("goes-on");
        let (h1, h2) = (gateway.peer(), gateway.host());
        apply(&gateway, "native", RULES, links);
        let mut open = Open::new(h2, h1);
        assert!(open.speaks(), "links {links}");
        let first = gateway.ids();
        let more = RULES.replace("rules = [", "rules = [\"drop udp port 9\", ");
        apply(&gateway, "native", &more, links);
        let second = gateway.ids();
        assert_eq!(second.generation, first.generation + 1);
        for map in ["FLOWS", "FLOW_SEEDS"] {
            assert_eq!(first.maps[map], second.maps[map], "{map} is carried");
        }
        assert!(open.speaks(), "links {links}: the flow is known to the new generation");
        // What is begun now is seen by the new generation's program.
        let mut later = Open::new(h2, h1);
        assert!(later.speaks() && open.speaks(), "links {links}");
        gateway.senko(&["rollback"]).ok();
        assert!(later.speaks() && open.speaks(), "links {links}");
        // A table of another size begins anew, with the next packet that is sent.
        apply(&gateway, "native", &format!("{RULES}flows = 1000\n"), links);
        assert_ne!(gateway.ids().maps["FLOWS"], second.maps["FLOWS"]);
        open.0.write_all(b"here").expect("it is sent");
        assert!(open.speaks(), "links {links}");
        // Where nobody asks, nobody looks.
        apply(&gateway, "native", "[firewall]\nrules = [\"drop udp port 9\"]\n", links);
        assert!(!watching(h2).contains("senko_egress"), "links {links}");
        assert!(!gateway.place.pins.join("egress").exists());
        assert!(open.speaks(), "links {links}");
        apply(&gateway, "native", RULES, links);
        gateway.senko(&["stop", "--detach"]).ok();
        gateway.assert_gone();
    }
}

#[test]
fn what_is_not_established_can_be_dropped() {
    let gateway = Gateway::new("not");
    let (h1, h2) = (gateway.peer(), gateway.host());
    gateway.apply("native", "[firewall]\nrules = [\"drop tcp not established\"]\n");
    let (server, closed) = (tcp_echo_server(h1, 0).expect("a port"), tcp_echo_server(h2, 0).expect("a port"));
    tcp_exchange(h2, (h1.ipv4().into(), server.port()), 5000, patience()).expect("it was begun here");
    let asked = tcp_exchange(h1, (h2.ipv4().into(), closed.port()), 1, Duration::from_millis(300));
    assert!(asked.is_err());
    assert_eq!(ping(h1, h2.ipv4().into(), 1).expect("ping runs").received, 1, "no TCP");
}

#[test]
fn fragments_and_flows_are_told_of() {
    let gateway = Gateway::new("told");
    let (h1, h2) = (gateway.peer(), gateway.host());
    gateway.apply("native", RULES);
    let (own, other) = pair(h2, h1, h1.ipv4().into());
    own.send(b"question").expect("it is sent");
    let (_, from) = other.recv_from(&mut [0; 64]).expect("it comes");
    // Later fragments have no ports: the answer cannot be put together.
    other.send_to(&[7; 4000], from).expect("it is sent");
    assert!(gone(&own));
    let text = RULES.replace("[firewall]", "[firewall]\nfragments = \"pass\"");
    gateway.apply("native", &text);
    own.set_read_timeout(Some(patience())).expect("a timeout");
    other.send_to(&[7; 4000], from).expect("it is sent");
    assert_eq!(own.recv(&mut [0; 5000]).expect("it comes"), 4000);

    let status: Value = serde_json::from_str(&gateway.senko(&["stats", "--json"]).ok().out).expect("JSON");
    let maps = status["maps"].as_array().unwrap_or_else(|| panic!("{status}"));
    let flows = maps.iter().find(|map| map["map"] == "FLOWS").unwrap_or_else(|| panic!("{status}"));
    assert!((1..20).contains(&flows["entries"].as_u64().expect("a number")), "{flows}");
    assert_eq!(flows["max_entries"], 262_144);

    // `explain` asks the live table.
    let packet = |port: u16| {
        let (theirs, ours) = (other.local_addr().expect("bound").port(), from.port() ^ port);
        format!("udp from {}:{theirs} to {}:{ours}", h1.ipv4(), h2.ipv4())
    };
    let explain = |port| gateway.senko(&["explain", "to-h1", &packet(port)]).ok().out;
    let (yes, no) = (explain(0), explain(1));
    assert!(yes.contains("accept by `accept established`"), "{yes}");
    assert!(yes.contains("remembered now"), "{yes}");
    assert!(no.contains("drop by `default = \"drop\"`"), "{no}");
    assert!(no.contains("`established` does not hold, by the flows that are remembered now"), "{no}");
}

#[test]
fn a_killed_apply_leaves_no_program_without_its_flows() {
    for links in [true, false] {
        let gateway = Gateway::new("killed-flows");
        let (h1, h2) = (gateway.peer(), gateway.host());
        gateway.apply("native", "[firewall]\nrules = [\"drop udp port 9\"]\n");
        let mut open = Open::new(h2, h1);
        let mut operations = 0;
        // A filter is the rarer way, and each operation takes its time.
        for n in (0..200).step_by(if links { 1 } else { 5 }) {
            gateway.write("native", RULES);
            let mut command = gateway.command(&["apply"]);
            command.env("SENKO_TEST_KILL_AFTER", n.to_string());
            if !links {
                command.env(WITHOUT_LINKS, "1");
            }
            let code = Tool::spawn(&mut command).end().code;
            // Whatever program is there, the flow is known to it with the first packet.
            open.0.write_all(b"x").expect("it is sent");
            assert!(open.speaks(), "{n}, links {links}");
            // The next one tidies up, with nothing of the new configuration.
            gateway.apply("native", "[firewall]\nrules = [\"drop udp port 9\"]\n");
            assert!(!watching(h2).contains("senko_egress"), "{n}, links {links}");
            assert!(!gateway.place.pins.join("egress").exists(), "{n}, links {links}");
            if code == Some(0) {
                operations = n;
                break;
            }
        }
        assert!(operations > 20, "{operations} operations");
        gateway.senko(&["stop", "--detach"]).ok();
        assert!(!qdiscs(h2).contains("clsact"));
        gateway.assert_gone();
    }
}

/// Others' filters are theirs.
#[test]
fn a_place_for_filters_that_others_use_stays() {
    let gateway = Gateway::new("others-tc");
    let h2 = gateway.host();
    let tc = |arguments: &str| {
        let status = h2.command("tc").args(arguments.split(' ')).status().expect("tc runs");
        assert!(status.success(), "tc {arguments}");
    };
    tc("qdisc add dev to-h1 clsact");
    tc("filter add dev to-h1 egress prio 5 protocol ip u32 match u32 0 0 flowid 1:1");
    apply(&gateway, "native", RULES, false);
    assert!(watching(h2).contains("senko_egress"));
    gateway.senko(&["stop", "--detach"]).ok();
    assert!(!watching(h2).contains("senko_egress"));
    let out = h2.command("tc").args("filter show dev to-h1 egress".split(' ')).output().expect("tc runs");
    assert!(String::from_utf8_lossy(&out.stdout).contains("u32"), "it is still there");
    gateway.assert_gone();
}
