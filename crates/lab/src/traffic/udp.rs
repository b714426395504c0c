//! UDP datagrams and a sink that counts them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use crate::error::LabError;
use crate::host::Host;

/// Sends `n` datagrams to `to` and `dport`, as fast as they go.
///
/// # Errors
/// When the kernel refuses one (no route, …). That it was sent does not mean that it arrived.
pub fn udp_send(from: &Host, to: IpAddr, dport: u16, payload: &[u8], n: usize) -> Result<(), LabError> {
    let peer = SocketAddr::from((to, dport));
    let any = match to {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let send = || -> io::Result<()> {
        // Not connected: a closed port answers with an ICMP error, which would then fail a later
        // send instead of being none of a sender's business.
        let socket = UdpSocket::bind((any, 0))?;
        for _ in 0..n {
            socket.send_to(payload, peer)?;
        }
        Ok(())
    };
    let failed = |source| LabError::Traffic { action: "send UDP", host: from.name().into(), peer, source };
    from.run(send)?.map_err(failed)
}

/// Counts datagrams on one port, IPv4 and IPv6. They wait in the socket's buffer until one of its
/// methods is called.
#[derive(Debug)]
pub struct UdpSink {
    socket: UdpSocket,
    count: usize,
    bytes: usize,
    last: Vec<u8>,
}

/// Opens a sink in `host`; port 0 lets the kernel choose.
///
/// # Errors
/// When the port cannot be bound.
pub fn udp_sink(host: &Host, port: u16) -> Result<UdpSink, LabError> {
    let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    let socket = host.run(|| UdpSocket::bind(any))?.map_err(|source| LabError::Traffic {
        action: "receive UDP",
        host: host.name().into(),
        peer: any,
        source,
    })?;
    // Room for bursts: a test that sends first and counts afterwards must not lose any here. Small
    // datagrams count with their whole buffers, about 1 KB each.
    let _ = nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::RcvBufForce, &(32 << 20));
    Ok(UdpSink { socket, count: 0, bytes: 0, last: Vec::new() })
}

impl UdpSink {
    pub fn port(&self) -> u16 {
        self.socket.local_addr().map_or(0, |a| a.port())
    }

    /// Datagrams received so far, without waiting.
    pub fn count(&mut self) -> usize {
        self.wait_for(usize::MAX, Duration::ZERO)
    }

    /// Payload bytes of the datagrams counted so far.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The payload of the last datagram counted.
    pub fn last(&self) -> &[u8] {
        &self.last
    }

    /// Waits until `n` datagrams in total have come or `timeout` is over; returns the total.
    pub fn wait_for(&mut self, n: usize, timeout: Duration) -> usize {
        let deadline = Instant::now() + timeout;
        let mut buffer = vec![0; 65_536];
        while self.count < n {
            let left = deadline.saturating_duration_since(Instant::now());
            let ready = if left.is_zero() {
                self.socket.set_nonblocking(true)
            } else {
                self.socket.set_nonblocking(false).and_then(|()| self.socket.set_read_timeout(Some(left)))
            };
            match ready.and_then(|()| self.socket.recv(&mut buffer)) {
                Ok(length) => {
                    self.count += 1;
                    self.bytes += length;
                    self.last = buffer[..length].to_vec();
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        self.count
    }
}
