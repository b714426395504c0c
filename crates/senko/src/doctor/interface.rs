//! Verdicts about one interface.

use std::time::SystemTime;

use engine::{Mode, Occupant};

use super::{
    check::{AS_ROOT, Check},
    facts::{InterfaceFacts, TrialFact},
    mtu,
    place::Place,
    redirect_target,
};

pub const INTERFACE: &str = "interface";

pub fn checks(facts: &InterfaceFacts, now: SystemTime) -> Vec<Check> {
    let mut checks = vec![link(facts)];
    checks.extend(position(facts));
    checks.extend([native(facts), generic(facts), offload(facts), mtu::check(facts), queues(facts)]);
    checks.extend(offloads(facts));
    checks.extend([redirect_target::check(facts), attached(facts, now)]);
    checks
}

fn link(facts: &InterfaceFacts) -> Check {
    let check = Check::new(INTERFACE, "link", "receiving anything");
    let kind = facts.kind.as_deref().or(facts.driver.as_deref()).unwrap_or("no driver name");
    let driver = match &facts.driver {
        Some(driver) if driver != kind => format!("{kind}, driver {driver}"),
        _ => kind.to_owned(),
    };
    match facts.up {
        true => check.ok(format!("{driver}, up")),
        false => check.missing(
            format!("{driver}, down"),
            Place(facts.netns.as_deref()).ip(&format!("link set dev {} up", facts.name)),
        ),
    }
}

/// Interfaces that stand on or in others are often the wrong place for a program.
fn position(facts: &InterfaceFacts) -> Option<Check> {
    let check = Check::new(INTERFACE, "position", "seeing the frames where they arrive");
    let senko = |name: &str| Place(facts.netns.as_deref()).senko(&format!("doctor {name}"));
    if let Some(parent) = &facts.parent {
        let what = facts.kind.as_deref().unwrap_or("interface");
        let tag = if what == "vlan" { ", where frames still carry their tag" } else { "" };
        return Some(check.missing(format!("a {what} on {parent}: attach to {parent}{tag}"), senko(parent)));
    }
    if let Some((controller, kind)) = &facts.controller {
        return Some(match kind.as_str() {
            "bond" => check.missing(
                format!("a member of bond {controller}: attach to the bond (Linux 5.15), or to every member"),
                senko(controller),
            ),
            _ => {
                check.ok(format!("a port of {kind} {controller}: XDP sees its frames before the {kind} does"))
            }
        });
    }
    let members = facts.members.join(" ");
    match facts.kind.as_deref() {
        Some("bridge") => Some(check.missing(
            "a bridge, which has generic mode only: attach to its ports",
            if members.is_empty() { "add a port first".into() } else { senko(&members) },
        )),
        Some("bond") if !members.is_empty() => Some(check.ok(format!("a bond of {members}"))),
        _ => None,
    }
}

fn native(facts: &InterfaceFacts) -> Check {
    let check = Check::new(INTERFACE, "native", "speed: XDP in the driver");
    let command = Place(facts.netns.as_deref()).senko(&format!("doctor {} --probe", facts.name));
    let names = facts.features.map(|features| features.names().join(", ")).filter(|names| !names.is_empty());
    let with_features = |how: &str| match &names {
        Some(names) => format!("yes{how} ({names})"),
        None => format!("yes{how}"),
    };
    match (&facts.native_trial, facts.native()) {
        (Some(TrialFact::Works), _) => check.ok(with_features(", tried")),
        (Some(TrialFact::Refused(why)), _) => {
            check.missing(format!("no: tried, {why}"), "use --mode generic, or see the MTU and queues below")
        }
        (Some(TrialFact::Denied), None) => check.unknown("trying it takes more privileges", Some(AS_ROOT)),
        (_, Some(true)) => check.ok(with_features("")),
        (_, Some(false)) => check.missing(
            match &facts.driver {
                Some(driver) => format!("no: driver {driver} has no XDP"),
                None => "no: this kind of interface has no XDP of its own".into(),
            },
            "use --mode generic; it works on every interface and costs more",
        ),
        (_, None) => check.unknown("the kernel tells since 6.3; trying tells too", Some(&command)),
    }
}

