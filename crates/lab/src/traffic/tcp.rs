//! TCP with real bytes: an echo server in one host, and an exchange that compares every byte.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, poll};
use serde::Serialize;

use crate::error::LabError;
use crate::host::Host;

/// How long a connection of the server may be silent.
const IDLE: Duration = Duration::from_secs(10);

/// Echoes every connection on one port, IPv4 and IPv6; ends when dropped.
#[derive(Debug)]
pub struct EchoServer {
    port: u16,
    stop: Arc<AtomicBool>,
    bytes: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

/// Starts an echo server in `host`; port 0 lets the kernel choose.
///
/// # Errors
/// When the port cannot be bound.
pub fn tcp_echo_server(host: &Host, port: u16) -> Result<EchoServer, LabError> {
    let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    let failed = |source| LabError::Traffic { action: "listen", host: host.name().into(), peer: any, source };
    // Made inside the namespace; accepted connections belong to it too, on whatever thread.
    let listener = host.run(|| TcpListener::bind(any))?.map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let port = listener.local_addr().map_err(failed)?.port();
    let (stop, bytes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let thread = thread::spawn({
        let (stop, bytes) = (Arc::clone(&stop), Arc::clone(&bytes));
        move || serve(&listener, &stop, &bytes)
    });
    Ok(EchoServer { port, stop, bytes, thread: Some(thread) })
}

impl EchoServer {
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Bytes received so far, on all connections.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

impl Drop for EchoServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(listener: &TcpListener, stop: &AtomicBool, bytes: &Arc<AtomicU64>) {
    while !stop.load(Ordering::Relaxed) {
        let mut ready = [PollFd::new(std::os::fd::AsFd::as_fd(listener), PollFlags::POLLIN)];
        if poll(&mut ready, 50_u8).is_ok_and(|n| n == 0) {
            continue;
        }
        if let Ok((stream, _)) = listener.accept() {
            let bytes = Arc::clone(bytes);
            thread::spawn(move || echo(stream, &bytes));
        }
    }
}

/// Until the client closes or goes silent. A broken connection shows at the client.
fn echo(mut stream: TcpStream, bytes: &AtomicU64) -> Option<()> {
    stream.set_nonblocking(false).ok()?;
    stream.set_read_timeout(Some(IDLE)).ok()?;
    stream.set_write_timeout(Some(IDLE)).ok()?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let n = stream.read(&mut buffer).ok().filter(|n| *n > 0)?;
        bytes.fetch_add(n as u64, Ordering::Relaxed);
        stream.write_all(&buffer[..n]).ok()?;
    }
}

/// A finished exchange: that many bytes arrived at the server and came back unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TcpReport {
    pub bytes: usize,
    #[serde(skip)]
    pub took: Duration,
}

/// Sends `bytes` pseudo-random bytes from `from` to an echo server and compares what comes back.
///
/// # Errors
/// No connection, no progress or not all bytes back within `timeout`, or other bytes than those sent.
pub fn tcp_exchange(
    from: &Host,
    server: (IpAddr, u16),
    bytes: usize,
    timeout: Duration,
) -> Result<TcpReport, LabError> {
    let (started, peer) = (Instant::now(), SocketAddr::from(server));
    let failed = |action| move |source| LabError::Traffic { action, host: from.name().into(), peer, source };
    let stream = from.run(|| TcpStream::connect_timeout(&peer, timeout))?.map_err(failed("connect"))?;
    stream.set_write_timeout(Some(timeout)).map_err(failed("connect"))?;
    let sent = pattern(bytes);
    // Sending and receiving go on together: the server stops reading while its answers pile up.
    let (written, received) = thread::scope(|scope| {
        let writer =
            scope.spawn(|| (&stream).write_all(&sent).and_then(|()| stream.shutdown(Shutdown::Write)));
        let received = read_all(&stream, bytes, started + timeout);
        if received.is_err() {
            // Frees a writer that waits for a peer which has gone silent.
            let _ = stream.shutdown(Shutdown::Both);
        }
        (writer.join(), received)
    });
    let received = received.map_err(failed("receive the echo of what was sent"))?;
    written.unwrap_or_else(|panic| std::panic::resume_unwind(panic)).map_err(failed("send"))?;
    if let Some(offset) = (0..bytes).find(|i| sent[*i] != received[*i]) {
        return Err(LabError::Corrupted { host: from.name().into(), peer, offset });
    }
    Ok(TcpReport { bytes, took: started.elapsed() })
}

fn read_all(mut stream: &TcpStream, bytes: usize, deadline: Instant) -> io::Result<Vec<u8>> {
    let mut received = vec![0; bytes];
    let mut filled = 0;
    while filled < bytes {
        let left = deadline.saturating_duration_since(Instant::now());
        let late = || {
            let text = format!("{filled} of {bytes} bytes were back at the deadline");
            io::Error::new(io::ErrorKind::TimedOut, text)
        };
        if left.is_zero() {
            return Err(late());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut received[filled..]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Err(late()),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(received)
}

/// Bytes without a short period (xorshift64), so that lost or repeated segments show.
fn pattern(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..bytes).map(|_| next()).collect()
}
