//! `senko dump -w`: files that other programs read, and that are whole whatever happens. Needs root.

mod support;

use std::{
    fs::{self, File},
    io::Read,
    path::Path,
    process::Command,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use lab::{Topology, ping, udp_send};
use pcap_file::pcapng::{Block, PcapNgReader, blocks::enhanced_packet::EnhancedPacketBlock};
use support::{Scratch, Tool, assert_clean, inside, lab};

const PORT: u16 = 7007;

/// All packets of a file, by an implementation that is not ours, and the interfaces' names.
fn read(reader: impl Read) -> (Vec<EnhancedPacketBlock<'static>>, Vec<String>) {
    let mut reader = PcapNgReader::new(reader).expect("a section header");
    let mut packets = Vec::new();
    while let Some(block) = reader.next_block() {
        if let Block::EnhancedPacket(packet) = block.expect("a well-formed block") {
            packets.push(packet.into_owned());
        }
    }
    let names = reader.interfaces().iter().map(|interface| format!("{:?}", interface.options)).collect();
    (packets, names)
}

/// Lines of `tcpdump -r`; it must read the file to its end without complaint.
fn tcpdump(path: &Path) -> Vec<String> {
    let output =
        Command::new("tcpdump").args(["-nn", "-r"]).arg(path).output().expect("tcpdump is installed");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && !errors.contains("truncated"), "{errors}");
    String::from_utf8_lossy(&output.stdout).lines().map(Into::into).collect()
}

#[test]
fn a_file_of_two_interfaces_is_read_by_others() {
    let lab = lab("file", Topology::Router);
    let (h1, h2, r) = (lab.host("h1"), lab.host("h2"), lab.host("r"));
    let scratch = Scratch::new("file");
    let path = scratch.file("both.pcapng");
    let before = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let tool = Tool::start(r, &["dump", "to-h1", "to-h2", "-w", &path, "--port", "7007"], 2);
    udp_send(h1, h2.ipv4().into(), PORT, b"from the one side", 5).expect("it is sent");
    udp_send(h2, h1.ipv6().into(), PORT, b"from the other", 4).expect("it is sent");
    // A file is whole while it is written, too.
    support::wait_until("nine packets are in the file", || {
        fs::metadata(&path).is_ok_and(|file| file.len() > 0)
            && read(File::open(&path).expect("it is there")).0.len() == 9
    });
    let ended = tool.stop().ok().says(&["9 packets captured, 0 lost"]);
    let after = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    assert!(ended.out.is_empty(), "{ended:?}");

    let (packets, names) = read(File::open(&path).expect("the file is there"));
    assert!(names.len() == 2 && names[0].contains("to-h1") && names[1].contains("to-h2"), "{names:?}");
    for interface in [0, 1] {
        let of: Vec<_> = packets.iter().filter(|packet| packet.interface_id == interface).collect();
        let (count, payload): (_, &[u8]) =
            if interface == 0 { (5, b"from the one side") } else { (4, b"from the other") };
        assert_eq!(of.len(), count);
        for packet in of {
            assert!(packet.data.ends_with(payload), "{packet:?}");
            assert_eq!(packet.original_len as usize, packet.data.len());
            let options = format!("{:?}", packet.options);
            assert!(options.contains("senko: pass (unclaimed)"), "{options}");
        }
    }
    // pcap-file leaves the unit to its caller: nanoseconds.
    let times: Vec<Duration> =
        packets.iter().map(|packet| Duration::from_nanos(packet.timestamp.as_nanos() as u64)).collect();
    assert!(times.iter().all(|time| *time >= before && *time <= after), "{before:?} {times:?} {after:?}");
    assert!(
        times.iter().any(|time| time.subsec_nanos() % 1000 != 0),
        "nanoseconds, not microseconds: {times:?}"
    );
    let lines = tcpdump(Path::new(&path));
    assert_eq!(lines.len(), 9, "{lines:?}");
    let told = format!("IP {}.", h1.ipv4());
    // tcpdump takes the port for one of AFS, so only the addresses are compared.
    assert_eq!(lines.iter().filter(|line| line.contains(&told)).count(), 5, "{lines:?}");
    assert_clean(&lab);
}

