//! The MTU against what native mode takes: frames in one buffer of a page, or several with frags.

use engine::veth;

use super::{check::Check, facts::InterfaceFacts, interface::INTERFACE, place::Place};

/// The largest MTU that the driver takes without frags, where senko knows it.
fn limit(driver: Option<&str>) -> Option<u32> {
    match driver? {
        // virtio_net takes away the same from a page as veth: `virtnet_xdp_set` in `drivers/net/virtio_net.c`.
        "veth" | "virtio_net" => Some(veth::max_mtu()),
        "ena" => Some(lowest()),
        _ => None,
    }
}

/// ena also leaves room for a VLAN tag and the checksum (`ENA_XDP_MAX_MTU` in `ena_netdev.h`): the least of all known.
fn lowest() -> u32 {
    veth::max_mtu() - 8
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
        None => {
            let lowest = lowest();
            let place = Place(facts.netns.as_deref());
            let found = format!(
                "{}; drivers stop at about {lowest} without frags, and this one's limit is not known",
                facts.mtu
            );
            check
                .required(false)
                .missing(found, place.ip(&format!("link set dev {} mtu {lowest}", facts.name)))
        }
    }
}

/// What a veth receives is what its peer sends: `veth_xdp_set` looks at the peer's MTU, not at its own.
fn veth(facts: &InterfaceFacts, check: Check) -> Check {
    let own = facts.mtu;
    match &facts.peer {
        Some(peer) if peer.mtu > veth::max_mtu() => {
            let place = Place(peer.namespace.as_deref().or(facts.netns.as_deref()));
            let frags = peer.mtu <= veth::max_mtu_frags();
            let whose = format!(" of the peer {}, which decides,", peer.name);
            over(check, peer.mtu, veth::max_mtu(), frags, &whose, &place, &peer.name)
        }
        Some(peer) => check.ok(format!("{own}, the peer's {}, native limit {}", peer.mtu, veth::max_mtu())),
        None if own > veth::max_mtu() => check.required(false).missing(
            format!(
                "{own}; the peer's decides, and it is in a network namespace that cannot be looked into (limit {})",
                veth::max_mtu()
            ),
            format!("ip link set dev PEER mtu {}    # in the peer's namespace", veth::max_mtu()),
        ),
        None => check.ok(format!("{own}; the peer's decides (limit {}) and cannot be seen", veth::max_mtu())),
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

#[cfg(test)]
mod tests {
    use engine::netlink::XdpFeatures;

    use super::*;
    use crate::doctor::{
        check::State,
        fabricated::{card, veth as fresh_veth},
    };

    #[test]
    fn the_peers_mtu_decides_for_a_veth() {
        let mut facts = fresh_veth();
        facts.mtu = 9000;
        assert_eq!(check(&facts).state, State::Ok);
        let limit = veth::max_mtu();
        let peer = facts.peer.as_mut().expect("a peer");
        peer.mtu = limit + 1;
        let found = check(&facts);
        assert_eq!(found.state, State::Bad);
        assert_eq!(found.remedy, Some(format!("ip -n blue link set dev veth1 mtu {limit}")));
        facts.peer.as_mut().expect("a peer").mtu = limit;
        assert_eq!(check(&facts).state, State::Ok);
    }

    #[test]
    fn a_peer_that_cannot_be_seen_is_not_judged() {
        let facts = InterfaceFacts { peer: None, mtu: 9000, ..fresh_veth() };
        assert_eq!(check(&facts).state, State::Warn);
    }

    #[test]
    fn cards() {
        let at = |driver: &str, mtu| check(&InterfaceFacts { mtu, netns: None, ..card(driver) });
        assert_eq!(
            at("virtio_net", 9000).remedy,
            Some(format!("ip link set dev eth7 mtu {}", veth::max_mtu()))
        );
        assert_eq!(at("ena", veth::max_mtu()).state, State::Bad);
        assert_eq!(at("mlx5_core", 9000).state, State::Warn);
        assert_eq!(at("mlx5_core", 1500).state, State::Ok);
        // No native mode, no limit.
        let bridge =
            InterfaceFacts { mtu: 9000, features: Some(XdpFeatures::from_bits(0)), ..card("bridge") };
        assert_eq!(check(&bridge).state, State::Ok);
    }
}