fn generic(facts: &InterfaceFacts) -> Check {
    let check = Check::new(INTERFACE, "generic", "XDP without the driver's help");
    match &facts.generic_trial {
        Some(TrialFact::Refused(why)) => check.missing(format!("no: tried, {why}"), "dmesg | tail"),
        Some(TrialFact::Works) => check.ok("yes, tried"),
        _ => check.ok("yes, as on every interface"),
    }
}

/// No remedy: almost no card does it, and nothing needs it.
fn offload(facts: &InterfaceFacts) -> Check {
    let check = Check::new(INTERFACE, "offload", "XDP in the card");
    match facts.features {
        Some(features) if features.offload() => check.ok("yes"),
        Some(_) => check.ok("no"),
        None => check.unknown("the kernel tells since 6.3", None),
    }
}

fn queues(facts: &InterfaceFacts) -> Check {
    let check = Check::new(INTERFACE, "queues", "every CPU receiving, and a queue to send from for each");
    let Some(channels) = facts.channels else { return check.ok("one, or the driver does not say") };
    let (rx, max, cpus) = (channels.rx_queues(), channels.max_rx_queues(), facts.cpus);
    let place = Place(facts.netns.as_deref());
    let name = &facts.name;
    let set = |count: u32| {
        let what = if channels.max_combined > 0 { "combined" } else { "rx" };
        place.ethtool(&format!("-L {name} {what} {count}"))
    };
    let count = format!("{rx} of at most {max}, {cpus} CPUs");
    // `veth_xdp_set` refuses with ENOSPC.
    if let Some(tx) = facts.peer.as_ref().and_then(|peer| peer.tx_queues)
        && tx > rx
    {
        let found = format!("{count}: fewer than the {tx} its peer sends from, so native mode is refused");
        return check.required(true).missing(found, set(tx));
    }
    match facts.driver.as_deref() {
        // These drivers take as many queues again for sending, and refuse native mode when they cannot have them.
        Some("ena" | "bnxt_en") if rx > max / 2 && max >= 2 => check
            .required(true)
            .missing(format!("{count}: native mode needs as many again to send from"), set(max / 2)),
        // `virtnet_xdp_set`: without a queue for each CPU it shares them under a lock.
        Some("virtio_net") if rx + cpus > max && max > cpus => {
            check.missing(format!("{count}: too few are left for a sending queue a CPU"), set(max - cpus))
        }
        Some("virtio_net") if rx + cpus > max => check.missing(
            format!(
                "{count}: too few for a sending queue a CPU, so redirects and answers share one under a lock"
            ),
            format!("give the virtual machine {} queue pairs (QEMU: -netdev tap,queues={0})", 2 * cpus),
        ),
        Some("veth") => check.ok(count),
        // A tap that no process has opened.
        _ if rx == 0 => check.ok("none yet"),
        _ if rx < cpus.min(max) => {
            check.missing(format!("{count}: some CPUs receive nothing"), set(cpus.min(max)))
        }
        _ => check.ok(count),
    }
}

/// Offloads that get in the way of XDP or of TCP over it.
fn offloads(facts: &InterfaceFacts) -> Vec<Check> {
    let place = Place(facts.netns.as_deref());
    let is_on = |feature: &str| facts.offloads.get(feature).copied().unwrap_or(false);
    let mut checks = Vec::new();
    for (feature, short, does) in [
        ("rx-lro", "lro", "joins packets before XDP sees them; most drivers refuse native mode with it"),
        (
            "rx-gro-hw",
            "rx-gro-hw",
            "joins packets in the card; native mode is refused or sees joined packets",
        ),
    ] {
        if is_on(feature) {
            checks.push(
                Check::new(INTERFACE, feature, "native mode, packets as they were sent")
                    .missing(format!("on: {does}"), place.ethtool(&format!("-K {} {short} off", facts.name))),
            );
        }
    }
    if let Some(peer) = &facts.peer {
        let check =
            Check::new(INTERFACE, "peer_tx_checksum", "TCP and UDP through redirects and answers in XDP");
        let on = peer.features.iter().any(|(name, on)| *on && name.starts_with("tx-checksum-ip"));
        let place = Place(peer.namespace.as_deref().or(facts.netns.as_deref()));
        checks.push(if on {
            check.missing(
                format!("on at the peer {}: checksums are left unfinished, so ping passes a redirect and TCP does not", peer.name),
                place.ethtool(&format!("-K {} tx off", peer.name)),
            )
        } else {
            check.ok(format!("off at the peer {}", peer.name))
        });
    }
    if checks.is_empty() {
        let name = if facts.is_veth() { "peer_tx_checksum" } else { "offloads" };
        let check = Check::new(INTERFACE, name, "packets as they were sent");
        checks.push(if facts.is_veth() {
            check.unknown("the peer is in a network namespace that cannot be looked into", None)
        } else {
            check.ok("none in the way")
        });
    }
    checks
}

