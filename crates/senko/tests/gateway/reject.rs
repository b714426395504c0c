//! Rejected packets are answered, so that whoever sent them knows at once.

use std::{
    io::ErrorKind,
    net::{IpAddr, SocketAddr, TcpStream, UdpSocket},
    time::{Duration, Instant},
};

use engine::{Mode, PipelineBuilder};
use lab::{Host, ping, tcp_echo_server};

use crate::{
    fixture::Gateway,
    probe::{Probe, udp},
    support::patience,
};

const RULES: &str = "[firewall]\nrules = [\"reject tcp port 7000\", \"reject udp port 7001\", \"reject {icmp, icmpv6} type {8, 128}\", \"drop tcp port 7002\"]\n";

fn connect(from: &Host, to: IpAddr, port: u16, patience: Duration) -> ErrorKind {
    let address = SocketAddr::from((to, port));
    let tried = from.run(|| TcpStream::connect_timeout(&address, patience)).expect("the namespace is there");
    tried.expect_err("it is rejected").kind()
}

#[test]
fn senders_are_told_at_once() {
    for mode in ["native", "generic"] {
        let gateway = Gateway::new("reject");
        let (h1, h2) = (gateway.peer(), gateway.host());
        gateway.apply(mode, RULES);
        // What a veth sends back by XDP_TX wakes its peer only where that has a program (`veth_xdp_flush`, drivers/net/veth.c).
        let at_the_peer = h1.run(|| PipelineBuilder::new(&[]).load()?.attach(h1.iface(), Mode::Native));
        let _at_the_peer = at_the_peer.expect("the namespace").expect("it is attached");
        // Servers are there, and nothing comes to them.
        let servers = [7000, 7002].map(|port| tcp_echo_server(h2, port).expect("the port is free"));
        for to in [IpAddr::from(h2.ipv4()), h2.ipv6().into()] {
            let begun = Instant::now();
            assert_eq!(connect(h1, to, 7000, patience()), ErrorKind::ConnectionRefused, "{mode}: {to}");
            assert!(begun.elapsed() < patience() / 2, "{mode}: at once");
            // What is dropped says nothing.
            let silent = connect(h1, to, 7002, Duration::from_millis(300));
            assert_eq!(silent, ErrorKind::TimedOut, "{mode}: {to}");

            let any: IpAddr = if to.is_ipv4() { [0; 4].into() } else { [0_u16; 8].into() };
            let socket = h1.run(|| UdpSocket::bind((any, 0))).expect("the namespace").expect("a port");
            socket.connect((to, 7001)).expect("it has a route");
            socket.set_read_timeout(Some(patience())).expect("a timeout");
            socket.send(&[7; 1000]).expect("it is sent");
            let error = socket.recv(&mut [0; 64]).expect_err("an error comes");
            // `icmp_err_convert` and `tab_unreach` in the kernel: prohibited by an administrator.
            let expected = if to.is_ipv4() { libc::EHOSTUNREACH } else { libc::EACCES };
            assert_eq!(error.raw_os_error(), Some(expected), "{mode}: {to}: {error}");
            assert_eq!(ping(h1, to, 1).expect("ping runs").received, 0, "{mode}: {to}");
        }
        assert!(servers.iter().all(|server| server.bytes() == 0), "{mode}");
        let stats: serde_json::Value =
            serde_json::from_str(&gateway.senko(&["stats", "--json"]).ok().out).expect("JSON");
        let rules = stats["rules"].as_array().expect("rules");
        let of = |text: &str| rules.iter().find(|row| row["action"] == "reject" && row["rule"] == text);
        for text in ["tcp port 7000", "udp port 7001", "{icmp, icmpv6} type {8, 128}"] {
            let row = of(text).unwrap_or_else(|| panic!("{stats}"));
            assert!(row["packets"].as_u64() >= Some(2), "{mode}: {row}");
        }
        // An answer is none of the host's.
        let explained =
            gateway.senko(&["explain", "to-h1", &format!("udp from {}:9 to {}:7001", h1.ipv4(), h2.ipv4())]);
        let explained = explained.ok().out;
        assert!(explained.contains("reject by `reject udp port 7001`"), "{explained}");
        assert!(explained.contains("tx (rule_reject)"), "{explained}");
        let probe = Probe::of(&gateway);
        assert_eq!(probe.come(&[udp("192.0.2.9", h1, h2, 7001, b"x")]), [false], "{mode}");
    }
}
