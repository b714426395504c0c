//! `senko dump`: which packets, and how they look. Needs root.

mod support;

use std::{net::IpAddr, thread};

use engine::RecordBuffer;
use lab::{Host, Lab, Topology, ping, raw_send, tcp_echo_server, tcp_exchange, udp_send};
use serde_json::Value;
use support::{Tool, assert_clean, frames, ip, lab, patience};

/// The port of UDP to h2; nobody listens, so answers are ICMP errors.
const PORT: u16 = 7007;

/// One of everything that a filter can tell apart, from h1 to h2.
fn everything(h1: &Host, h2: &Host, server: u16) {
    for address in [IpAddr::from(h2.ipv4()), IpAddr::from(h2.ipv6())] {
        assert_eq!(ping(h1, address, 2).expect("ping runs").received, 2);
        tcp_exchange(h1, (address, server), 1000, patience()).expect("every byte comes back");
        udp_send(h1, address, PORT, b"seven b", 3).expect("it is sent");
    }
    let other_host = frames::udp4_from([192, 0, 2, 9], h1, h2, 53, b"elsewhere");
    let sctp = frames::ipv4(h1, h2, 132, &[7; 40]);
    let odd = frames::ipv6(h1, h2, 253, &[7; 40]);
    raw_send(h1, "to-h2", &[other_host, sctp, odd]).expect("it is sent");
    // Neighbours are known by now: this asks for one.
    let arp = [&[0, 1, 8, 0, 6, 4, 0, 1][..], &h1.mac(), &h1.ipv4().octets(), &[0; 6], &h2.ipv4().octets()]
        .concat();
    raw_send(h1, "to-h2", &[frames::other(h1, h2, 0x0806, &arp)]).expect("it is sent");
    // The last of all: what comes before it has come.
    raw_send(h1, "to-h2", &[frames::ipv4(h1, h2, 254, b"end")]).expect("it is sent");
}

/// What a call with this filter captures of `everything`.
fn captured(lab: &Lab, filter: &[&str]) -> Vec<Value> {
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    let server = tcp_echo_server(h2, 0).expect("a port is free");
    let args = [&["dump", "to-h1", "--json"], filter].concat();
    let tool = Tool::start(h2, &args, 1);
    let mut end = Tool::start(h1, &["dump", "to-h2", "--proto", "icmp", "-c", "1"], 1);
    everything(h1, h2, server.port());
    // An echo reply is the answer to something sent after everything else.
    ping(h1, h2.ipv4().into(), 1).expect("ping runs");
    end.wait_out(|_| true);
    end.end().ok();
    tool.stop().ok().rows()
}

/// Whether the kernel has the ring buffer for frames; where not, asking for it is refused, and says what to do.
fn has_ring(host: &Host) -> bool {
    if RecordBuffer::of_running_kernel() == RecordBuffer::Ring {
        return true;
    }
    Tool::run(host, &["dump", "to-h1", "--buffer", "ring"]).refused(4, &["5.18", "--buffer perf"]);
    false
}

fn all(rows: &[Value], holds: impl Fn(&Value) -> bool) -> bool {
    !rows.is_empty() && rows.iter().all(holds)
}