fn attached(facts: &InterfaceFacts, now: SystemTime) -> Check {
    let check = Check::new(INTERFACE, "attached", "knowing who has the hook");
    if facts.programs.is_empty() {
        return check.ok("nothing");
    }
    let all: Vec<String> = facts.programs.iter().map(|program| describe(program, now)).collect();
    let native = facts.programs.iter().any(|program| program.mode == Mode::Native);
    let mut found = all.join("; ");
    if let Some(peer) = facts.peer.as_ref().filter(|_| native) {
        found += &format!("; meanwhile the MTU of {} cannot go above the native limit", peer.name);
    }
    if facts.programs.iter().all(|occupant| occupant.program.is_some()) {
        check.ok(found)
    } else {
        check.unknown(found, Some(AS_ROOT))
    }
}

/// `native: pass (id 17, tag 614b434cd8324ecc), loaded 5 min ago by uid 0, held by senko (pid 7)`.
pub fn describe(occupant: &Occupant, now: SystemTime) -> String {
    let Some(program) = &occupant.program else {
        return format!("{}: program {}; its name is for root to see", occupant.mode, occupant.program_id);
    };
    let name = if program.name.is_empty() { "without name" } else { &program.name };
    let ago = now.duration_since(program.loaded).unwrap_or_default().as_secs();
    let ago = match ago {
        s if s < 120 => format!("{s} s"),
        s if s < 7200 => format!("{} min", s / 60),
        s if s < 172_800 => format!("{} h", s / 3600),
        s => format!("{} days", s / 86_400),
    };
    let holders = occupant.holders.iter().map(|holder| format!("{} (pid {})", holder.command, holder.pid));
    let pins = occupant.pins.iter().map(|pin| pin.display().to_string());
    let held: Vec<String> = holders.chain(pins).collect();
    let held = match held.is_empty() {
        true => "held by no process: attached over netlink, as `ip link` does".into(),
        false => format!("held by {}", held.join(", ")),
    };
    format!(
        "{}: {name} (id {}, tag {}), loaded {ago} ago by uid {}, {held}",
        occupant.mode, occupant.program_id, program.tag, program.uid
    )
}

#[cfg(test)]
mod tests {
    use engine::ethtool::Channels;

    use super::*;
    use crate::doctor::{
        check::State,
        fabricated::{card, find, veth},
    };

    /// As somebody without privileges sees a program.
    fn unnamed(program_id: u32) -> Occupant {
        let (links, pins, holders) = (Vec::new(), Vec::new(), Vec::new());
        Occupant { mode: Mode::Generic, program_id, program: None, links, pins, holders }
    }

    fn judge(facts: &InterfaceFacts) -> Vec<Check> {
        checks(facts, SystemTime::now())
    }

    #[test]
    fn a_good_card_has_nothing_to_say() {
        for check in judge(&card("ixgbe")) {
            assert_eq!((check.state, check.remedy), (State::Ok, None), "{}", check.name);
        }
    }

    #[test]
    fn without_features_only_a_trial_tells() {
        let mut facts = InterfaceFacts { features: None, ..card("ixgbe") };
        let native = find(&judge(&facts), "native").clone();
        assert_eq!(native.state, State::Unknown);
        assert_eq!(native.remedy.as_deref(), Some("senko doctor eth7 --probe"));
        facts.native_trial = Some(TrialFact::Works);
        assert!(find(&judge(&facts), "native").found.contains("tried"));
        facts.native_trial = Some(TrialFact::Refused("Operation not supported (os error 95)".into()));
        assert_eq!(find(&judge(&facts), "native").state, State::Warn);
        facts.native_trial = Some(TrialFact::Denied);
        assert_eq!(find(&judge(&facts), "native").remedy.as_deref(), Some(AS_ROOT));
        // A program was there: not tried, and not known to be native.
        facts.native_trial = Some(TrialFact::Occupied);
        assert_eq!(find(&judge(&facts), "native").state, State::Unknown);
    }

