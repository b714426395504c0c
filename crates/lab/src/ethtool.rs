//! Offload features of an interface by their `ethtool -k` names, through the SIOCETHTOOL ioctl
//! (include/uapi/linux/ethtool.h), so that no `ethtool` binary is needed.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use crate::error::LabError;
use crate::netns::Netns;

const ETHTOOL_GSTRINGS: u32 = 0x1b;
const ETHTOOL_GSSET_INFO: u32 = 0x37;
const ETHTOOL_SFEATURES: u32 = 0x3b;
const ETH_SS_FEATURES: u32 = 4;
const ETH_GSTRING_LEN: usize = 32;

/// What every veth end of a lab gets, by feature name, and why. None: stays as it is.
///
/// | feature | | reason |
/// | --- | --- | --- |
/// | `tx-checksum-*` | off | veth hands packets over with an unfinished checksum; XDP sees (and redirects) the bytes as they are, and a receiver behind a redirect drops them |
/// | `tx-*-segmentation` | off | a 64 KB super-packet is not what a wire carries and does not fit an XDP buffer |
/// | `tx-vlan-*-insert` | off | the tag would travel beside the packet, where XDP cannot see it |
/// | `rx-gro` | on | gives the veth a NAPI context; without one (and without a program of its own) everything that is redirected to the other end is dropped (`veth_xdp_xmit`, drivers/net/veth.c; GRO does this since 5.13). While a program sits on the interface, the kernel leaves frames unmerged |
fn wanted(feature: &str) -> Option<bool> {
    let rest = feature.strip_prefix("tx-");
    match rest {
        Some(rest) if rest.starts_with("checksum-") => Some(false),
        Some(rest) if rest.ends_with("-segmentation") => Some(false),
        Some(rest) if rest.starts_with("vlan-") && rest.ends_with("-insert") => Some(false),
        _ => (feature == "rx-gro").then_some(true),
    }
}

/// Makes a veth end behave like a network card to XDP, as [`wanted`] has it.
pub fn prepare_veth(netns: &Netns, interface: &str) -> Result<(), LabError> {
    let failed = |source: io::Error| LabError::Net {
        action: format!("set the offloads of `{interface}`"),
        namespace: netns.name().into(),
        source: source.into(),
    };
    let control = netns
        .run(|| socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None))?
        .map_err(|e| failed(e.into()))?;
    let names = feature_names(&control, interface).map_err(failed)?;
    set_features(&control, interface, &names).map_err(failed)
}

/// The kernel's feature names; the position of a name is its bit.
fn feature_names(control: &OwnedFd, interface: &str) -> io::Result<Vec<String>> {
    // struct ethtool_sset_info { cmd, reserved: u32; sset_mask: u64; data: [u32; 1] }
    let mut info = [ETHTOOL_GSSET_INFO, 0, 1 << ETH_SS_FEATURES, 0, 0];
    ioctl(control, interface, &mut info)?;
    let count = info[4] as usize;
    // struct ethtool_gstrings { cmd, string_set, len: u32; data: [u8; len * 32] }
    let mut strings = vec![0_u32; 3 + count * ETH_GSTRING_LEN / 4];
    strings[..3].copy_from_slice(&[ETHTOOL_GSTRINGS, ETH_SS_FEATURES, count as u32]);
    ioctl(control, interface, &mut strings)?;
    let bytes: Vec<u8> = strings[3..].iter().flat_map(|word| word.to_ne_bytes()).collect();
    Ok(bytes
        .chunks_exact(ETH_GSTRING_LEN)
        .map(|name| name.iter().take_while(|b| **b != 0).map(|b| char::from(*b)).collect())
        .collect())
}

fn set_features(control: &OwnedFd, interface: &str, names: &[String]) -> io::Result<()> {
    // struct ethtool_sfeatures { cmd, size: u32; blocks: [{ valid, requested: u32 }; size] }
    let blocks = names.len().div_ceil(32);
    let mut request = vec![0_u32; 2 + 2 * blocks];
    request[..2].copy_from_slice(&[ETHTOOL_SFEATURES, blocks as u32]);
    for (bit, name) in names.iter().enumerate() {
        let Some(on) = wanted(name) else { continue };
        let block = 2 + 2 * (bit / 32);
        request[block] |= 1 << (bit % 32);
        request[block + 1] |= u32::from(on) << (bit % 32);
    }
    ioctl(control, interface, &mut request)
}

/// `data` begins with the command and is as long as the command says; every ethtool structure
/// used here is made of 32-bit words.
fn ioctl(control: &OwnedFd, interface: &str, data: &mut [u32]) -> io::Result<()> {
    // SAFETY: ifreq is plain data for which all zeroes is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if interface.len() >= request.ifr_name.len() {
        return Err(io::Error::from_raw_os_error(libc::ENODEV));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(interface.bytes()) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_data = data.as_mut_ptr().cast();
    // SAFETY: the kernel reads the ifreq and reads or writes the words behind ifru_data, within the
    // length that its command and counts announce, which the callers sized `data` for.
    match unsafe { libc::ioctl(control.as_raw_fd(), libc::SIOCETHTOOL as _, &mut request) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
