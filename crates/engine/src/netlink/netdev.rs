//! What a driver can do with XDP: generic netlink family `netdev` (kernel 6.3,
//! `Documentation/netlink/specs/netdev.yaml`). Asking needs no privilege.

use std::io;

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_GENERIC};

/// A driver's `xdp-features`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct XdpFeatures {
    bits: u64,
    /// Most buffers of a frame in an AF_XDP zero-copy ring.
    pub zero_copy_max_segments: Option<u32>,
    /// Bits of `xdp-rx-metadata`: 1 timestamp, 2 hash, 4 VLAN tag.
    pub rx_metadata: u64,
}

impl XdpFeatures {
    pub const fn from_bits(bits: u64) -> Self {
        Self { bits, zero_copy_max_segments: None, rx_metadata: 0 }
    }

    /// Native XDP with drop, pass, tx and aborted.
    pub const fn basic(&self) -> bool {
        self.bits & 1 != 0
    }

    /// Programs may redirect frames away from it.
    pub const fn redirect(&self) -> bool {
        self.bits & 2 != 0
    }

    /// Frames can be redirected to it.
    pub const fn redirect_target(&self) -> bool {
        self.bits & 4 != 0
    }

    pub const fn zero_copy(&self) -> bool {
        self.bits & 8 != 0
    }

    pub const fn offload(&self) -> bool {
        self.bits & 16 != 0
    }

    /// Programs may see frames of several buffers.
    pub const fn frags(&self) -> bool {
        self.bits & 32 != 0
    }

    /// Frames of several buffers can be redirected to it.
    pub const fn target_frags(&self) -> bool {
        self.bits & 64 != 0
    }

    /// The kernel's words for the bits that are set.
    pub fn names(&self) -> Vec<&'static str> {
        const NAMES: [&str; 7] =
            ["basic", "redirect", "ndo_xmit", "xsk_zerocopy", "hw_offload", "rx_sg", "ndo_xmit_sg"];
        NAMES
            .iter()
            .enumerate()
            .filter(|(bit, _)| self.bits & (1 << bit) != 0)
            .map(|(_, name)| *name)
            .collect()
    }
}

/// Of an interface of this network namespace; `None` when the kernel is older than this question.
pub fn xdp_features(ifindex: u32) -> Option<XdpFeatures> {
    let answer = ask(family()?, DEVICE_GET, DEVICE_IFINDEX, &ifindex.to_ne_bytes()).ok()?;
    features(&answer)
}

const CONTROLLER: u16 = 16;
const GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;
const DEVICE_GET: u8 = 1;
const DEVICE_IFINDEX: u16 = 1;
const DEVICE_XDP_FEATURES: u16 = 3;
const DEVICE_ZERO_COPY_SEGMENTS: u16 = 4;
const DEVICE_RX_METADATA: u16 = 5;
/// `struct nlmsghdr` and `struct genlmsghdr`.
const HEADERS: usize = 20;

fn family() -> Option<u16> {
    let answer = ask(CONTROLLER, GET_FAMILY, FAMILY_NAME, b"netdev\0").ok()?;
    attributes(&answer)
        .find(|(kind, _)| *kind == FAMILY_ID)
        .and_then(|(_, value)| number(value))
        .map(|id| id as u16)
}

fn features(attributes_of: &[u8]) -> Option<XdpFeatures> {
    let mut features = None;
    let (mut segments, mut metadata) = (None, 0);
    for (kind, value) in attributes(attributes_of) {
        match kind {
            DEVICE_XDP_FEATURES => features = number(value),
            DEVICE_ZERO_COPY_SEGMENTS => segments = number(value).map(|segments| segments as u32),
            DEVICE_RX_METADATA => metadata = number(value).unwrap_or(0),
            _ => {}
        }
    }
    features.map(|bits| XdpFeatures { bits, zero_copy_max_segments: segments, rx_metadata: metadata })
}

/// Sends one request with one attribute and returns the attributes of the answer.
fn ask(family: u16, command: u8, attribute: u16, value: &[u8]) -> io::Result<Vec<u8>> {
    let mut socket = Socket::new(NETLINK_GENERIC)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.send(&request(family, command, attribute, value), 0)?;
    let (answer, _) = socket.recv_from_full()?;
    const ERROR: u16 = 2;
    match answer.get(4..6).map(|kind| u16::from_ne_bytes([kind[0], kind[1]])) {
        Some(ERROR) => {
            let errno = answer.get(16..20).and_then(number).unwrap_or(0) as u32 as i32;
            Err(io::Error::from_raw_os_error(-errno))
        }
        Some(_) if answer.len() >= HEADERS => Ok(answer[HEADERS..].to_vec()),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn request(family: u16, command: u8, attribute: u16, value: &[u8]) -> Vec<u8> {
    let attribute_length = 4 + value.len();
    let length = HEADERS + attribute_length.next_multiple_of(4);
    let mut bytes = Vec::with_capacity(length);
    bytes.extend((length as u32).to_ne_bytes());
    bytes.extend(family.to_ne_bytes());
    // NLM_F_REQUEST; sequence and port are of no use with one question a socket.
    bytes.extend(1_u16.to_ne_bytes());
    bytes.extend([0; 8]);
    // The command, version 1, two reserved bytes.
    bytes.extend([command, 1, 0, 0]);
    bytes.extend((attribute_length as u16).to_ne_bytes());
    bytes.extend(attribute.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(length, 0);
    bytes
}

/// Walks attributes: kind without its flag bits, and value. Stops at the first that does not fit.
fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let header = bytes.get(..4)?;
        let length = u16::from_ne_bytes([header[0], header[1]]) as usize;
        let kind = u16::from_ne_bytes([header[2], header[3]]) & 0x3fff;
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some((kind, value))
    })
}

/// A number of 2, 4 or 8 bytes.
fn number(value: &[u8]) -> Option<u64> {
    match value.len() {
        2 => value.try_into().ok().map(|bytes| u64::from(u16::from_ne_bytes(bytes))),
        4 => value.try_into().ok().map(|bytes| u64::from(u32::from_ne_bytes(bytes))),
        8 => value.try_into().ok().map(u64::from_ne_bytes),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        request(0, 0, kind, value)[HEADERS..].to_vec()
    }

    #[test]
    fn bits_have_the_kernels_names() {
        let veth = XdpFeatures::from_bits(0x23);
        assert!(
            veth.basic() && veth.redirect() && veth.frags() && !veth.redirect_target() && !veth.offload()
        );
        assert_eq!(veth.names(), ["basic", "redirect", "rx_sg"]);
        assert!(XdpFeatures::from_bits(0).names().is_empty());
    }

    #[test]
    fn an_answer_is_read() {
        let mut answer = attribute(DEVICE_IFINDEX, &7_u32.to_ne_bytes());
        answer.extend(attribute(DEVICE_XDP_FEATURES, &0x7f_u64.to_ne_bytes()));
        answer.extend(attribute(DEVICE_ZERO_COPY_SEGMENTS, &17_u32.to_ne_bytes()));
        let read = features(&answer).expect("features");
        assert!(read.offload() && read.zero_copy_max_segments == Some(17));
    }

    #[test]
    fn a_broken_answer_ends() {
        assert_eq!(attributes(&[0, 0, 1, 0, 9]).count(), 0);
        assert_eq!(attributes(&[200, 0, 1, 0, 9]).count(), 0);
        assert_eq!(features(&attribute(DEVICE_IFINDEX, &[1, 2, 3, 4])), None);
    }
}
