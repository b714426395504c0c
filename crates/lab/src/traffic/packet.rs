//! Whole Ethernet frames in and out through AF_PACKET (packet(7)), for everything that ordinary
//! sockets would not send: tags, fragments, broken headers.

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::error::LabError;
use crate::host::Host;

/// Since 4.20; not in libc.
const PACKET_IGNORE_OUTGOING: libc::c_int = 23;
/// Frames on a lab's cables fit an MTU of 1500; GRO may have joined some before we see them.
const LONGEST: usize = 65_536 + 32;

/// Sends frames, Ethernet header first and without FCS, out of `interface`, as they are.
/// Returns how many were sent.
///
/// # Errors
/// When the interface is not there or is down, or a frame is longer than its MTU allows.
pub fn raw_send(host: &Host, interface: &str, frames: &[impl AsRef<[u8]> + Sync]) -> Result<usize, LabError> {
    let failed = failed(host, interface, "send a frame");
    let socket = open(host, interface)?.map_err(&failed)?;
    for frame in frames {
        let frame = frame.as_ref();
        loop {
            // SAFETY: the pointer and length are those of a slice that outlives the call.
            let sent = unsafe { libc::send(socket.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0) };
            match Errno::result(sent) {
                Ok(_) => break,
                // The send buffer empties by itself: try again.
                Err(Errno::EINTR | Errno::ENOBUFS) => std::thread::yield_now(),
                Err(errno) => return Err(failed(errno.into())),
            }
        }
    }
    Ok(frames.len())
}

/// Frames that arrive on an interface, from the moment this is made.
#[derive(Debug)]
pub struct PacketListener {
    socket: OwnedFd,
}

/// Listens on `interface`, to frames for any MAC address. Frames that the host itself sends are not
/// included.
///
/// # Errors
/// When the interface is not there.
pub fn raw_listen(host: &Host, interface: &str) -> Result<PacketListener, LabError> {
    let failed = failed(host, interface, "listen");
    let socket = open(host, interface)?.map_err(&failed)?;
    let promiscuous = libc::packet_mreq {
        mr_ifindex: index(host, interface)?.map_err(&failed)? as libc::c_int,
        mr_type: libc::PACKET_MR_PROMISC as libc::c_ushort,
        mr_alen: 0,
        mr_address: [0; 8],
    };
    set_option(&socket, libc::PACKET_ADD_MEMBERSHIP, &promiscuous).map_err(&failed)?;
    // The kernel takes the outer VLAN tag off and tells it beside the frame.
    set_option(&socket, libc::PACKET_AUXDATA, &1_i32).map_err(&failed)?;
    set_option(&socket, PACKET_IGNORE_OUTGOING, &1_i32).map_err(&failed)?;
    let _ = nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::RcvBufForce, &(32 << 20));
    Ok(PacketListener { socket })
}

impl PacketListener {
    /// The next frame as it was on the wire, VLAN tags in their place; None when `timeout` is over.
    pub fn next(&self, timeout: Duration) -> Option<Vec<u8>> {
        let deadline = Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            // Rounded up, so that less than a millisecond does not become a busy loop.
            let millis = PollTimeout::try_from(left + Duration::from_micros(999)).unwrap_or(PollTimeout::MAX);
            let mut ready = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
            match poll(&mut ready, millis) {
                Ok(0) => return None,
                Ok(_) => match receive(&self.socket) {
                    Ok(frame) => return Some(frame),
                    Err(Errno::EAGAIN | Errno::EINTR) => {}
                    Err(_) => return None,
                },
                Err(Errno::EINTR) => {}
                Err(_) => return None,
            }
        }
    }

    /// The first frame that `wanted` takes, among whatever else passes (neighbour discovery, …).
    pub fn find(&self, timeout: Duration, mut wanted: impl FnMut(&[u8]) -> bool) -> Option<Vec<u8>> {
        let deadline = Instant::now() + timeout;
        loop {
            let frame = self.next(deadline.saturating_duration_since(Instant::now()))?;
            if wanted(&frame) {
                return Some(frame);
            }
        }
    }
}

