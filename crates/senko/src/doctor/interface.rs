//! Verdicts about one interface.

use std::time::SystemTime;

use engine::Mode;

use super::{
    check::{AS_ROOT, Check},
    facts::{AttachedFact, InterfaceFacts, TrialFact},
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
        return Some(check.missing(
            format!("a {what} on {parent}: attach to {parent}, where frames still carry their tag"),
            senko(parent),
        ));
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
            format!("no: driver {} has no XDP", facts.driver.as_deref().unwrap_or("-")),
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
                format!(
                    "on at the peer {}: its packets arrive without checksum, and ping works but TCP does not",
                    peer.name
                ),
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
    if facts.programs.iter().all(|program| program.info.is_some()) {
        check.ok(found)
    } else {
        check.unknown(found, Some(AS_ROOT))
    }
}

/// `native: pass (id 17, tag 614b434cd8324ecc), loaded 5 min ago by uid 0, held by senko (pid 7)`.
pub fn describe(program: &AttachedFact, now: SystemTime) -> String {
    let Some(info) = &program.info else {
        return format!("{}: program {}; its name is for root to see", program.mode, program.id);
    };
    let name = if info.name.is_empty() { "without name" } else { &info.name };
    let ago = now.duration_since(info.loaded_at).unwrap_or_default().as_secs();
    let ago = match ago {
        s if s < 120 => format!("{s} s"),
        s if s < 7200 => format!("{} min", s / 60),
        s if s < 172_800 => format!("{} h", s / 3600),
        s => format!("{} days", s / 86_400),
    };
    let holders: Vec<String> =
        info.holders.iter().map(|(pid, command)| format!("{command} (pid {pid})")).collect();
    let holders = match holders.is_empty() {
        true => "held by no process: pinned, or attached with `ip link`".into(),
        false => format!("held by {}", holders.join(", ")),
    };
    format!(
        "{}: {name} (id {}, tag {}), loaded {ago} ago by uid {}, {holders}",
        program.mode, program.id, info.tag, info.uid
    )
}
