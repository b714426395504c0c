//! Whether frames that XDP redirects to the interface leave it, or are lost without a word.

use super::{check::Check, facts::InterfaceFacts, interface::INTERFACE, place::Place};

pub fn check(facts: &InterfaceFacts) -> Check {
    let check = Check::new(INTERFACE, "redirect_target", "redirecting frames to it from native mode");
    if !facts.up {
        let remedy = Place(facts.netns.as_deref()).ip(&format!("link set dev {} up", facts.name));
        return check.missing("bad redirect target: it is down", remedy);
    }
    if facts.is_veth() {
        return veth(facts, check);
    }
    match facts.features {
        Some(features) if features.redirect_target() => check.ok("yes"),
        Some(features) if features.basic() => check.missing(
            "bad redirect target: the driver takes frames only while it has an XDP program itself",
            Place(facts.netns.as_deref()).senko(&format!("count {}", facts.name)),
        ),
        Some(_) => check.missing(
            "bad redirect target: the driver cannot send XDP frames",
            "redirect in generic mode (--mode generic on the receiving interface)",
        ),
        None => check.unknown("the kernel tells since 6.3", None),
    }
}

/// `veth_xdp_xmit` drops frames with ENXIO unless the peer polls (NAPI), which it does with a program or with GRO.
fn veth(facts: &InterfaceFacts, check: Check) -> Check {
    let Some(peer) = &facts.peer else {
        return check
            .unknown("the peer, which has to have GRO or a native program, cannot be looked at", None);
    };
    let place = Place(peer.namespace.as_deref().or(facts.netns.as_deref()));
    let name = &peer.name;
    let gro = peer.features.get("rx-gro").copied().unwrap_or(false);
    match () {
        () if !peer.up => check.missing(
            format!("bad redirect target: its peer {name} is down"),
            place.ip(&format!("link set dev {name} up")),
        ),
        () if peer.native_program => check.ok(format!("yes: its peer {name} has a native program")),
        () if gro => check.ok(format!("yes: its peer {name} has GRO on")),
        () => check.missing(
            format!(
                "bad redirect target: its peer {name} has neither GRO nor a native program; frames are lost"
            ),
            place.ethtool(&format!("-K {name} gro on")),
        ),
    }
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
    fn a_veth_needs_a_peer_that_polls() {
        let mut facts = fresh_veth();
        let found = check(&facts);
        assert_eq!(found.state, State::Warn);
        assert!(found.found.starts_with("bad redirect target"), "{}", found.found);
        assert_eq!(found.remedy.as_deref(), Some("ip netns exec blue ethtool -K veth1 gro on"));

        facts.peer.as_mut().expect("a peer").native_program = true;
        assert_eq!(check(&facts).state, State::Ok);
        facts.peer.as_mut().expect("a peer").up = false;
        assert_eq!(check(&facts).remedy.as_deref(), Some("ip -n blue link set dev veth1 up"));
        facts.peer = None;
        assert_eq!(check(&facts).state, State::Unknown);
    }

    #[test]
    fn cards_say_it_themselves() {
        let with = |features| check(&InterfaceFacts { features, ..card("ixgbe") });
        assert_eq!(with(Some(XdpFeatures::from_bits(0x7))).state, State::Ok);
        assert!(with(Some(XdpFeatures::from_bits(0x3))).found.contains("only while it has an XDP program"));
        assert!(with(Some(XdpFeatures::from_bits(0))).found.contains("cannot send"));
        assert_eq!(with(None).state, State::Unknown);
    }
}