#[test]
fn filters_take_what_they_say_and_nothing_else() {
    let lab = lab("filter", Topology::Pair);
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    let of = |filter: &[&str]| captured(&lab, filter);

    let syn = of(&["--syn"]);
    let flags: Vec<(&Value, &Value)> =
        syn.iter().map(|row| (&row["tcp_flags"], &row["ip_version"])).collect();
    assert_eq!(flags, [(&Value::from("S"), &Value::from(4)), (&Value::from("S"), &Value::from(6))]);

    let udp = of(&["--proto", "udp"]);
    assert_eq!(udp.len(), 7, "{udp:?}");
    assert!(all(&udp, |row| row["protocol"] == "udp"));

    let icmp = of(&["--proto", "icmp"]);
    let requests = |version: u64, kind: u64| {
        icmp.iter().filter(|row| row["ip_version"] == version && row["icmp_type"] == kind).count()
    };
    assert_eq!((requests(4, 8), requests(6, 128)), (3, 2), "{icmp:?}");
    assert!(all(&icmp, |row| row["protocol"] == "icmp" || row["protocol"] == "icmpv6"));

    let arp = of(&["--proto", "arp"]);
    assert!(all(&arp, |row| row["ethertype"] == 0x0806), "{arp:?}");
    let sctp = of(&["--proto", "132"]);
    assert!(sctp.len() == 1 && sctp[0]["protocol"] == "sctp", "{sctp:?}");

    let port = of(&["--port", "7007"]);
    assert_eq!(port.len(), 6, "{port:?}");
    assert!(all(&port, |row| row["destination_port"] == 7007));

    let host = of(&["--host", "192.0.2.9"]);
    assert!(host.len() == 1 && host[0]["source"] == "192.0.2.9", "{host:?}");
    let h1_v6 = h1.ipv6().to_string();
    let host = of(&["--host", &h1_v6, "--proto", "udp"]);
    assert!(host.len() == 3 && all(&host, |row| row["source"] == h1_v6), "{host:?}");

    assert!(all(&of(&["-4"]), |row| row["ip_version"] == 4));
    assert!(all(&of(&["-6"]), |row| row["ip_version"] == 6));
    let target = h2.ipv4().to_string();
    let combined = of(&["-4", "--proto", "udp", "--port", "7007", "--host", &target]);
    assert_eq!(combined.len(), 3, "{combined:?}");
    assert_clean(&lab);
}

#[test]
fn ring_and_perf_buffer_native_and_generic_capture_the_same() {
    let lab = lab("buffers", Topology::Pair);
    let packet = |row: &Value| (row["text"].to_string(), row["length"].clone(), row["captured"].clone());
    let mut before: Option<Vec<_>> = None;
    let has_ring = has_ring(lab.host("h2"));
    for (buffer, mode) in [("ring", "native"), ("perf", "native"), ("ring", "generic"), ("perf", "generic")] {
        if buffer == "ring" && !has_ring {
            continue;
        }
        let rows = captured(&lab, &["--proto", "udp", "--buffer", buffer, "--mode", mode, "-s", "50", "-x"]);
        // Source ports differ from run to run, so they are of the same length and masked.
        let packets: Vec<_> = rows
            .iter()
            .map(|row| {
                let (text, length, captured) = packet(row);
                let port = row["source_port"].to_string();
                let data = row["data"].as_str().expect("hex was asked for").len();
                (text.replace(&format!(".{port} >"), " >"), length, captured, data)
            })
            .collect();
        assert_eq!(packets.len(), 7, "{buffer} {mode}: {rows:?}");
        let before = before.get_or_insert_with(|| packets.clone());
        assert_eq!(*before, packets, "{buffer} {mode}");
    }
}

#[test]
fn count_and_snaplen_bound_what_is_kept() {
    let lab = lab("bounds", Topology::Pair);
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    let buffers: &[&str] = if has_ring(h2) { &["ring", "perf"] } else { &["perf"] };
    for &buffer in buffers {
        let args =
            ["dump", "to-h1", "--proto", "udp", "-c", "2", "-s", "20", "-x", "--json", "--buffer", buffer];
        let tool = Tool::start(h2, &args, 1);
        udp_send(h1, h2.ipv4().into(), PORT, &[0x5a; 100], 5).expect("it is sent");
        let ended = tool.end().ok().says(&["2 packets captured, 0 lost"]);
        let rows = ended.rows();
        assert_eq!(rows.len(), 2, "{buffer}");
        for row in &rows {
            assert_eq!((&row["captured"], &row["length"]), (&20.into(), &142.into()), "{buffer}: {row}");
            let data = row["data"].as_str().expect("hex was asked for");
            let begin: String = h2.mac().iter().chain(&h1.mac()).map(|b| format!("{b:02x}")).collect();
            assert!(data.len() == 40 && data.starts_with(&format!("{begin}08004500")), "{data}");
            assert_eq!((&row["verdict"], &row["reason"]), (&"pass".into(), &"unclaimed".into()));
            assert_eq!(row["interface"], "to-h1");
            assert!(row["time"].is_f64() && row["queue"].is_u64(), "{row}");
        }
    }
    assert_clean(&lab);
}

