//! Numbered datagrams of three sources without a pause, and an account of which of them arrived.

use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use lab::Host;
use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};

use testkit::guest::pace;

use crate::{
    fixture::Gateway,
    support::{ip, patience},
};

/// Rounds of three datagrams that are sent before the sender looks whether they came. Twice as many fit a veth's ring of 256
/// frames, so that the cable loses nothing.
const BATCH: u64 = 40;

/// Between two batches: 100 000 packets a second, and 5000 in a guest.
const PACE: Duration = Duration::from_micros(1200);

/// Sends rounds of `[rule, set, always]`, in this order, until it is ended.
pub struct Stream {
    stop: Arc<AtomicBool>,
    seen: Arc<AtomicU64>,
    sender: JoinHandle<(u64, Duration)>,
    receiver: JoinHandle<Vec<[bool; 3]>>,
}

/// What came of every round.
pub struct Account {
    pub rounds: Vec<[bool; 3]>,
    pub took: Duration,
}

impl Stream {
    /// From three addresses that `h1` gets. The last one's packets must always come through.
    pub fn start(gateway: &Gateway, sources: [&str; 3]) -> Self {
        let (from, to) = (gateway.peer(), gateway.host());
        let sink =
            to.run(|| UdpSocket::bind("[::]:0")).expect("the namespace is there").expect("a port is free");
        let _ = nix::sys::socket::setsockopt(&sink, nix::sys::socket::sockopt::RcvBufForce, &(8 << 20));
        sink.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
        let port = sink.local_addr().expect("it is bound").port();
        let sockets = sources.map(|source| socket(from, source, to, port));
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let receiver = thread::spawn({
            let (stop, seen) = (Arc::clone(&stop), Arc::clone(&seen));
            move || receive(&sink, &stop, &seen)
        });
        let sender = thread::spawn({
            let stop = Arc::clone(&stop);
            let seen = Arc::clone(&seen);
            move || send(&sockets, &stop, &seen)
        });
        Self { stop, seen, sender, receiver }
    }

    /// Rounds that are through.
    pub fn rounds(&self) -> u64 {
        self.seen.load(Ordering::SeqCst)
    }

    #[track_caller]
    pub fn end(self) -> Account {
        self.stop.store(true, Ordering::SeqCst);
        let (sent, took) = self.sender.join().expect("the packets that always pass arrive");
        let mut rounds = self.receiver.join().expect("it receives");
        rounds.resize(sent as usize, [false; 3]);
        Account { rounds, took }
    }
}

impl Account {
    pub fn lost(&self) -> usize {
        self.rounds.iter().filter(|round| !round[2]).count()
    }

    pub fn packets_per_second(&self) -> f64 {
        self.rounds.len() as f64 * 3.0 / self.took.as_secs_f64()
    }
}

fn socket(from: &Host, source: &str, to: &Host, port: u16) -> UdpSocket {
    let source: IpAddr = source.parse().expect("an address");
    let (length, target): (u8, IpAddr) = match source {
        IpAddr::V4(_) => (32, to.ipv4().into()),
        IpAddr::V6(_) => (128, to.ipv6().into()),
    };
    let flags = if source.is_ipv6() { " nodad" } else { "" };
    ip(from, &format!("addr add {source}/{length} dev lo{flags}"));
    let socket =
        from.run(|| UdpSocket::bind((source, 0))).expect("the namespace is there").expect("its address");
    socket.connect(SocketAddr::from((target, port))).expect("there is a route");
    socket
}

fn send(sockets: &[UdpSocket; 3], stop: &AtomicBool, seen: &AtomicU64) -> (u64, Duration) {
    // Generic mode queues by CPU: on one, order is kept.
    let mut cpu = CpuSet::new();
    cpu.set(0).expect("there is a first one");
    sched_setaffinity(Pid::from_raw(0), &cpu).expect("we may");
    let (begun, mut round) = (Instant::now(), 0_u64);
    while !stop.load(Ordering::SeqCst) {
        for _ in 0..BATCH {
            for (which, socket) in sockets.iter().enumerate() {
                let [a, b, c, d, e, f, g, h] = round.to_be_bytes();
                socket.send(&[a, b, c, d, e, f, g, h, which as u8]).expect("it is sent");
            }
            round += 1;
        }
        // The rest of the time is for those who work.
        thread::sleep(
            (begun + pace(PACE) * (round / BATCH) as u32).saturating_duration_since(Instant::now()),
        );
        let deadline = Instant::now() + patience();
        while seen.load(Ordering::SeqCst) + BATCH < round {
            assert!(
                Instant::now() < deadline,
                "round {} of the packets that always pass is lost",
                seen.load(Ordering::SeqCst)
            );
            thread::yield_now();
        }
    }
    let deadline = Instant::now() + patience();
    while seen.load(Ordering::SeqCst) < round && Instant::now() < deadline {
        thread::yield_now();
    }
    (round, begun.elapsed())
}

/// `seen` becomes the number of rounds whose last packet is here.
fn receive(sink: &UdpSocket, stop: &AtomicBool, seen: &AtomicU64) -> Vec<[bool; 3]> {
    let (mut rounds, mut buffer) = (Vec::new(), [0; 9]);
    loop {
        let Ok(length) = sink.recv(&mut buffer) else {
            // Nothing came for a while.
            if stop.load(Ordering::SeqCst) {
                return rounds;
            }
            continue;
        };
        assert_eq!(length, buffer.len(), "only ours come here");
        let [number @ .., which] = buffer;
        let round = u64::from_be_bytes(number) as usize;
        if rounds.len() <= round {
            rounds.resize(round + 1, [false; 3]);
        }
        rounds[round][usize::from(which)] = true;
        if which == 2 {
            seen.store(round as u64 + 1, Ordering::SeqCst);
        }
    }
}
