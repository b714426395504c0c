//! What a driver says of itself: the ioctl of `include/uapi/linux/ethtool.h`. Asking needs no privilege.

use std::{
    collections::BTreeMap,
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

const SIOCETHTOOL: libc::c_ulong = 0x8946;
const GET_DRIVER: u32 = 0x03;
const GET_STRINGS: u32 = 0x1b;
const GET_STRING_COUNT: u32 = 0x37;
const GET_FEATURES: u32 = 0x3a;
const GET_CHANNELS: u32 = 0x3c;
const FEATURE_NAMES: u32 = 4;
const NAME_BYTES: usize = 32;

/// Queues in use, and how many there may be. Drivers have either combined channels or separate ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Channels {
    pub max_rx: u32,
    pub max_tx: u32,
    pub max_combined: u32,
    pub rx: u32,
    pub tx: u32,
    pub combined: u32,
}

impl Channels {
    pub fn rx_queues(&self) -> u32 {
        self.rx + self.combined
    }

    pub fn tx_queues(&self) -> u32 {
        self.tx + self.combined
    }

    pub fn max_rx_queues(&self) -> u32 {
        self.max_rx.max(self.max_combined)
    }
}

/// Asks about interfaces of the calling thread's network namespace.
#[derive(Debug)]
pub struct Ethtool(OwnedFd);

impl Ethtool {
    pub fn open() -> io::Result<Self> {
        // SAFETY: no addresses; a descriptor that was just returned is ours alone.
        match unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) } {
            fd if fd < 0 => Err(io::Error::last_os_error()),
            // SAFETY: as above.
            fd => Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) })),
        }
    }

    /// The driver's name.
    pub fn driver(&self, interface: &str) -> io::Result<String> {
        let mut answer = [0_u32; 49];
        answer[0] = GET_DRIVER;
        self.ask(interface, &mut answer)?;
        Ok(text(&answer, 4))
    }

    pub fn channels(&self, interface: &str) -> io::Result<Channels> {
        let mut answer = [0_u32; 9];
        answer[0] = GET_CHANNELS;
        self.ask(interface, &mut answer)?;
        let [_, max_rx, max_tx, _, max_combined, rx, tx, _, combined] = answer;
        Ok(Channels { max_rx, max_tx, max_combined, rx, tx, combined })
    }

    /// Offloads by the names that `ethtool -k` prints without their group (`rx-gro`, `tx-checksum-ip-generic`), and
    /// whether each is on.
    pub fn features(&self, interface: &str) -> io::Result<BTreeMap<String, bool>> {
        // cmd, reserved, sset_mask (64 bits), one count.
        let mut count = [GET_STRING_COUNT, 0, 1 << FEATURE_NAMES, 0, 0];
        self.ask(interface, &mut count)?;
        let features = count[4] as usize;

        let mut names = vec![0_u32; 3 + features * NAME_BYTES / 4];
        names[..3].copy_from_slice(&[GET_STRINGS, FEATURE_NAMES, features as u32]);
        self.ask(interface, &mut names)?;

        // Each block of 32 features: available, requested, active, never changed.
        let blocks = features.div_ceil(32);
        let mut states = vec![0_u32; 2 + blocks * 4];
        states[..2].copy_from_slice(&[GET_FEATURES, blocks as u32]);
        self.ask(interface, &mut states)?;
        let is_active = |at: usize| states[2 + at / 32 * 4 + 2] & (1 << (at % 32)) != 0;
        Ok((0..features).map(|at| (text(&names, 12 + at * NAME_BYTES), is_active(at))).collect())
    }

    /// `request` holds the command in its first word and is as large as the answer.
    fn ask(&self, interface: &str, request: &mut [u32]) -> io::Result<()> {
        // SAFETY: all zero is a valid ifreq.
        let mut ifreq: libc::ifreq = unsafe { std::mem::zeroed() };
        if interface.len() >= ifreq.ifr_name.len() {
            return Err(io::Error::from_raw_os_error(libc::ENODEV));
        }
        for (to, from) in ifreq.ifr_name.iter_mut().zip(interface.bytes()) {
            *to = from as libc::c_char;
        }
        ifreq.ifr_ifru.ifru_data = request.as_mut_ptr().cast();
        // SAFETY: the kernel writes no more than the sizes in the request say, which is its length.
        match unsafe { libc::ioctl(self.0.as_raw_fd(), SIOCETHTOOL as _, &raw mut ifreq) } {
            result if result < 0 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }
}

/// The name of at most 32 bytes that starts at a byte.
fn text(words: &[u32], at: usize) -> String {
    let bytes = words.iter().flat_map(|word| word.to_ne_bytes()).skip(at).take(NAME_BYTES);
    bytes.take_while(|byte| *byte != 0).map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_has_features_and_no_channels() {
        let ethtool = Ethtool::open().expect("a socket");
        let features = ethtool.features("lo").expect("lo");
        assert!(features.contains_key("rx-gro") && features.len() > 30, "{features:?}");
        assert!(ethtool.channels("lo").is_err());
        assert!(ethtool.driver("a name that is far too long for an interface").is_err());
    }

    #[test]
    fn names_end_at_the_first_zero() {
        assert_eq!(text(&[0, u32::from_ne_bytes(*b"veth"), 0], 4), "veth");
    }
}
