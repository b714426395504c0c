//! Attaching over netlink (`RTM_SETLINK` with `IFLA_XDP`), the way `ip link set … xdp` does it. senko needs it to take
//! over or remove what others attached so, and because this way alone carries the kernel's words of refusal.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

const RTM_SETLINK: u16 = 19;
const NLMSG_ERROR: u16 = 2;
pub(super) const NLM_F_REQUEST_ACK: u16 = 1 | 4;
const NLM_F_ACK_TLVS: u16 = 0x200;
const NLMSGERR_ATTR_MSG: u16 = 1;
const IFLA_XDP: u16 = 43 | 0x8000;
const IFLA_XDP_FD: u16 = 1;
const IFLA_XDP_FLAGS: u16 = 3;
const IFLA_XDP_EXPECTED_FD: u16 = 8;
pub(super) const HEADER: usize = 16;
const IFINFOMSG: usize = 16;

/// `XDP_FLAGS_UPDATE_IF_NOEXIST`: fail when there is a program.
pub const IF_NONE: u32 = 1;
/// `XDP_FLAGS_REPLACE`: fail unless the expected program is there.
const REPLACE: u32 = 1 << 4;

/// The kernel's refusal, with its own words when it has some.
#[derive(Debug)]
pub struct Refused {
    pub source: io::Error,
    pub words: Option<String>,
}

impl From<io::Error> for Refused {
    fn from(source: io::Error) -> Self {
        Self { source, words: None }
    }
}

/// Sets (`Some`) or removes (`None`) the program of an interface, if `expected` is the one that is there.
pub fn set_xdp(
    ifindex: u32,
    mode_flags: u32,
    program: Option<BorrowedFd<'_>>,
    expected: Option<BorrowedFd<'_>>,
) -> Result<(), Refused> {
    let fd = program.map_or(-1, |fd| fd.as_raw_fd());
    let flags = mode_flags | if expected.is_some() { REPLACE } else { 0 };
    let mut nest = Vec::new();
    attribute(&mut nest, IFLA_XDP_FD, &fd.to_ne_bytes());
    attribute(&mut nest, IFLA_XDP_FLAGS, &flags.to_ne_bytes());
    if let Some(expected) = expected {
        attribute(&mut nest, IFLA_XDP_EXPECTED_FD, &expected.as_raw_fd().to_ne_bytes());
    }
    let mut message = vec![0; HEADER + IFINFOMSG];
    attribute(&mut message, IFLA_XDP, &nest);
    let length = message.len() as u32;
    message[0..4].copy_from_slice(&length.to_ne_bytes());
    message[4..6].copy_from_slice(&RTM_SETLINK.to_ne_bytes());
    message[6..8].copy_from_slice(&NLM_F_REQUEST_ACK.to_ne_bytes());
    message[HEADER + 4..HEADER + 8].copy_from_slice(&ifindex.to_ne_bytes());
    ask(&message)
}

pub(super) fn attribute(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    message.extend((4 + value.len() as u16).to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(value);
    message.resize(message.len().next_multiple_of(4), 0);
}

pub(super) fn ask(message: &[u8]) -> Result<(), Refused> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.set_ext_ack(true)?;
    socket.set_cap_ack(true)?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.send(message, 0)?;
    let (answer, _) = socket.recv_from_full()?;
    acknowledged(&answer)
}

/// `struct nlmsgerr`: an errno, the request's header, and attributes.
fn acknowledged(answer: &[u8]) -> Result<(), Refused> {
    let half = |at: usize| answer.get(at..at + 2).map_or(0, |b| u16::from_ne_bytes([b[0], b[1]]));
    let errno = answer
        .get(HEADER..HEADER + 4)
        .filter(|_| half(4) == NLMSG_ERROR)
        .map(|b| i32::from_ne_bytes([b[0], b[1], b[2], b[3]]))
        .ok_or_else(|| io::Error::other("the kernel's netlink answer cannot be read"))?;
    if errno == 0 {
        return Ok(());
    }
    let mut words = None;
    let mut at = HEADER + 4 + HEADER;
    while half(6) & NLM_F_ACK_TLVS != 0 && at + 4 <= answer.len() {
        let length = usize::from(half(at)).max(4);
        if half(at + 2) & 0x3fff == NLMSGERR_ATTR_MSG {
            let text = answer.get(at + 4..at + length).unwrap_or(&[]);
            let text = String::from_utf8_lossy(text);
            words = Some(text.trim_end_matches(['\0', '\n']).to_owned());
        }
        at += length.next_multiple_of(4);
    }
    Err(Refused { source: io::Error::from_raw_os_error(-errno), words })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_refusal_are_found() {
        let mut answer = vec![0; HEADER];
        answer[4..6].copy_from_slice(&NLMSG_ERROR.to_ne_bytes());
        answer[6..8].copy_from_slice(&NLM_F_ACK_TLVS.to_ne_bytes());
        answer.extend((-34_i32).to_ne_bytes());
        answer.extend([0; HEADER]);
        attribute(&mut answer, 4, b"xx");
        attribute(&mut answer, NLMSGERR_ATTR_MSG, b"Peer MTU is too large to set XDP\0");
        let refused = acknowledged(&answer).expect_err("a refusal");
        assert_eq!(refused.source.raw_os_error(), Some(34));
        assert_eq!(refused.words.as_deref(), Some("Peer MTU is too large to set XDP"));
        for cut in 0..answer.len() {
            let _ = acknowledged(&answer[..cut]);
        }
    }

    #[test]
    fn an_unknown_interface_is_refused() {
        let refused = set_xdp(u32::MAX >> 1, IF_NONE, None, None).expect_err("no such interface");
        assert_eq!(refused.source.raw_os_error(), Some(libc::ENODEV));
    }
}
