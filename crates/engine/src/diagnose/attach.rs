//! Why an interface refuses a program.

use std::io;

use super::{Diagnosis, exit, permission};
use crate::Circumstances;

/// The MTU up to which a frame fits into one page beside what XDP keeps there, as veth computes it: 4096 less 256 of
/// headroom, 320 of `skb_shared_info` and a 14 byte header. Other drivers differ by a few bytes.
pub const ONE_BUFFER_MTU: u32 = 3506;

/// The errno says little, the circumstances most: each driver has its own number for a large MTU (veth `ERANGE`; mlx5,
/// virtio_net and ixgbevf `EINVAL`, others `EOPNOTSUPP`).
pub fn explain(
    interface: &str,
    mode: &str,
    source: &io::Error,
    extack: Option<&str>,
    facts: &Circumstances,
) -> Diagnosis {
    let errno = source.raw_os_error().unwrap_or(0);
    let refused = format!("{interface}: {mode} XDP refused");
    let words = extack.map_or(String::new(), |words| format!(" (the kernel says: {words})"));
    let unsupported = |cause: String, remedy: String| {
        Diagnosis::new(exit::NOT_SUPPORTED, format!("{refused}: {cause}{words}"), remedy)
    };
    let driver = facts.driver.as_deref().unwrap_or("the interface's driver");
    let by_mtu = match errno {
        libc::ERANGE | libc::EINVAL | libc::EOPNOTSUPP => large_mtu(interface, errno, extack, facts),
        _ => None,
    };
    if let Some((cause, lower)) = by_mtu {
        let others =
            "use `senko load --frags` if the program takes frames of several buffers, or --mode generic";
        return unsupported(cause, format!("{lower}, {others}"));
    }
    match errno {
        libc::EPERM | libc::EACCES => permission::explain(&refused),
        libc::EOPNOTSUPP if mode == "offload" => {
            unsupported(format!("{driver} cannot run programs in the card"), "use --mode native".into())
        }
        libc::EOPNOTSUPP if facts.frags => unsupported(
            format!("{driver} has no native XDP, or none for frames of several buffers"),
            "use --mode generic, or load without --frags".into(),
        ),
        libc::EOPNOTSUPP => unsupported(
            format!("{driver} has no native XDP"),
            "use --mode generic; `senko features` lists what the driver can do".into(),
        ),
        libc::EBUSY | libc::EEXIST => Diagnosis::new(
            exit::CONFLICT,
            format!("{refused}: something else holds its XDP hook{words}"),
            "`senko status` shows the programs; an interface above this one (a bond, a bridge) may hold it too",
        ),
        libc::ENOSPC | libc::ENOMEM => {
            let queues = facts.rx_queues.map_or(String::new(), |queues| format!(" (it has {queues})"));
            let veth = facts.driver.as_deref() == Some("veth");
            unsupported(
                format!("{driver} has too few queues for XDP{queues}"),
                match veth {
                    true => {
                        format!("run `ethtool -L {interface} rx N` with N the transmit queues of its peer")
                    }
                    false => format!(
                        "run `ethtool -L {interface} combined N` with another N; `ethtool -l {interface}` shows the limits"
                    ),
                },
            )
        }
        libc::ENODEV | libc::ENXIO => Diagnosis::new(
            exit::FAILED,
            format!("{interface} disappeared while the program was being attached"),
            "`ip -br link` lists the interfaces",
        ),
        libc::ENOTCONN => unsupported("its peer is gone".into(), "make a new pair".into()),
        libc::EINVAL => unsupported(
            format!("{driver} cannot take the program as the interface is set up"),
            "use --mode generic; `dmesg | tail` may have the driver's reason".into(),
        ),
        _ => unsupported(source.to_string(), "use --mode generic".into()),
    }
}

/// Whether the MTU is the cause: a clause, and the command that lowers it. A veth is refused for its *peer's* MTU, for
/// those are the frames that it receives.
fn large_mtu(
    interface: &str,
    errno: i32,
    extack: Option<&str>,
    facts: &Circumstances,
) -> Option<(String, String)> {
    let is_large = |mtu: u32| mtu > ONE_BUFFER_MTU;
    let lower = |device: &str| format!("run `ip link set dev {device} mtu {ONE_BUFFER_MTU}`");
    let too_large = |mtu: u32, whose: &str| {
        format!("MTU {mtu}{whose} > {ONE_BUFFER_MTU}, the most that one buffer holds")
    };
    if facts.frags {
        return None;
    }
    if let Some((peer, mtu)) = facts.peer.as_ref().filter(|(_, mtu)| is_large(*mtu)) {
        return Some((too_large(*mtu, &format!(" of its peer {peer}")), lower(peer)));
    }
    let hidden_peer = facts.driver.as_deref() == Some("veth") && facts.peer.is_none();
    if is_large(facts.mtu) {
        let also = if hidden_peer { " and the same at its peer" } else { "" };
        return Some((too_large(facts.mtu, ""), lower(interface) + also));
    }
    let said = extack.is_some_and(|words| words.to_ascii_lowercase().contains("mtu"));
    if !said && errno != libc::ERANGE {
        return None;
    }
    Some(match hidden_peer {
        true => (
            format!("the MTU of its peer > {ONE_BUFFER_MTU}, the most that one buffer holds"),
            format!("{} in the peer's network namespace", lower("PEER")),
        ),
        false => (format!("its MTU is more than one buffer holds ({ONE_BUFFER_MTU})"), lower(interface)),
    })
}