#[test]
fn lines_read_like_tcpdumps() {
    let lab = lab("lines", Topology::Pair);
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    let server = tcp_echo_server(h2, 7100).expect("the port is free");
    let tool = Tool::start(h2, &["dump", "to-h1", "-e"], 1);
    everything(h1, h2, server.port());
    let udp = frames::udp4_from(h1.ipv4().octets(), h1, h2, PORT, b"tagged");
    let tagged = frames::tagged(&udp, &[(0x88a8, 7), (0x8100, 42)]);
    let v6 = frames::ipv6(h1, h2, 17, &[7; 64]);
    let later = frames::extended(&v6, &[(44, &frames::fragment(8, false))]);
    let mut broken = frames::ipv4(h1, h2, 253, &[7; 20]);
    broken[14] = 0x44;
    raw_send(h1, "to-h2", &[tagged, later, broken]).expect("it is sent");
    assert_eq!(ping(h1, h2.ipv4().into(), 1).expect("ping runs").received, 1);
    let text = tool.stop().ok().out;

    let (a4, b4, a6, b6) = (h1.ipv4(), h2.ipv4(), h1.ipv6(), h2.ipv6());
    let mac = |mac: [u8; 6]| mac.map(|b| format!("{b:02x}")).join(":");
    let macs = format!(" to-h1 {} > {}, ethertype ", mac(h1.mac()), mac(h2.mac()));
    for part in [
        format!("{macs}ipv4 (0x0800), length 98: IP {a4} > {b4}: ICMP echo request, id "),
        format!("{macs}ipv6 (0x86dd), length 118: IP6 {a6} > {b6}: ICMP6 echo request, id "),
        format!("IP {a4}."),
        format!(" > {b4}.7100: Flags [S], seq "),
        format!(" > {b6}.7100: Flags [S], seq "),
        format!(" > {b4}.7100: Flags [P.], seq "),
        format!(" > {b4}.{PORT}: UDP, length 7 [pass]"),
        format!("{macs}arp (0x0806), length 42: ARP, Request who-has {b4} tell {a4}, length 28 [pass]"),
        "IP 192.0.2.9.4000 > ".into(),
        format!("IP {a4}.1799 > {b4}.1799: sctp, length 40 [pass]"),
        format!("IP6 {a6} > {b6}: experiment1, length 40 [pass]"),
        format!("vlan 7, vlan 42, IP {a4}.4000 > {b4}.{PORT}: UDP, length 6 [pass]"),
        format!("IP6 {a6} > {b6}: udp fragment, later part, length 64 [pass]"),
        format!("{macs}ipv4 (0x0800), length 54: malformed: ipv4 header length, length 54 [pass]"),
    ] {
        assert!(text.contains(&part), "no `{part}` in:\n{text}");
    }
    let clock = text.split(' ').next().expect("a first word");
    assert!(clock.len() == 18 && clock.as_bytes()[8] == b'.', "nanoseconds: {clock}");
}

#[test]
fn hex_shows_the_whole_frame() {
    let lab = lab("hex", Topology::Pair);
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    let tool = Tool::start(h2, &["dump", "to-h1", "--proto", "udp", "-x", "-c", "1"], 1);
    let frame = frames::udp4_from(h1.ipv4().octets(), h1, h2, PORT, b"0123456789");
    raw_send(h1, "to-h2", &[&frame]).expect("it is sent");
    let text = tool.end().ok().out;
    let hex: String = text.lines().skip(1).flat_map(|line| line.split_whitespace().skip(1)).collect();
    assert_eq!(hex, frame.iter().map(|b| format!("{b:02x}")).collect::<String>(), "{text}");
    assert!(text.lines().nth(2).is_some_and(|line| line.starts_with("\t0x0010:  ")), "{text}");
}