    #[test]
    fn queue_counts_come_with_the_command() {
        let with = |driver: &str, combined, max_combined| {
            let channels = Some(Channels { combined, max_combined, ..Channels::default() });
            let check = find(&judge(&InterfaceFacts { channels, ..card(driver) }), "queues").clone();
            (check.state, check.remedy)
        };
        assert_eq!(with("ena", 8, 8), (State::Bad, Some("ethtool -L eth7 combined 4".into())));
        assert_eq!(with("ena", 4, 8), (State::Ok, None));
        assert_eq!(with("virtio_net", 8, 8), (State::Warn, Some("ethtool -L eth7 combined 4".into())));
        assert_eq!(with("virtio_net", 4, 8).0, State::Ok);
        assert!(with("virtio_net", 1, 1).1.expect("a remedy").contains("8 queue pairs"));
        assert_eq!(with("ixgbe", 1, 63), (State::Warn, Some("ethtool -L eth7 combined 4".into())));
    }

    #[test]
    fn a_veth_needs_as_many_queues_as_its_peer_sends_from() {
        let mut facts = veth();
        assert_eq!(find(&judge(&facts), "queues").state, State::Ok);
        facts.peer.as_mut().expect("a peer").tx_queues = Some(2);
        let checks = judge(&facts);
        let queues = find(&checks, "queues");
        assert_eq!((queues.state, queues.remedy.as_deref()), (State::Bad, Some("ethtool -L veth0 rx 2")));
    }

    #[test]
    fn the_peers_checksum_offload_matters_not_our_own() {
        let mut facts = veth();
        facts.offloads.insert("tx-checksum-ip-generic".into(), true);
        let checks = judge(&facts);
        let remedy = &find(&checks, "peer_tx_checksum").remedy;
        assert_eq!(remedy.as_deref(), Some("ip netns exec blue ethtool -K veth1 tx off"));
        facts.peer.as_mut().expect("a peer").features.clear();
        assert_eq!(find(&judge(&facts), "peer_tx_checksum").state, State::Ok);
    }

    #[test]
    fn joined_packets_are_warned_about() {
        let mut facts = card("virtio_net");
        facts.netns = Some("red".into());
        facts.offloads.insert("rx-lro".into(), true);
        facts.offloads.insert("rx-gro-hw".into(), false);
        let checks = judge(&facts);
        assert_eq!(
            find(&checks, "rx-lro").remedy.as_deref(),
            Some("ip netns exec red ethtool -K eth7 lro off")
        );
        assert!(checks.iter().all(|check| check.name != "rx-gro-hw"));
    }

    #[test]
    fn the_better_place_is_named() {
        let remedy = |facts: InterfaceFacts| find(&judge(&facts), "position").remedy.clone();
        let vlan =
            InterfaceFacts { kind: Some("vlan".into()), parent: Some("eth0".into()), ..card("802.1Q VLAN") };
        assert_eq!(remedy(vlan).as_deref(), Some("senko doctor eth0"));
        let member = InterfaceFacts { controller: Some(("bond0".into(), "bond".into())), ..card("ixgbe") };
        assert_eq!(remedy(member).as_deref(), Some("senko doctor bond0"));
        let port = InterfaceFacts { controller: Some(("br0".into(), "bridge".into())), ..card("ixgbe") };
        assert_eq!(remedy(port), None);
        let members = vec!["a".into(), "b".into()];
        let bridge = InterfaceFacts { kind: Some("bridge".into()), members, ..card("bridge") };
        assert_eq!(remedy(bridge).as_deref(), Some("senko doctor a b"));
    }

    #[test]
    fn a_program_whose_owner_cannot_be_seen_is_still_reported() {
        let programs = vec![unnamed(41)];
        let checks = judge(&InterfaceFacts { programs, ..card("ixgbe") });
        let attached = find(&checks, "attached");
        assert!(attached.found.contains("program 41"));
        assert_eq!((attached.state, attached.remedy.as_deref()), (State::Unknown, Some(AS_ROOT)));
    }
}
