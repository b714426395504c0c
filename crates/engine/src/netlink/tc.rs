//! Filters on what an interface receives and sends, for kernels whose links know no such hook (before 6.6):
//! `tc qdisc add dev … clsact` and `tc filter replace dev … ingress bpf direct-action`.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

use abi::Direction;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use super::xdp::{HEADER, NLM_F_REQUEST_ACK, Refused, ask, attribute};

const RTM_NEWQDISC: u16 = 36;
const RTM_DELQDISC: u16 = 37;
const RTM_NEWTFILTER: u16 = 44;
const RTM_DELTFILTER: u16 = 45;
const RTM_GETTFILTER: u16 = 46;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_DUMP: u16 = 0x300;
const NLM_F_CREATE: u16 = 0x400;
const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;
const TCA_BPF_FD: u16 = 6;
const TCA_BPF_NAME: u16 = 7;
const TCA_BPF_FLAGS: u16 = 8;
const TCA_BPF_ID: u16 = 11;
const NESTED: u16 = 0x8000;
const DIRECT_ACTION: u32 = 1;
/// `struct tcmsg`.
const TCMSG: usize = 20;

const CLSACT: u32 = 0xffff_fff1;
const CLSACT_HANDLE: u32 = 0xffff_0000;
const INGRESS: u32 = 0xffff_fff2;
const EGRESS: u32 = 0xffff_fff3;

/// The handle of our filters.
const HANDLE: u32 = 1;
const ALL_PROTOCOLS: u16 = 3;

const fn parent(direction: Direction) -> u32 {
    match direction {
        Direction::Ingress => INGRESS,
        Direction::Egress => EGRESS,
    }
}

/// Our filter's priority among those of the interface. What is sent: behind what rewrites packets, so that what is remembered is what
/// leaves. What comes in: before those that have none of their own (`tc` begins with 0xc000) and most that have, for which the mark
/// is to be there.
const fn priority(direction: Direction) -> u32 {
    match direction {
        Direction::Ingress => 0x00fe,
        Direction::Egress => 0xfe00,
    }
}