/// Sent as fast as they go: each is either captured or counted as lost.
#[test]
fn a_flood_is_captured_or_accounted_for() {
    const FLOOD: usize = 20_000;
    let lab = lab("flood", Topology::Pair);
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    for (buffer, bytes, snaplen) in
        [("ring", 22, "0"), ("ring", 1458, "0"), ("ring", 1458, "96"), ("perf", 22, "0"), ("perf", 1458, "0")]
    {
        let args = ["dump", "to-h1", "--port", "7007", "-s", snaplen, "--json", "--buffer", buffer];
        let tool = Tool::start(h2, &args, 1);
        let payload = vec![0; bytes];
        udp_send(h1, h2.ipv4().into(), PORT, &payload, FLOOD).expect("it is sent");
        // What comes after the flood on the wire has come when it has.
        assert_eq!(ping(h1, h2.ipv4().into(), 1).expect("ping runs").received, 1);
        let ended = tool.stop().ok();
        let line = ended.err.lines().find(|line| line.contains("packets captured")).expect("a last word");
        let numbers: Vec<usize> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
        let [captured, lost] = numbers[..] else { panic!("two numbers in: {line}") };
        assert_eq!(ended.out.lines().count(), captured, "{buffer} {bytes}");
        assert_eq!(captured + lost, FLOOD, "{buffer} {bytes}: {line}");
        if buffer == "ring" && (bytes == 22 || snaplen == "96") {
            assert_eq!(lost, 0, "{buffer} {bytes} {snaplen}: small records have room");
        }
    }
}

/// Frames of several buffers: the native program is loaded for them.
#[test]
fn an_mtu_of_9000_is_captured_whole() {
    let lab = lab("jumbo", Topology::Pair);
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    ip(h1, "link set to-h2 mtu 9000");
    ip(h2, "link set to-h1 mtu 9000");
    let kinds: &[(&str, &str)] = if has_ring(h2) {
        &[("native", "ring"), ("native", "perf"), ("generic", "ring")]
    } else {
        // Frames of several buffers came with the same release.
        Tool::run(h2, &["dump", "to-h1", "--mode", "native"]).refused(4, &["MTU"]);
        &[("generic", "perf")]
    };
    for &(mode, buffer) in kinds {
        let args = [
            "dump", "to-h1", "--port", "7007", "-c", "1", "-x", "--json", "--mode", mode, "--buffer", buffer,
        ];
        let tool = Tool::start(h2, &args, 1);
        let payload: Vec<u8> = (0..8900_u32).map(|n| (n % 251) as u8).collect();
        udp_send(h1, h2.ipv4().into(), PORT, &payload, 1).expect("it is sent");
        let rows = tool.end().ok().rows();
        assert_eq!((&rows[0]["length"], &rows[0]["captured"]), (&8942.into(), &8942.into()), "{mode}");
        let data = rows[0]["data"].as_str().expect("hex was asked for");
        let sent: String = payload.iter().map(|b| format!("{b:02x}")).collect();
        assert!(data.ends_with(&sent), "{mode} {buffer}: every byte as it was sent");
    }
    assert_clean(&lab);
}

/// Two captures beside each other on two interfaces do not see each other's packets.
#[test]
fn several_interfaces_are_told_apart() {
    let lab = lab("ports", Topology::Router);
    let (h1, h2, r) = (lab.host("h1"), lab.host("h2"), lab.host("r"));
    let tool = Tool::start(r, &["dump", "to-h1", "to-h2", "--proto", "udp", "-c", "12", "--json"], 2);
    thread::scope(|scope| {
        scope.spawn(|| udp_send(h1, h2.ipv4().into(), PORT, b"x", 5).expect("it is sent"));
        scope.spawn(|| udp_send(h2, h1.ipv4().into(), PORT, b"x", 7).expect("it is sent"));
    });
    let rows = tool.end().ok().rows();
    let from = |interface: &str, host: &Host| {
        let source = host.ipv4().to_string();
        rows.iter().filter(|row| row["interface"] == interface && row["source"] == source).count()
    };
    assert_eq!((from("to-h1", h1), from("to-h2", h2), rows.len()), (5, 7, 12));
}
