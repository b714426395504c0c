//! The MTU against what native mode takes: frames in one buffer of a page, or several with frags.

use engine::veth;

use super::{check::Check, facts::InterfaceFacts, interface::INTERFACE, place::Place};

/// virtio_net: a page without the headroom (256), `struct skb_shared_info` (320) and the Ethernet header:
/// `virtnet_xdp_set` in `drivers/net/virtio_net.c`.
const VIRTIO: u32 = 4096 - 256 - 320 - 14;
/// ena: also without room for a VLAN tag and the checksum: `ENA_XDP_MAX_MTU` in `ena_netdev.h`.
const ENA: u32 = VIRTIO - 4 - 4;

/// The largest MTU that the driver takes without frags, where senko knows it.
fn limit(driver: Option<&str>) -> Option<u32> {
    match driver? {
        "veth" => Some(veth::MAX_MTU),
        "virtio_net" => Some(VIRTIO),
        "ena" => Some(ENA),
        _ => None,
    }
}

pub fn check(facts: &InterfaceFacts) -> Check {
    let check =
        Check::new(INTERFACE, "mtu", "native mode with programs that know one buffer a frame").required(true);
    if facts.is_veth() {
        return veth(facts, check);
    }
    let frags = facts.features.is_some_and(|features| features.frags());
    match limit(facts.driver.as_deref()) {
        Some(limit) if facts.mtu > limit => {
            over(check, facts.mtu, limit, frags, "", &Place(facts.netns.as_deref()), &facts.name)
        }
        Some(limit) => check.ok(format!("{}, native limit {limit}", facts.mtu)),
        // Every driver known takes an ordinary Ethernet frame.
        None if facts.mtu <= 1500 || facts.native() == Some(false) => check.ok(facts.mtu.to_string()),
        None => check.required(false).missing(
            format!(
                "{}; drivers stop at about {ENA} without frags, and this one's limit is not known",
                facts.mtu
            ),
            format!(
                "senko doctor {0} --probe    (tries it), or {1}",
                facts.name,
                Place(facts.netns.as_deref()).ip(&format!("link set dev {} mtu {ENA}", facts.name))
            ),
        ),
    }
}

/// What a veth receives is what its peer sends: `veth_xdp_set` looks at the peer's MTU, not at its own.
fn veth(facts: &InterfaceFacts, check: Check) -> Check {
    let own = facts.mtu;
    match &facts.peer {
        Some(peer) if peer.mtu > veth::MAX_MTU => {
            let place = Place(peer.namespace.as_deref().or(facts.netns.as_deref()));
            let frags = peer.mtu <= veth::MAX_MTU_FRAGS;
            let whose = format!(" of the peer {}, which decides,", peer.name);
            over(check, peer.mtu, veth::MAX_MTU, frags, &whose, &place, &peer.name)
        }
        Some(peer) => check.ok(format!("{own}, the peer's {}, native limit {}", peer.mtu, veth::MAX_MTU)),
        None if own > veth::MAX_MTU => check.required(false).missing(
            format!(
                "{own}; the peer's decides, and it is in a network namespace that cannot be looked into (limit {})",
                veth::MAX_MTU
            ),
            format!("ip link set dev PEER mtu {}    (in the peer's namespace)", veth::MAX_MTU),
        ),
        None => check.ok(format!("{own}; the peer's decides (limit {}) and cannot be seen", veth::MAX_MTU)),
    }
}

fn over(
    check: Check,
    mtu: u32,
    limit: u32,
    frags: bool,
    whose: &str,
    place: &Place<'_>,
    name: &str,
) -> Check {
    let else_ = if frags { "; programs with frags are taken" } else { ", and the driver takes no frags" };
    check.missing(
        format!("{mtu}{whose} is above the native limit {limit}{else_}"),
        place.ip(&format!("link set dev {name} mtu {limit}")),
    )
}
