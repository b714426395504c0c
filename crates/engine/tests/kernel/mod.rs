//! The data path in the kernel, one frame at a time, and the namespaces it wants.

#![allow(dead_code, reason = "every test file is a crate of its own and uses a part of this")]

pub mod filtering;
pub mod ruling;

use std::{
    collections::BTreeMap,
    io::Write as _,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use abi::{Action, Reason, Stage};
use capture::{filter::FilterValues, record::Packet, shared::RecordHeader};
use counter::{
    rows::{self, Snapshot},
    shared::{Count, ETHERTYPES, slot},
};
use engine::{
    Attachment, Mode, Pipeline, PipelineBuilder, RecordReader, Records as _, TestRun,
    probe::{Answer, Operation, operation},
};
use nix::sched::{CloneFlags, unshare};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use redirect::shared::mode;
use testkit::world::{World, words};

/// The same frames in every run, so that what failed once fails again; proptest shrinks and prints the frame.
pub const SEED: [u8; 32] = *b"senko: the kernel and the host. ";

pub fn runner(cases: u32) -> TestRunner {
    let config =
        Config { cases: testkit::guest::cases(cases), failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &SEED))
}

/// Verdict and bytes of one run as if loopback had received the frame.
pub fn run(pipeline: &Pipeline, frame: &[u8]) -> (Action, Vec<u8>) {
    let run = pipeline.program().test_run(frame, 1).expect("test run");
    (Action::from_code(run.action).expect("an XDP action"), run.frame)
}

pub fn counter(icmp_types: bool) -> Pipeline {
    PipelineBuilder::new(&[Stage::Counter])
        .global("COUNTER_ICMP_TYPES", u8::from(icmp_types))
        .load()
        .expect("the counter loads")
}

/// The counters as `senko count` reads them.
pub fn counts(pipeline: &Pipeline) -> Snapshot {
    let counts = pipeline.map("COUNTS").expect("a map");
    let slots = slot::range(0).map(|slot| (slot, counts.get_per_cpu::<u32, Count>(&slot).expect("a slot")));
    let ethertypes = pipeline.map("ETHERTYPE_COUNTS").expect("a map");
    assert_eq!(ethertypes.spec().max_entries, ETHERTYPES);
    let keys = ethertypes.keys::<u32>().expect("keys");
    let others = keys.into_iter().map(|key| (key, ethertypes.get_per_cpu(&key).expect("a key")));
    rows::snapshot(0, slots, others)
}

/// What was counted between two moments.
pub fn difference(now: &Snapshot, before: &Snapshot) -> Snapshot {
    let earlier = |subject| before.get(subject).copied().unwrap_or(Count::ZERO);
    now.iter()
        .map(|(subject, count)| {
            let earlier = earlier(subject);
            let packets = count.packets - earlier.packets;
            (*subject, Count { packets, bytes: count.bytes - earlier.bytes })
        })
        .filter(|(_, count)| count.packets != 0)
        .collect()
}

/// A pipeline that captures, and the reader of its records.
pub struct Capturing {
    pub pipeline: Pipeline,
    reader: RecordReader,
}

impl Capturing {
    pub fn load(builder: PipelineBuilder, filter: &FilterValues, snaplen: u32) -> Self {
        let pipeline = builder
            .global("CAPTURE_SNAPLEN", snaplen)
            .global("CAPTURE_FILTER", filter.parts)
            .global("CAPTURE_PROTOCOL", filter.protocol)
            .global("CAPTURE_PORT", filter.port)
            .global("CAPTURE_IP_VERSION", filter.ip_version)
            .global("CAPTURE_ETHERTYPE", filter.ethertype)
            .global("CAPTURE_HOST0", filter.host[0])
            .global("CAPTURE_HOST1", filter.host[1])
            .global("CAPTURE_HOST2", filter.host[2])
            .global("CAPTURE_HOST3", filter.host[3])
            .load()
            .unwrap_or_else(|error| panic!("{filter:?}: {}", why(error)));
        let reader = pipeline.records().expect("a buffer");
        Self { pipeline, reader }
    }

    /// The records that lie in the buffer.
    pub fn records(&mut self) -> Vec<(RecordHeader, Vec<u8>)> {
        let mut records = Vec::new();
        self.reader.drain(&mut |record| {
            let packet = Packet::from_record(record).expect("a whole record");
            records.push((packet.header, packet.bytes.to_vec()));
        });
        records
    }
}

/// An error of loading, with the end of what the verifier said.
fn why(error: engine::Error) -> String {
    match error {
        engine::Error::ProgramLoad { source, log, .. } => {
            let lines: Vec<&str> = log.lines().collect();
            format!("{source}\n{}", lines[lines.len().saturating_sub(30)..].join("\n"))
        }
        other => other.to_string(),
    }
}

/// Runs `test` on a thread in a network namespace of its own, which vanishes with it.
pub fn in_namespace<T: Send>(test: impl FnOnce() -> T + Send) -> T {
    let result = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace: run this test as root");
            test()
        });
        thread.join()
    });
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// A world made of veth pairs, routes and neighbours in this thread's namespace, and the reflecting pipeline.
pub struct Reflecting {
    pub world: World,
    pub pipeline: Pipeline,
    attachment: Attachment,
}