fn open(host: &Host, interface: &str) -> Result<io::Result<OwnedFd>, LabError> {
    host.run(|| {
        let all = (libc::ETH_P_ALL as u16).to_be();
        // SAFETY: takes three numbers, returns a descriptor or -1. Protocol 0: nothing is received
        // before bind has chosen the interface.
        let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
        let fd = Errno::result(fd)?;
        // SAFETY: a fresh descriptor that nothing else owns.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        let ifindex = nix::net::if_::if_nametoindex(interface)? as i32;
        // SAFETY: sockaddr_ll is plain data for which all zeroes is a valid value.
        let mut address: libc::sockaddr_ll = unsafe { zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = all;
        address.sll_ifindex = ifindex;
        let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        // SAFETY: the address is a whole sockaddr_ll and the length is its size.
        Errno::result(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) })?;
        Ok(socket)
    })
}

fn index(host: &Host, interface: &str) -> Result<io::Result<u32>, LabError> {
    host.run(|| Ok(nix::net::if_::if_nametoindex(interface)?))
}

fn set_option<T>(socket: &OwnedFd, option: libc::c_int, value: &T) -> io::Result<()> {
    let length = size_of::<T>() as libc::socklen_t;
    // SAFETY: the kernel reads `length` bytes, which is the size of what the pointer points to.
    let result = unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_PACKET, option, (&raw const *value).cast(), length)
    };
    Errno::result(result)?;
    Ok(())
}

fn receive(socket: &OwnedFd) -> Result<Vec<u8>, Errno> {
    let mut frame = vec![0_u8; LONGEST];
    // u64: control messages are aligned to the machine word.
    let mut control = [0_u64; 8];
    let mut part = libc::iovec { iov_base: frame.as_mut_ptr().cast(), iov_len: frame.len() };
    // SAFETY: msghdr is plain data for which all zeroes is a valid value.
    let mut message: libc::msghdr = unsafe { zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control) as _;
    // SAFETY: every pointer in `message` is to a live buffer of the length beside it.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT) };
    frame.truncate(Errno::result(length)? as usize);
    // SAFETY: recvmsg filled the header; the macros stay within msg_controllen.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    while !header.is_null() {
        // SAFETY: CMSG_FIRSTHDR and CMSG_NXTHDR give null or a whole header inside `control`.
        let (level, kind) = unsafe { ((*header).cmsg_level, (*header).cmsg_type) };
        if level == libc::SOL_PACKET && kind == libc::PACKET_AUXDATA {
            // SAFETY: the kernel put a tpacket_auxdata there; its alignment is not promised.
            let aux = unsafe { libc::CMSG_DATA(header).cast::<libc::tpacket_auxdata>().read_unaligned() };
            if aux.tp_status & libc::TP_STATUS_VLAN_VALID != 0 {
                put_tag_back(&mut frame, aux.tp_vlan_tpid, aux.tp_vlan_tci);
            }
        }
        // SAFETY: as above.
        header = unsafe { libc::CMSG_NXTHDR(&raw const message, header) };
    }
    Ok(frame)
}

/// After the two MAC addresses, where IEEE 802.1Q has it.
fn put_tag_back(frame: &mut Vec<u8>, tpid: u16, tci: u16) {
    if frame.len() >= 12 {
        let tag = [tpid.to_be_bytes(), tci.to_be_bytes()].concat();
        frame.splice(12..12, tag);
    }
}

fn failed<'a>(
    host: &'a Host,
    interface: &'a str,
    action: &'static str,
) -> impl Fn(io::Error) -> LabError + use<'a> {
    move |source| LabError::Packet { action, host: host.name().into(), interface: interface.into(), source }
}
