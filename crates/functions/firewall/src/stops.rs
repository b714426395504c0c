//! What of the section keeps a packet from the host, said by the naive model: nothing need be live.

use std::net::IpAddr;

use abi::{Action, Step};
use policy::{Cidr, Stop, What, World};
use wire::model::dissect;

use crate::{
    config::{Entry, Rules},
    list::Verdict,
    rule::model::{Fragments, Model},
    shared::fragments,
};

/// As `Valid::stops` has it.
pub fn stops(section: &Rules, world: &World<'_>, frame: &[u8], interface: &str) -> Option<Stop> {
    if let Some(entry) = listed(section, world, frame) {
        let stop = Stop { what: entry.text(), at: Some(entry.item.at), until_sent: false };
        return (entry.verdict == Verdict::Drop).then_some(stop);
    }
    let policy = match section.fragments {
        fragments::DROP => Fragments::Drop,
        fragments::PASS => Fragments::Pass,
        _ => Fragments::FirstOnly,
    };
    let drops_by_default = section.default == Verdict::Drop;
    let mut model = Model::of(section.rules.clone(), world.sets.clone(), policy, drops_by_default);
    let mut judged = |established| {
        model.established = established;
        let judgement = model.judge(frame, interface, 0);
        let Step::Done(action, reason) = judgement.step else { return None };
        let (what, at) = match judgement.decides {
            _ if action == Action::Pass => return None,
            Some(number) => (section.rules[number].text.clone(), Some(section.rules[number].at)),
            None if reason == abi::Reason::FirewallDefault => {
                ("default = \"drop\"".into(), Some(section.default_at))
            }
            None => (reason.name().into(), None),
        };
        // What stops an answer stops it for good.
        Some(Stop { what, at, until_sent: !established })
    };
    judged(true).or_else(|| judged(false))
}

/// The entry of `allow` or `drop` with the longest prefix that covers the source; of two, the first.
fn listed<'a>(section: &'a Rules, world: &World<'_>, frame: &[u8]) -> Option<&'a Entry> {
    let source = address(dissect(frame, frame.len()).ok()?.ip?.source)?;
    let mut longest: Option<(u8, &Entry)> = None;
    for entry in &section.entries {
        let prefix = match &entry.item.what {
            What::Prefix(prefix) => Some(*prefix).filter(|prefix| prefix.contains(Cidr::host(source))),
            What::Set(name) => world.sets.get(name).and_then(|set| set.covering(source)),
        };
        if let Some(length) = prefix.map(Cidr::length)
            && longest.is_none_or(|(known, _)| known < length)
        {
            longest = Some((length, entry));
        }
    }
    longest.map(|(_, entry)| entry)
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        _ => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
    }
}