#[test]
fn a_pipe_takes_the_file_too() {
    let lab = lab("pipe", Topology::Pair);
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    let mut dump = support::senko(h2, &["dump", "to-h1", "-w", "-", "-c", "3", "--port", "7007"]);
    let mut dump = dump
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("it starts");
    let stdout = dump.stdout.take().expect("a pipe was asked for");
    let packets = thread::spawn(move || read(stdout).0);
    support::wait_until("it is attached", || !support::programs(h2, "to-h1").is_empty());
    udp_send(h1, h2.ipv4().into(), PORT, b"through a pipe", 3).expect("it is sent");
    let packets = packets.join().expect("a sound stream");
    assert_eq!(dump.wait().expect("our child").code(), Some(0));
    assert_eq!(packets.len(), 3);
    assert!(packets.iter().all(|packet| packet.data.ends_with(b"through a pipe")));
}

#[test]
fn a_snaplen_of_20_is_in_the_file() {
    let lab = lab("short", Topology::Pair);
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    let scratch = Scratch::new("short");
    let path = scratch.file("short.pcapng");
    let tool = Tool::start(h2, &["dump", "to-h1", "-w", &path, "-s", "20", "-c", "1", "--proto", "udp"], 1);
    udp_send(h1, h2.ipv4().into(), PORT, &[1; 100], 1).expect("it is sent");
    tool.end().ok();
    let (packets, _) = read(File::open(&path).expect("the file is there"));
    assert_eq!((packets[0].data.len(), packets[0].original_len), (20, 142));
    assert_eq!(tcpdump(Path::new(&path)).len(), 1);
}

/// The disk fills in the middle of a block; the file ends with the last whole one.
#[test]
fn a_full_disk_is_said_and_the_file_stays_readable() {
    let lab = lab("full", Topology::Pair);
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    let disk = Scratch::small("full", 64 * 1024);
    let path = disk.file("full.pcapng");
    let tool = Tool::start(h2, &["dump", "to-h1", "-w", &path, "--port", "7007"], 1);
    udp_send(h1, h2.ipv4().into(), PORT, &[0x33; 1333], 200).expect("it is sent");
    let ended = tool.end();
    assert!(!ended.err.contains("panicked"), "{ended:?}");
    ended.code(1).says(&[&path, "disk is full", "free some space"]);
    let length = fs::metadata(&path).expect("the file is there").len();
    let (packets, _) = read(File::open(&path).expect("the file is there"));
    assert!(packets.len() > 30 && length > 50_000, "{} packets in {length} bytes", packets.len());
    assert!(packets.iter().all(|packet| packet.data.ends_with(&[0x33; 1333])));
    assert_eq!(tcpdump(Path::new(&path)).len(), packets.len());
    assert_clean(&lab);

    // No room for anything at all.
    let other = disk.file("other.pcapng");
    let tool = Tool::spawn(&mut support::senko(h2, &["dump", "to-h1", "-w", &other, "--duration", "5s"]));
    fs::write(disk.path().join("filler"), vec![0; 64 * 1024]).expect_err("the disk is full");
    assert_eq!(ping(h1, h2.ipv4().into(), 1).expect("ping runs").received, 1);
    tool.end().code(1).says(&[&other, "disk is full"]);
    assert_clean(&lab);
}

/// A call that fails before it captures anything must not cost an older capture.
#[test]
fn an_older_capture_survives_a_failed_call() {
    let lab = lab("older", Topology::Pair);
    let (h1, h2) = (lab.host("h1"), lab.host("h2"));
    let scratch = Scratch::new("older");
    let old = scratch.write("old.pcapng", "an older capture");
    let new = scratch.file("new.pcapng");
    for path in [&old, &new] {
        Tool::run(h2, &["dump", "nope", "-w", path]).refused(1, &["`nope`"]);
    }
    assert_eq!(fs::read(&old).expect("it is there"), b"an older capture");
    assert!(!Path::new(&new).exists(), "no empty file is left");
    let missing = scratch.file("no/such/folder.pcapng");
    Tool::run(h2, &["dump", "to-h1", "-w", &missing]).refused(1, &[&missing, "-w"]);

    // A call that works replaces it, even by a shorter one.
    fs::write(&old, vec![b'x'; 100_000]).expect("there is room");
    let tool = Tool::start(h2, &["dump", "to-h1", "-w", &old, "-c", "1", "--proto", "udp"], 1);
    udp_send(h1, h2.ipv4().into(), PORT, b"new", 1).expect("it is sent");
    tool.end().ok();
    assert_eq!(tcpdump(Path::new(&old)).len(), 1);

    // No packet at all: still a file, with nothing in it.
    Tool::run(h2, &["dump", "to-h1", "-w", &new, "--proto", "sctp", "--duration", "100ms"]).ok();
    assert_eq!(tcpdump(Path::new(&new)).len(), 0);
    assert!(inside(h2, "ip", &["-j", "link", "show", "dev", "to-h1"]).contains("to-h1"));
    assert_clean(&lab);
}