/// Makes the interface's place for filters. `false`: it was there.
pub fn add_clsact(ifindex: u32) -> io::Result<bool> {
    let mut message = tcmsg(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, ifindex, CLSACT_HANDLE, CLSACT, 0);
    attribute(&mut message, TCA_KIND, b"clsact\0");
    match send(message) {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Removes it; `false`: somebody has a filter there.
pub fn remove_clsact(ifindex: u32) -> io::Result<bool> {
    if !filters(ifindex, INGRESS)?.is_empty() || !filters(ifindex, EGRESS)?.is_empty() {
        return Ok(false);
    }
    let mut message = tcmsg(RTM_DELQDISC, 0, ifindex, CLSACT_HANDLE, CLSACT, 0);
    attribute(&mut message, TCA_KIND, b"clsact\0");
    send(message).map(|()| true)
}

/// Puts a program into our filter, which is made where it is missing.
pub fn set_filter(ifindex: u32, direction: Direction, program: BorrowedFd<'_>) -> io::Result<()> {
    let place = parent(direction);
    let mut message = tcmsg(RTM_NEWTFILTER, NLM_F_CREATE, ifindex, HANDLE, place, info(direction));
    attribute(&mut message, TCA_KIND, b"bpf\0");
    let mut options = Vec::new();
    attribute(&mut options, TCA_BPF_FD, &program.as_raw_fd().to_ne_bytes());
    attribute(&mut options, TCA_BPF_NAME, &[direction.program().as_bytes(), &[0]].concat());
    attribute(&mut options, TCA_BPF_FLAGS, &DIRECT_ACTION.to_ne_bytes());
    attribute(&mut message, TCA_OPTIONS | NESTED, &options);
    send(message)
}

pub fn remove_filter(ifindex: u32, direction: Direction) -> io::Result<()> {
    let mut message = tcmsg(RTM_DELTFILTER, 0, ifindex, HANDLE, parent(direction), info(direction));
    attribute(&mut message, TCA_KIND, b"bpf\0");
    send(message)
}

/// The id of the program in our filter; `None`: it is not there.
pub fn filter(ifindex: u32, direction: Direction) -> io::Result<Option<u32>> {
    let ours = filters(ifindex, parent(direction))?
        .into_iter()
        .find(|filter| filter.info >> 16 == priority(direction) && filter.handle == HANDLE);
    Ok(ours.and_then(|filter| filter.program))
}

/// Ids of all programs in filters there.
pub fn programs(ifindex: u32, direction: Direction) -> io::Result<Vec<u32>> {
    Ok(filters(ifindex, parent(direction))?.into_iter().filter_map(|filter| filter.program).collect())
}

const fn info(direction: Direction) -> u32 {
    priority(direction) << 16 | ALL_PROTOCOLS.to_be() as u32
}

fn tcmsg(kind: u16, flags: u16, ifindex: u32, handle: u32, parent: u32, info: u32) -> Vec<u8> {
    let mut message = vec![0; HEADER + TCMSG];
    message[4..6].copy_from_slice(&kind.to_ne_bytes());
    message[6..8].copy_from_slice(&(NLM_F_REQUEST_ACK | flags).to_ne_bytes());
    for (at, word) in [(4, ifindex), (8, handle), (12, parent), (16, info)] {
        message[HEADER + at..HEADER + at + 4].copy_from_slice(&word.to_ne_bytes());
    }
    message
}

fn send(mut message: Vec<u8>) -> io::Result<()> {
    let length = message.len() as u32;
    message[0..4].copy_from_slice(&length.to_ne_bytes());
    ask(&message).map_err(|Refused { source, .. }| source)
}

struct Filter {
    handle: u32,
    /// Priority and protocol.
    info: u32,
    /// Of a filter that is a program.
    program: Option<u32>,
}

/// Filters with a handle: the kernel also lists each priority's chain, which has none.
fn filters(ifindex: u32, parent: u32) -> io::Result<Vec<Filter>> {
    let mut message = tcmsg(RTM_GETTFILTER, 0, ifindex, 0, parent, 0);
    message[6..8].copy_from_slice(&(NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    let length = message.len() as u32;
    message[0..4].copy_from_slice(&length.to_ne_bytes());
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.send(&message, 0)?;
    let mut found = Vec::new();
    loop {
        let (datagram, _) = socket.recv_from_full()?;
        let mut rest = datagram.as_slice();
        while rest.len() >= HEADER {
            let length = (word(rest, 0) as usize).clamp(HEADER, rest.len());
            let (one, others) = rest.split_at(length);
            rest = others.get(length.next_multiple_of(4) - length..).unwrap_or(&[]);
            match half(one, 4) {
                NLMSG_DONE => return Ok(found),
                NLMSG_ERROR => {
                    return match word(one, HEADER) as i32 {
                        // There is no place for filters, or no such interface.
                        0 | -22 | -19 | -2 => Ok(found),
                        errno => Err(io::Error::from_raw_os_error(-errno)),
                    };
                }
                RTM_NEWTFILTER => found.extend(read(&one[HEADER..])),
                _ => {}
            }
        }
    }
}

fn read(message: &[u8]) -> Option<Filter> {
    let handle = word(message, 8);
    let (mut is_program, mut id) = (false, None);
    for (kind, value) in attributes(message.get(TCMSG..)?) {
        match kind {
            TCA_KIND => is_program = value == b"bpf\0",
            TCA_OPTIONS => {
                id = attributes(value).find(|(kind, _)| *kind == TCA_BPF_ID).map(|(_, id)| word(id, 0))
            }
            _ => {}
        }
    }
    (handle != 0).then(|| Filter { handle, info: word(message, 16), program: id.filter(|_| is_program) })
}

fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(half(bytes, 0));
        let value = bytes.get(4..length)?;
        let kind = half(bytes, 2) & !NESTED;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some((kind, value))
    })
}

fn half(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).map_or(0, |b| u16::from_ne_bytes([b[0], b[1]]))
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |b| u32::from_ne_bytes([b[0], b[1], b[2], b[3]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_answers_are_read_to_their_end() {
        let mut message = vec![0; TCMSG];
        message[8] = 1;
        let mut options = Vec::new();
        attribute(&mut options, TCA_BPF_NAME, b"name\0");
        attribute(&mut options, TCA_BPF_ID, &77_u32.to_ne_bytes());
        attribute(&mut message, TCA_KIND, b"bpf\0");
        attribute(&mut message, TCA_OPTIONS | NESTED, &options);
        assert_eq!(read(&message).and_then(|filter| filter.program), Some(77));
        let mut other = message.clone();
        other[TCMSG + 4..TCMSG + 7].copy_from_slice(b"u32");
        assert_eq!(read(&other).map(|filter| filter.program), Some(None), "the number means something else");
        for cut in 0..message.len() {
            let found = read(&message[..cut]).and_then(|filter| filter.program);
            assert!(found.is_none(), "{cut}: {found:?}");
        }
    }
}