impl Reflecting {
    /// `builder` has the redirect stage on.
    pub fn build(mut world: World, builder: PipelineBuilder) -> Self {
        lay_out(&mut world);
        let pipeline = builder.global("REDIRECT_MODE", mode::REFLECT).load();
        let pipeline = pipeline.unwrap_or_else(|error| panic!("reflect: {}", why(error)));
        let local = pipeline.map("LOCAL").expect("a map");
        for address in world.local() {
            local.set(&words(address), &1_u32).expect("room");
        }
        let ports = pipeline.map("REFLECT_PORTS").expect("a map");
        for port in world.port.iter().filter(|port| port.served) {
            // `struct bpf_devmap_val`: ifindex, and no program.
            let mut value = vec![0; ports.spec().value_size as usize];
            value[..4].copy_from_slice(&port.ifindex.to_ne_bytes());
            ports.set_raw(&port.ifindex.to_ne_bytes(), &value).expect("room");
        }
        // A veth has XDP queues only while it has a program. It is not ours, or what the peers' stacks send by themselves
        // (listener reports) would be counted, too.
        let idle = PipelineBuilder::new(&[]).load().expect("a program that passes");
        let attachment = idle.attach("port0", Mode::Native).expect("veth takes XDP");
        Self { world, pipeline, attachment }
    }

    /// Whether this kernel runs a program as if port 0 had received the frame. One that does not says so.
    pub fn can_be_asked(&self) -> bool {
        let run = self.pipeline.program().test_run_on(&[0; 64], self.attachment.ifindex, 1);
        let answer = operation(Operation::TestRunOn);
        assert_eq!(run.is_ok(), answer == Answer::Yes, "{run:?}");
        run.is_ok()
    }

    /// Verdict, reason and bytes for a frame that port 0 receives.
    pub fn judge(&self, frame: &[u8]) -> (Action, Reason, Vec<u8>) {
        let ifindex = self.attachment.ifindex;
        let run = || self.pipeline.program().test_run_on(frame, ifindex, 1).expect("test run");
        judged(&self.pipeline, run)
    }
}

/// Verdict, reason and bytes of one run.
pub fn judged(pipeline: &Pipeline, run: impl FnOnce() -> TestRun) -> (Action, Reason, Vec<u8>) {
    let before = packets(pipeline);
    let run = run();
    let after = packets(pipeline);
    let counted: Vec<Reason> = after.iter().filter(|(r, n)| before[r] != **n).map(|(r, _)| *r).collect();
    assert_eq!(counted.len(), 1, "a frame has one reason: {counted:?}");
    (Action::from_code(run.action).expect("an XDP action"), counted[0], run.frame)
}

fn packets(pipeline: &Pipeline) -> BTreeMap<Reason, u64> {
    let reasons = pipeline.reasons().expect("a map");
    reasons.into_iter().map(|(reason, judged)| (reason, judged.packets)).collect()
}

/// Makes the ports `port0`, `port1`, … and notes their indexes.
fn lay_out(world: &mut World) {
    let mut batch = String::from("link set lo up\n");
    for (n, port) in world.port.iter().enumerate() {
        batch += &format!("link add port{n} address {} type veth peer name peer{n}\n", port.mac);
        batch += &format!("link set peer{n} up\nlink set port{n} up\n");
        for address in &port.addresses {
            let nodad = if address.contains(':') { " nodad" } else { "" };
            batch += &format!("address add {address} dev port{n}{nodad}\n");
        }
        for (address, mac) in &port.neighbours {
            batch += &format!("neighbour add {address} lladdr {mac} dev port{n} nud permanent\n");
        }
    }
    ip_batch(&batch);
    let forwarding = if world.forwarding { "1" } else { "0" };
    for path in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
        std::fs::write(format!("/proc/sys/net/{path}"), forwarding).expect("a sysctl");
    }
    for (n, port) in world.port.iter_mut().enumerate() {
        port.ifindex = engine::ifindex(&format!("port{n}")).expect("just made");
    }
    wait_for_routes(world);
}

fn ip_batch(batch: &str) {
    let mut child = Command::new("ip")
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("iproute2: apt-get install iproute2");
    child.stdin.take().expect("piped").write_all(batch.as_bytes()).expect("ip reads its input");
    let status = child.wait().expect("ip ends");
    assert!(status.success(), "ip refused a line of\n{batch}");
}

/// IPv6 routes of a network appear when the kernel has noticed the carrier.
fn wait_for_routes(world: &World) {
    let deadline = Instant::now() + testkit::guest::patience(10);
    let addresses = || world.port.iter().flat_map(|port| port.neighbours.keys());
    let reachable = |address: &std::net::IpAddr| {
        let output =
            Command::new("ip").args(["route", "get", &address.to_string()]).output().expect("ip runs");
        String::from_utf8_lossy(&output.stdout).contains("dev port")
    };
    while !addresses().all(reachable) {
        assert!(Instant::now() < deadline, "no route to all of {:?}", addresses().collect::<Vec<_>>());
        std::thread::sleep(Duration::from_millis(5));
    }
}
