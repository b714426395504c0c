//! Whether frames that XDP redirects to the interface leave it, or are lost without a word.

use serde::Serialize;

use super::{check::Check, facts::InterfaceFacts, interface::INTERFACE, place::Place};

/// What becomes of frames that are redirected to an interface in native mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RedirectTarget {
    Yes,
    /// The driver takes frames only while it has an XDP program itself.
    WithProgram,
    Down,
    PeerDown,
    /// The peer of a veth does not poll.
    PeerWithoutGro,
    No,
    Unknown,
}

impl RedirectTarget {
    /// A word or two for tables.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::WithProgram => "with program",
            Self::Down | Self::PeerDown | Self::PeerWithoutGro | Self::No => "no",
            Self::Unknown => "unknown",
        }
    }

    pub fn of(facts: &InterfaceFacts) -> Self {
        match (&facts.peer, facts.features) {
            _ if !facts.up => Self::Down,
            (None, _) if facts.is_veth() => Self::Unknown,
            (Some(peer), _) if !peer.up => Self::PeerDown,
            // `veth_xdp_xmit` drops frames with ENXIO unless the peer polls (NAPI): with a program, or with GRO.
            (Some(peer), _) => {
                let gro = gro_polls() && peer.features.get("rx-gro").copied().unwrap_or(false);
                if gro || peer.native_program { Self::Yes } else { Self::PeerWithoutGro }
            }
            (None, Some(features)) if features.redirect_target() => Self::Yes,
            (None, Some(features)) if features.basic() => Self::WithProgram,
            (None, Some(_)) => Self::No,
            (None, None) => Self::Unknown,
        }
    }
}

/// Whether a veth with GRO polls. Before, only one with a program does.
fn gro_polls() -> bool {
    engine::kernel_release() >= (5, 13)
}

pub fn check(facts: &InterfaceFacts) -> Check {
    let check = Check::new(INTERFACE, "redirect_target", "redirecting frames to it from native mode");
    let here = Place(facts.netns.as_deref());
    let peer = facts.peer.as_ref();
    let there = Place(peer.and_then(|peer| peer.namespace.as_deref()).or(facts.netns.as_deref()));
    let (own, peer) = (facts.name.as_str(), peer.map_or("", |peer| peer.name.as_str()));
    match RedirectTarget::of(facts) {
        RedirectTarget::Yes if peer.is_empty() => check.ok("yes"),
        RedirectTarget::Yes => check.ok(format!("yes: its peer {peer} has GRO or a native program")),
        RedirectTarget::WithProgram => check.missing(
            "not yet: the driver takes frames only while it has an XDP program itself",
            here.senko(&format!("count {own}    # or any other program, while frames are redirected there")),
        ),
        RedirectTarget::Down => {
            check.missing("bad redirect target: it is down", here.ip(&format!("link set dev {own} up")))
        }
        RedirectTarget::PeerDown => check.missing(
            format!("bad redirect target: its peer {peer} is down"),
            there.ip(&format!("link set dev {peer} up")),
        ),
        RedirectTarget::PeerWithoutGro if !gro_polls() => check.missing(
            format!("bad redirect target: its peer {peer} has no native program; frames are lost"),
            there
                .senko(&format!("count {peer}    # or any other program, while frames are redirected there")),
        ),
        RedirectTarget::PeerWithoutGro => check.missing(
            format!(
                "bad redirect target: its peer {peer} has neither GRO nor a native program; frames are lost"
            ),
            there.ethtool(&format!("-K {peer} gro on")),
        ),
        RedirectTarget::No => check.missing(
            "bad redirect target: the driver cannot send XDP frames",
            "redirect in generic mode (--mode generic on the receiving interface)",
        ),
        RedirectTarget::Unknown if facts.is_veth() => {
            check.unknown("the peer, which has to have GRO or a native program, cannot be looked at", None)
        }
        RedirectTarget::Unknown => check.unknown("the kernel tells since 6.3", None),
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
        assert!(with(Some(XdpFeatures::from_bits(0x3))).found.contains("only while it has"));
        assert!(with(Some(XdpFeatures::from_bits(0))).found.contains("cannot send"));
        assert_eq!(with(None).state, State::Unknown);
    }
}
